"""A program's results against expected values: what rounding explains, here and where those were computed."""

import math
from dataclasses import dataclass, replace

import numpy as np

from ...refimpl.numerics.formats import FORMATS
from ..mil.profiles import profile_named
from .arithmetic import figures
from .elsewhere import DRAWS, DRAWS_OF_FEW, FEW, TWIN, distance, distances, largest_distance
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
    own : float
        What the rounding of this run explains of ``largest``, and one rounding of the expected values' type.
    elsewhere : float or None
        What may be off in the expected values: their own rounding, and that of the constants, which the package stores
        rounded. None where nobody asked, for ``own`` explains all; 0 where nothing is allowed.
    """

    name: str
    largest: float
    relative: float
    place: tuple | None
    found: float | tuple
    expected: float | tuple
    own: float
    elsewhere: float | None = None

    @property
    def limit(self):
        """What rounding explains of ``largest``."""
        return self.own + (self.elsewhere or 0.0)

    @property
    def agrees(self):
        """Whether rounding explains it."""
        return self.largest <= self.limit


def compare(program, inputs, expected, profile):
    """Run a program and hold its results against expected values.

    In the profile float64 both must agree to 1e-10 of the largest expected value, as everywhere in `verify`. In any
    other |found - expected| is at most what the run is off its own float64 run, one rounding of the expected values'
    type, and what the expected values are off that float64 run. Of the last nobody knows more than how large it is in
    computations like it (`elsewhere.distances`): twice the largest of these is allowed. It is computed where the rest
    does not explain the difference.

    Expected values of the type that the package declares may come from a run of it elsewhere, and have its arithmetic;
    others of float64 are exact but for the constants, and all others were computed in float32.

    Nothing is allowed when an operation is off by more than its bound, and where a result is not finite.

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
    stored, exact = (program.bind(inputs, profile_named(name)) for name in (profile, "float64"))
    found = {name: stored[name] for name in expected if name in stored}  # inputs that are outputs, and constants
    limits, wrong = {name: largest_distance(value, exact[name]) for name, value in found.items()}, False
    for record in program.trace(inputs, profile=profile):
        judged = figures(record, "") if profile != "float64" else None
        wrong = wrong or bool(judged and judged.wrong)
        if record.name in expected:
            found[record.name] = record.value
            off = 0.0 if profile == "float64" else largest_distance(record.value, record.shadow)
            limits[record.name] = off if math.isfinite(off) else 0.0
    differences = {}
    for name, value in expected.items():
        fmt = FORMATS.get(value.dtype.name)
        least = max(TOLERANCE, fmt.unit_roundoff if fmt else 0.0) * (_largest(value) or 1.0)
        differences[name] = _difference(name, found[name], value, least + (0.0 if wrong else limits[name]))
    if profile != "float64" and not wrong:
        _allow_for_elsewhere(differences, program, inputs, expected, profile)
    return list(differences.values())


def _allow_for_elsewhere(differences, program, inputs, expected, profile):
    """Add what the expected values may be off by, where a finite difference is not explained without it."""
    declared = {feature.name: feature.dtype for feature in program.outputs}
    open_by_profile = {}
    for name, found in differences.items():
        if not found.agrees and math.isfinite(found.largest) and expected[name].dtype.kind == "f":
            dtype = expected[name].dtype.name
            arithmetic = profile if dtype == declared[name] else "float64" if dtype == "float64" else "float32"
            open_by_profile.setdefault(arithmetic, []).append(name)
    for arithmetic, names in open_by_profile.items():
        few = min(expected[name].size for name in names) < FEW
        sizes = distances(program, inputs, arithmetic, names, DRAWS_OF_FEW if few else DRAWS)
        for name in names:
            differences[name] = replace(differences[name], elsewhere=TWIN * sizes[name])


def _difference(name, found, expected, own):
    if found.shape != expected.shape:
        return Difference(name, math.inf, math.inf, None, found.shape, expected.shape, own)
    apart = distance(found, expected)
    place = tuple(int(i) for i in np.unravel_index(np.argmax(apart), apart.shape))
    largest, size = float(apart[place]), _largest(expected)
    relative = largest / size if size > 0 else largest
    return Difference(name, largest, relative, place, float(found[place]), float(expected[place]), own)


def _largest(value):
    """The largest finite magnitude; 0 of nothing."""
    size = np.abs(np.asarray(value, np.float64))
    return float(np.max(size, initial=0.0, where=np.isfinite(size)))
