"""What rounding explains of a program's difference from expected values."""

import math
from dataclasses import dataclass

import numpy as np

from ...refimpl.numerics.formats import FLOAT32, FORMATS
from ..mil.execute import compile_steps
from ..mil.profiles import Profile, profile_named
from .structure import TOLERANCE

ACCUMULATING = {"conv", "conv_transpose", "linear", "matmul"}  # sums whose order an implementation chooses


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


def compare(program, inputs, found, expected, profile):
    """Hold the results of a run against expected values.

    In the profile float64 both must agree to 1e-10 of the largest expected value, as everywhere in `verify`. In any
    other, the largest error may be twice that of a plain twin, and one rounding of the output's type: the twin is the
    same program with every operator computed in float64 and its result rounded once, against its float64 run.

    Parameters
    ----------
    program : Program
    inputs, found, expected : dict of str to ndarray
        What went in, what came out, what should have.
    profile : str
        Arithmetic of the run.

    Returns
    -------
    list of Difference
        One per output.
    """
    if profile == "float64":
        limits = {name: TOLERANCE * (_largest(value) or 1.0) for name, value in expected.items()}
    else:
        limits, twin = {}, rounded_twin(program, inputs, profile)
        exact = program.predict(inputs, profile="float64")  # not ``expected``: if that is wrong, so is the limit
        for name, value in exact.items():
            fmt = FORMATS.get(found[name].dtype.name)
            once = fmt.unit_roundoff * _largest(value) + fmt.smallest_subnormal / 2 if fmt else 0.0
            limits[name] = 2 * _largest(_distance(twin[name], value)) + once
    return [_difference(name, found[name], expected[name], limits[name]) for name in expected]


def rounded_twin(program, inputs, profile):
    """The program with every operator computed in float64 and rounded once: what its types alone cost.

    The result of an operator that sums is moved by what float32 inside it may cost, times a random number in [-1, 1]:
    for a sum of n products that is ``sqrt(n) u (|W| |x| + |b|)``, in any order of summation (N. Higham, T. Mary,
    SIAM J. Sci. Comput. 41(5), 2019, theorem 3.1. doi:10.1137/18M1226312).

    Parameters
    ----------
    program : Program
    inputs : dict of str to ndarray
        As the program takes them.
    profile : str

    Returns
    -------
    dict of str to ndarray
    """
    chosen, rng = profile_named(profile), np.random.default_rng(0)
    rounded = Profile(f"{chosen.name}, rounded", chosen.held, {"float16": "float64", "float32": "float64"})
    values = {f.name: rounded.store(np.asarray(inputs[f.name]), f.dtype) for f in program.inputs}
    outputs = {feature.name for feature in program.outputs}
    for step in compile_steps(program, rounded):
        step(values)
        result = step.operation.outputs[0]
        floor = _floor(step, values)
        if floor is not None:
            moved = values[result.name] + rng.uniform(-1, 1, floor.shape) * floor
            values[result.name] = rounded.store(moved, result.dtype)
        for name in set(step.frees) - outputs:
            del values[name]
    return {name: values[name] for name in outputs}


def _floor(step, values):
    """Error of float32 inside an operator, element by element; None for one that only rounds its result."""
    arguments = {name: step.bound.get(read, values.get(read)) for name, read in _single(step.operation.inputs)}
    floats = {n: v.astype(np.float64) for n, v in arguments.items() if getattr(v, "dtype", np.dtype(int)).kind == "f"}
    if step.operation.type in ACCUMULATING:  # on ones the operator counts its terms
        ones = {name: np.full(value.shape, float(name != "bias")) for name, value in floats.items()}
        sizes = {name: np.abs(value) for name, value in floats.items()}
        terms = step.operator.function(**arguments | ones)
        return np.sqrt(terms) * FLOAT32.unit_roundoff * step.operator.function(**arguments | sizes)
    if step.operation.type == "layer_norm":
        return _layer_norm_floor(arguments, floats)
    return _softmax_floor(arguments, floats["x"]) if step.operation.type == "softmax" else None


def _single(inputs):
    """Parameters that take one variable; others belong to operators that do not sum."""
    return [(name, read) for name, read in inputs.items() if isinstance(read, str)]


def _layer_norm_floor(arguments, floats):
    """``u (|gamma| / s ((sqrt(n) + 1) mean|x| + (sqrt(n)/2 + 5.5) |x - mean|) + |beta|)``, s = sqrt(var + eps).

    The sum of n terms in the mean; then one rounding each of difference, root, quotient, product and sum, and half of
    those under the root: square, sum of n, division by n, eps.
    """
    x, axes = floats["x"], tuple(np.ravel(arguments["axes"])) if "axes" in arguments else None
    centred = x - x.mean(axis=axes, keepdims=True)
    n = x.size / centred.mean(axis=axes).size
    deviation = np.sqrt((centred**2).mean(axis=axes, keepdims=True) + floats.get("epsilon", 1e-5))
    size = (np.sqrt(n) + 1) * np.abs(x).mean(axis=axes, keepdims=True) + (np.sqrt(n) / 2 + 5.5) * np.abs(centred)
    gamma, beta = (np.abs(floats.get(name, plain)) for name, plain in (("gamma", 1.0), ("beta", 0.0)))
    inside = [size if axes is not None and i in {a % x.ndim for a in axes} else 1 for i, size in enumerate(x.shape)]
    gamma, beta = (np.reshape(p, inside) if np.ndim(p) else p for p in (gamma, beta))
    return FLOAT32.unit_roundoff * (gamma * size / deviation + beta)


def _softmax_floor(arguments, x):
    """``u y (d + sum(y d) + sqrt(n) + 5)``, d = max(x) - x.

    Of exp's argument, in a term and in the sum; of the sum of n terms; of exp; of the quotient. exp is taken to err by
    one unit in the last place, 2 u, in a term and in the sum.
    """
    axis = int(arguments.get("axis", -1))
    distance = x.max(axis=axis, keepdims=True) - x
    y = np.exp(-distance)
    y /= y.sum(axis=axis, keepdims=True)
    inherited = (y * np.where(y > 0, distance, 0)).sum(axis=axis, keepdims=True)
    factor = np.where(y > 0, distance, 0) + inherited + np.sqrt(x.shape[axis]) + 5
    return FLOAT32.unit_roundoff * y * factor


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
