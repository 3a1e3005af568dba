"""A program's results against expected values: what its own rounding explains, and what it does not."""

import math
from dataclasses import dataclass

import numpy as np

from ...refimpl.numerics.formats import FORMATS
from .arithmetic import figures
from .structure import TOLERANCE


@dataclass(frozen=True)
class Difference:
    """How far one output is from what was expected.

    Attributes
    ----------
    name : str
    largest : float
        max |found - expected|; infinity where only one of them is finite, and for another shape.
    relative : float
        The same over max |expected|.
    place : tuple of int or None
        Where it is; None for another shape.
    found, expected : float or tuple of int
        The two numbers there; the two shapes when these differ.
    limit : float
        What rounding explains of ``largest``.
    """

    name: str
    largest: float
    relative: float
    place: tuple | None
    found: float | tuple
    expected: float | tuple
    limit: float

    @property
    def agrees(self):
        """Whether rounding explains it."""
        return self.largest <= self.limit


def compare(program, inputs, expected, profile):
    """Run a program and hold its results against expected values.

    In the profile float64 both must agree to 1e-10 of the largest expected value, as everywhere in `verify`. In any
    other they may differ by what the run is off its own float64 run, and by one rounding of the expected values' type;
    by nothing when an operation is off by more than its bound, and where a result is not finite.

    Parameters
    ----------
    program : Program
    inputs, expected : dict of str to ndarray
        What goes in, and what should come out.
    profile : str
        Arithmetic of the run.

    Returns
    -------
    list of Difference
        One per expected output.
    """
    found, limits, wrong = {}, {}, False
    for record in program.trace(inputs, profile=profile):
        judged = figures(record, "") if profile != "float64" else None
        wrong = wrong or bool(judged and judged.wrong)
        if record.name in expected:
            found[record.name] = record.value
            off = 0.0 if profile == "float64" else float(np.max(_distance(record.value, record.shadow), initial=0.0))
            limits[record.name] = off if math.isfinite(off) else 0.0
    differences = []
    for name, value in expected.items():
        fmt = FORMATS.get(value.dtype.name)
        least = max(TOLERANCE, fmt.unit_roundoff if fmt else 0.0) * (_largest(value) or 1.0)
        limit = least + (0.0 if wrong else limits[name])
        differences.append(_difference(name, found[name], value, limit))
    return differences


def _difference(name, found, expected, limit):
    if found.shape != expected.shape:
        return Difference(name, math.inf, math.inf, None, found.shape, expected.shape, limit)
    distance = _distance(found, expected)
    place = tuple(int(i) for i in np.unravel_index(np.argmax(distance), distance.shape))
    largest, size = float(distance[place]), _largest(expected)
    relative = largest / size if size > 0 else largest
    return Difference(name, largest, relative, place, float(found[place]), float(expected[place]), limit)


def _distance(found, expected):
    """|found - expected|: zero for equal infinities, infinite where only one is finite or either is NaN."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    with np.errstate(invalid="ignore"):
        distance = np.where(found == expected, 0.0, np.abs(found - expected))
    return np.where(np.isnan(distance), np.inf, distance)


def _largest(value):
    """The largest finite magnitude; 0 of nothing."""
    size = np.abs(np.asarray(value, np.float64))
    return float(np.max(size, initial=0.0, where=np.isfinite(size)))
