"""A range certificate: what no image in [0, 1] does to a package, or which operator may overflow, and on which."""

from dataclasses import dataclass, field

import numpy as np

from ....refimpl.numerics.formats import FLOAT16
from ..shown import finite
from .bounds import Bounds
from .limits import LIMITS
from .overflow_search import RUNS, SECONDS, search_images
from .propagate import propagate

CERTIFIED, MAY, DOES = "certified", "may", "does"


@dataclass(frozen=True)
class Bounded:
    """One operator against one limit.

    Attributes
    ----------
    name, operator : str
        Output variable and MIL's operator type.
    layer : str or None
    limit : str
        Name of the limit.
    bound : float
        No image gives a larger magnitude; infinity where nothing is known.
    status : str
        "certified", "may" or "does".
    found : float or None
        Largest magnitude that a search met; None without one.
    note : str
        Why there is no bound.
    """

    name: str
    operator: str
    layer: str | None
    limit: str
    bound: float
    status: str
    found: float | None = None
    note: str = ""

    def place(self):
        """Where, for a reader."""
        return f"{self.layer or self.name} ({self.operator})"


@dataclass(frozen=True)
class Certificate:
    """Whether any image in [0, 1] can take a package's half precision values beyond what holds them.

    It holds for results rounded once to nearest when stored, computed in float32 or finer with sums in any order (the
    profile "fp32-accumulate"), and for float64. A bound behind an operator that is not certified holds for the images
    that do not overflow there. A package for images takes 0 .. 255.

    Attributes
    ----------
    operators : list of Bounded
        In execution order, once for every limit that concerns the operator.
    images : dict of str to ndarray
        By limit: an image that exceeds it.
    runs : int
        Runs that the search made; 0 without one.
    single : int
        Values of float32, which no limit concerns.
    """

    operators: list[Bounded]
    images: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    runs: int = 0
    single: int = 0

    def status(self, limit):
        """ "certified", "may" or "does" for a limit's name; "certified" where it concerns nothing."""
        held = {row.status for row in self.operators if row.limit == limit}
        return next((status for status in (DOES, MAY) if status in held), CERTIFIED)

    @property
    def overflows(self) -> bool | None:
        """False: certified for every limit. True: an image does it. None: not known."""
        held = {self.status(limit.name) for limit in LIMITS}
        return True if DOES in held else None if MAY in held else False

    def worst(self, limit):
        """The Bounded that a limit's sentence names: first what does, then what may, then the largest; or None."""
        rows = [row for row in self.operators if row.limit == limit]
        for status in (DOES, MAY):
            first = next((row for row in rows if row.status == status), None)
            if first:
                return first
        return max(rows, key=lambda row: row.bound, default=None)

    def lines(self):
        """A sentence for each limit, and what they hold for."""
        lines = [self._line(limit) for limit in LIMITS]
        if self.runs:
            lines.append(f"searched {self.runs} images for one that overflows, for at most {SECONDS:.0f} seconds")
        if self.single:
            lines.append(f"{self.single} values are float32 and concerned by none of these limits")
        return lines

    def _line(self, limit):
        row, name = self.worst(limit.name), f"{limit.name} ({limit.source})"
        if row is None:
            return f"no operator is concerned by {name}"
        if row.status == CERTIFIED:
            return f"cannot exceed {name} for any image in [0, 1]: largest bound {row.bound:.4g} at {row.place()}"
        others = sum(1 for r in self.operators if r.limit == limit.name and r.status != CERTIFIED) - 1
        more = f", and {others} operators more" if others else ""
        if row.status == DOES:
            return f"EXCEEDS {name} at {row.place()} for an image that was found: {row.found:.4g}{more}"
        why = row.note or f"its bound is {row.bound:.4g}"
        met = "" if row.found is None else f"; the largest that a search met is {row.found:.4g}"
        return f"may exceed {name} at {row.place()}: {why}{met}{more}"

    def to_dict(self):
        """For JSON: "overflows", "limits" (by name: "largest", "source", "status", "worst") and "operators"."""
        limits = {}
        for limit in LIMITS:
            row = self.worst(limit.name)
            limits[limit.name] = {
                "largest": limit.largest,
                "source": limit.source,
                "status": self.status(limit.name),
                "worst": finite(vars(row)) if row else None,
            }
        rows = [finite(vars(row)) for row in self.operators]
        return {"overflows": self.overflows, "limits": limits, "operators": rows, "runs": self.runs}


def certify(program, layers=None, search=True, runs=RUNS, seed=0, progress=lambda done, total: None):
    """Bound every value of a package for all images in [0, 1] of its size, and look for images that overflow.

    Parameters
    ----------
    program : Program
        From `karat.open_package`, with fixed input shapes.
    layers : dict of str to str, optional
        Layer by variable name; by default from the package's sidecar.
    search : bool
        Look for an image where an operator is not certified.
    runs : int
        How many images the search may try.
    seed : int
        Of the search.
    progress : callable
        Called with (operations done, all) while bounds are computed, then with (images tried, runs).

    Returns
    -------
    Certificate

    Raises
    ------
    BadInput
        When an input has no fixed shape.
    UnsupportedOperator
        When a search has to run an operator that karat cannot execute.

    Examples
    --------
    >>> certify(program).status("65504")  # doctest: +SKIP
    'certified'
    """
    layers = program.layers() if layers is None else layers
    rows, watched, single = _bounded(program, layers, progress)
    wanted = {i: watched[i] for i, row in enumerate(rows) if row.status == MAY}
    if not wanted or not search or len(program.inputs) != 1:
        return Certificate(rows, single=single)
    limits = {limit.name: limit for limit in LIMITS}
    targets = [(name, limits[rows[i].limit]) for i, name in wanted.items()]
    found, images, tried = search_images(program, targets, runs, seed, progress)
    for i, name in wanted.items():
        met = found[name]
        status = DOES if limits[rows[i].limit].exceeded(met) else MAY
        rows[i] = Bounded(**(vars(rows[i]) | {"found": met, "status": status}))
    return Certificate(rows, images, tried, single)


def _bounded(program, layers, progress):
    """(rows, the variable that each row watches, number of float32 values)."""
    rows, watched, single, known = [], [], 0, {}
    for done, (operation, arguments, results) in enumerate(propagate(program)):
        progress(done + 1, len(program.operations))
        known |= {name: _size(value) for name, value in _named(operation, arguments, results)}
        single += sum(out.dtype == "float32" for out in operation.outputs)
        for limit in LIMITS:
            name = limit.watched(operation, program.constants)
            if name is None or operation.outputs[0].dtype != FLOAT16.name:
                continue
            bound, note = known[name]
            status = MAY if limit.exceeded(bound) else CERTIFIED
            output = operation.outputs[0].name
            rows.append(Bounded(output, operation.type, layers.get(output), limit.name, bound, status, None, note))
            watched.append(name)
    return rows, watched, single


def _named(operation, arguments, results):
    """(variable, what is known of it) of an operation's operand and its outputs."""
    if isinstance(operation.inputs.get("x"), str):
        yield operation.inputs["x"], arguments["x"]
    yield from ((output.name, result) for output, result in zip(operation.outputs, results, strict=True))


def _size(value):
    """(bound on the magnitude, why there is none)."""
    if isinstance(value, Bounds):
        return float(value.magnitude.max(initial=0.0)), value.unbounded
    return float(np.max(np.abs(np.asarray(value, np.float64)), initial=0.0)), ""
