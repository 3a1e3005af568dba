"""One drawn defect: put in, judged, and whether it was called at the right place."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from karat.convert.fidelity import verify
from karat.refimpl.errors import BadInput

from . import constants, devices, graph, subjects, weights
from .surgery import Cut, Unsuitable

KINDS = {"weights": weights.FAMILIES, "constants": constants.FAMILIES, "graph": graph.FAMILIES}
PACKAGE = {name: (kind, cut) for kind, families in KINDS.items() for name, cut in families.items()}
FAMILIES = [*PACKAGE, *devices.FAMILIES]
SIZED = [name for name, (_, cut) in PACKAGE.items() if "ulps" in cut.__code__.co_varnames[: cut.__code__.co_argcount]]
MOST_DRAWS = 400
# What only a network with attention has
TRANSFORMER = {"norm: scale for shift", "sizes exchanged in a reshape", "axes exchanged in a transpose"}
TRANSFORMER |= {name for name in constants.FAMILIES if name != "slope or bound of an activation"}


@dataclass(frozen=True)
class Result:
    """What became of one defect.

    Attributes
    ----------
    family, kind : str
    key : tuple
        What its generator was seeded with: (seed, family's number, draw, magnitude's number).
    network, site, size : str
    where : str
        The layer that it is in; others by which one operation may be called behind it.
    called : str
        The layer that the verdict names; "-" when it names none.
    right : bool
    magnitude : float or None
        Of the sweep.
    """

    family: str
    kind: str
    key: tuple
    network: str
    site: str
    size: str
    where: str
    called: str
    right: bool
    magnitude: float | None = None
    verdict: str = ""
    seconds: float = 0.0


def trial(family, seed, number, magnitude=None):
    """Draw until a defect of the family is one, and judge it.

    Parameters
    ----------
    family : str
        Of `FAMILIES`.
    seed, number : int
        Of the benchmark, and of the draw.
    magnitude : float, optional
        Size of the defect: units in the last place of a stored constant, or relative in a device's arithmetic.

    Returns
    -------
    Result
    """
    start = time.perf_counter()
    key = (seed, FAMILIES.index(family), number, 0 if magnitude is None else 64 + round(np.log2(magnitude)))
    rng = np.random.default_rng(key)
    put_in = _written if family in PACKAGE else _played
    for _ in range(MOST_DRAWS):
        with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
            try:
                subject, program, site, size, places = put_in(family, rng, magnitude, Path(folder))
            except Unsuitable:
                continue
            called, verdict = _judged(subject, program)
            kind = PACKAGE[family][0] if family in PACKAGE else "arithmetic"
            where = " or ".join(places)
            seconds = time.perf_counter() - start
            right = called in places
            return Result(
                family, kind, key, subject.name, site, size, where, called, right, magnitude, verdict, seconds
            )
    raise RuntimeError(f"{family} found no site in {MOST_DRAWS} draws")


def _judged(subject, program):
    """(layer that is called, verdict in words)."""
    try:
        verdict = verify(subject.model, program, subject.x)
    except BadInput as error:
        return "-", f"refused: {error}"
    if verdict.faithful is not False:
        return "-", verdict.summary()[-1]
    return verdict.culprit.layer, verdict.summary()[-1]


def _written(family, rng, ulps, folder):
    """A package with the defect written into it."""
    subject = subjects.draw(rng, transformer=family in TRANSFORMER)
    sidecar = bool(rng.integers(2))
    cut = Cut(subject, folder / "mutant.mlpackage")
    sized = {} if ulps is None else {"ulps": int(ulps)}
    site, size = PACKAGE[family][1](cut, rng, **sized)
    program = cut.close(sidecar)
    try:
        places = subject.places(program)
    except BadInput as error:  # it does not run: nobody would ship it
        raise Unsuitable from error
    if not places:
        raise Unsuitable
    return subject, program, f"{site}{'' if sidecar else ' (no sidecar)'}", size, places


def _played(family, rng, magnitude, folder):
    """An honest package on a device with the defect."""
    subject, program, site, size = devices.FAMILIES[family](rng, magnitude)
    places = subject.places(program, devices.PROFILE, program.honest)
    if not places:
        raise Unsuitable
    return subject, program, site, size, places
