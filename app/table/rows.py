"""The techniques of the study's table: what each leaves of a network, counted, and how its network is built."""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path

import numpy as np

from ...refimpl.errors import BadInput
from ...refimpl.load import load, zoo_names
from ...refimpl.models import Model, quicksrnet, swinir
from ...refimpl.models.seeded import CONFIGS
from ...refimpl.prune import Cut, Plan, channels, count, heads, removed, weights
from ...refimpl.prune.choose import lowest, share
from ...refimpl.prune.living import living
from ...refimpl.prune.remove import masks, silenced, swinir_blocks
from ...refimpl.prune.scores import l1

STUDY = {"classical": "classical-x2-test", "lightweight": "light-x2-test", "real-world": "real-x2-test"}
WEIGHTS, HIDDEN = 0.33, 0.5  # rates


@dataclass(frozen=True)
class Row:
    """One line of the table, counted.

    Attributes
    ----------
    technique : {"whole", "heads", "weights", "hidden", "also"}
    label : str
    as_studied : int or None
        Parameters left as the study counts them; None for what it does not count.
    as_is : int
        Parameters left, zeros not counted.
    whole : int
        Of the network before, by its shapes.
    flops : int
        Of one picture.
    build : callable or None
        Gives the network; None when there is none to build: no layer has attention left.
    trained : bool
        False where the weights of a further network are a formula.
    """

    technique: str
    label: str
    as_studied: int | None
    as_is: int
    whole: int
    flops: int
    build: Callable[[], Model] | None
    trained: bool = True

    @property
    def sparsity_as_studied(self) -> float | None:
        """In percent of the network before."""
        return None if self.as_studied is None else 100 * (1 - self.as_studied / self.whole)

    @property
    def sparsity_as_is(self) -> float:
        """In percent of the network before."""
        return 100 * (1 - self.as_is / self.whole)


def seeded_name(source: str) -> str | None:
    """Which of `CONFIGS` a person means, if one of them.

    Examples
    --------
    >>> seeded_name("lightweight"), seeded_name("zoo:light-x2-test"), seeded_name("zoo:swinir-small-x2")
    ('light-x2-test', 'light-x2-test', None)
    """
    name = STUDY.get(source, source.removeprefix("zoo:") if source.startswith("zoo:") else None)
    return name if name in CONFIGS else None


def subject(source: str, structure: bool = False) -> Model:
    """The network of the table.

    Parameters
    ----------
    source : str
        One of `STUDY`, or what `karat.load` takes.
    structure : bool
        For counting: networks whose weights are a formula come without them.

    Returns
    -------
    Model

    Raises
    ------
    BadInput
        When it is no SwinIR, or some of its heads are masked.

    Examples
    --------
    >>> subject("real-world", structure=True).config.upsampler
    'nearest+conv'
    """
    name = seeded_name(source)
    if name and structure:
        config = CONFIGS[name]
        model = Model(swinir if isinstance(config, swinir.Config) else quicksrnet, config, {})
    else:
        model = _loaded(source)
    swinir_blocks(model)
    masked = sum(int((~alive).sum()) for alive in living(model).values()) if model.parameters else 0
    if masked:
        raise BadInput(
            f"{source} has {masked} masked head{'s' if masked > 1 else ''}, expected a network with all heads that its "
            f"shapes show; name it with --also, or run: karat prune {source} --from-plan PLAN -o NEW.safetensors"
        )
    return model


def _loaded(source):
    """A network by its name in the study, or as `karat.load` takes it."""
    name, source = seeded_name(str(source)), str(source)
    if not name and not source.startswith("zoo:") and not Path(source).exists():
        known = [*STUDY, *(f"zoo:{name}" for name in (*zoo_names(), *CONFIGS))]
        close = get_close_matches(source, known, 1)
        if close:
            raise BadInput(
                f"{source} is neither a file nor a network's name, expected one of {', '.join(STUDY)}, zoo:NAME or a "
                f"checkpoint; did you mean {close[0]}?"
            )
    return load(f"zoo:{name}" if name else source)


def label_of(source: str | Path) -> str:
    """What a further network is called in the table.

    Examples
    --------
    >>> label_of("zoo:swinir-small-x2"), label_of("nets/tuned.safetensors")
    ('swinir-small-x2', 'tuned')
    """
    return Path(str(source).removeprefix("zoo:")).stem


def rows(model: Model, size: tuple[int, int], also: tuple[str | Path, ...] = ()) -> list[Row]:
    """The techniques that a network allows.

    Parameters
    ----------
    model : Model
        As `subject` gives it.
    size : tuple of int
        (H, W) of the picture that FLOPs are counted for.
    also : tuple of (str or Path)
        Further networks of the same scale, as `karat.load` takes them.

    Returns
    -------
    list of Row

    Raises
    ------
    BadInput

    Examples
    --------
    >>> [row.label for row in rows(subject("zoo:swinir-small-x2"), (64, 64))]
    ['whole network', '1 head a layer', '2 heads a layer *', '33 % of weights', '50 % of hidden']
    >>> [row.as_studied for row in rows(subject("lightweight", structure=True), (64, 64))][:3]
    [910152, 866952, 823752]
    """
    whole, zeros = count.parameters(model), count.zeros(model) if model.parameters else 0
    pruned = zeros and not all(np.all(model.parameters[name]) for name in weights.linear_weights(model))

    def row(technique, label, as_studied, as_is, counted, build):
        flops = 2 * sum(count.multiply_adds(counted, size).values())
        return Row(technique, label, None if pruned else as_studied, as_is, whole, flops, build)

    found = []
    for left in count.head_steps(model):
        label = f"{left.step} head{'s' if left.step > 1 else ''} a layer" if left.step else "whole network"
        counted = count.without_heads(model, dict.fromkeys(model.config.paths, left.step))
        build = partial(_fewer_heads, model, left.step) if left.built else None
        name, as_is = "heads" if left.step else "whole", _silent_heads(model, left.step) if zeros else left.as_is
        found.append(row(name, label if build else f"{label} *", left.as_studied, as_is, counted, build))
    left, label = count.unstructured(model, WEIGHTS), f"{100 * WEIGHTS:.0f} % of weights"
    as_is = _not_zero(weights.pruned(model, WEIGHTS)) if zeros else left.as_is
    found.append(row("weights", label, left.as_studied, as_is, model, partial(weights.pruned, model, WEIGHTS)))
    if any(share(HIDDEN, block.hidden) for block in model.config.paths.values()):
        narrow, label = count.without_hidden(model, HIDDEN), f"{100 * HIDDEN:.0f} % of hidden"
        narrow = _narrower(model) if zeros else narrow
        as_is = _not_zero(narrow) if zeros else count.parameters(narrow)
        found.append(row("hidden", label, None, as_is, narrow, partial(_narrower, model)))
    return found + [_further(model, source, size, pruned) for source in also]


def _not_zero(model):
    """Parameters that are not zero."""
    return count.parameters(model) - count.zeros(model)


def _silent_heads(model, step):
    """Parameters that are not zero when so many heads of every layer go, even all of them."""
    scores = l1(model, "heads")
    plan = Plan({path: Cut(heads=lowest(scores[path], step)) for path in model.config.paths})
    return _not_zero(silenced(model, masks(model, plan)))


def _further(model, source, size, pruned):
    """The row of a network that the user trained."""
    other = _loaded(source)
    _check_same_task(model, other, source)
    flops, studied = 2 * sum(count.multiply_adds(other, size).values()), None if pruned else _as_studied(model, other)
    trained, whole = seeded_name(str(source)) is None, count.parameters(model)
    return Row("also", label_of(source), studied, _not_zero(other), whole, flops, lambda: other, trained)


def _fewer_heads(model, step):
    return removed(model, heads.per_layer(model, l1(model, "heads"), step)) if step else model


def _narrower(model):
    return removed(model, channels.per_layer(model, "hidden", l1(model, "hidden"), HIDDEN))


def _as_studied(model, other):
    """What the study would count for a network that lacks heads of this one, and nothing else; None for others."""
    if other.architecture is not swinir or other.config.paths.keys() != model.config.paths.keys() or count.zeros(other):
        return None
    gone = {path: block.heads - other.config.paths[path].heads for path, block in model.config.paths.items()}
    if not all(0 <= gone[path] < block.heads for path, block in model.config.paths.items()):
        return None
    left = count.after_heads(model, Plan({path: Cut(heads=tuple(range(n))) for path, n in gone.items()}))
    return left.as_studied if left.as_is == count.parameters(other) else None


def _check_same_task(model, other, path):
    if (other.scale, other.config.channels) != (model.scale, model.config.channels):
        raise BadInput(
            f"{path} upscales {other.config.channels} channels x{other.scale:g}, expected {model.config.channels} "
            f"channels x{model.scale:g} as the network does; leave it out"
        )
