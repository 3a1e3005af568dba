"""From a checkpoint, a zoo name or plain arrays to a golden model: everything derivable is derived from shapes."""

import inspect
from pathlib import Path

from .checkpoint import read_checkpoint
from .errors import BadInput
from .models import ARCHITECTURES, Model
from .models.seeded import CONFIGS, seeded_model

ZOO = Path(__file__).resolve().parents[1] / "zoo"


def zoo_names():
    """Names of the embedded networks, as in ``load("zoo:NAME")``."""
    return sorted(path.stem for path in ZOO.glob("*.safetensors"))


def file_of(source) -> Path | None:
    """The file that `load` reads; None where it reads none.

    Examples
    --------
    >>> file_of("zoo:swinir-small-x2").name, file_of("zoo:light-x2-test"), file_of("net.pth").name
    ('swinir-small-x2.safetensors', None, 'net.pth')
    """
    name = str(source)
    if not name.startswith("zoo:"):
        return Path(name)
    return None if name.removeprefix("zoo:") in CONFIGS else ZOO / f"{name.removeprefix('zoo:')}.safetensors"


def load(source, **explicit) -> Model:
    """Build the golden model of a trained network.

    Parameters
    ----------
    source : str, Path or mapping of str to array
        ``"zoo:NAME"`` (of the zoo, or of `seeded.CONFIGS`, whose weights are a formula), a ``.pth`` / ``.pt`` /
        ``.safetensors`` path, or a state dict of arrays.
    **explicit
        What no shape tells, such as ``average=2`` for the x3-then-average baseline of QuickSRNet.

    Returns
    -------
    Model

    Raises
    ------
    BadInput
        When the source cannot be read safely, or is no network that karat knows.

    Examples
    --------
    >>> load("zoo:quicksrnet-small-x2").config.features
    32
    """
    if isinstance(source, str) and source.startswith("zoo:"):
        name = source.removeprefix("zoo:")
        if name in CONFIGS and not explicit:
            return seeded_model(name)
        if name not in zoo_names():
            known = ", ".join([*zoo_names(), *CONFIGS])
            raise BadInput(f"the zoo holds no {name!r}, expected one of {known}; see `karat zoo`")
        source = ZOO / f"{name}.safetensors"
    parameters = read_checkpoint(source)
    shapes = {key: tuple(value.shape) for key, value in parameters.items()}
    for architecture in ARCHITECTURES:
        if architecture.recognises(shapes):
            takes = list(inspect.signature(architecture.derive).parameters)[1:]
            for name in set(explicit) - set(takes):
                raise BadInput(
                    f"{architecture.NAME} does not take {name}, expected one of {', '.join(takes)}; leave it out"
                )
            return Model(architecture, architecture.derive(shapes, **explicit), parameters)
    known = ", ".join(a.NAME for a in ARCHITECTURES)
    some = ", ".join(list(shapes)[:3])
    raise BadInput(f"the checkpoint has keys such as {some}, expected those of {known}; rename them if it is one")
