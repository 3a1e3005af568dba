"""Elementwise operators: corners of a box, or the ends of an interval where a function is monotone."""

from dataclasses import replace

import numpy as np
from scipy.special import erf

from ...mil.ops import OPERATORS
from .bounds import Bounds, bounds, rounded, unbounded, widened
from .facts import Ball
from .lengths import added, box_of, intersected
from .rounding import TINY, U, gamma
from .rules import rule

ONE = gamma(2)  # one rounding, and the float64 arithmetic of the bound
FEW = 32 * U  # NumPy's float32 functions stay within 4 units in the last place; a formula calls up to four


@rule("add")
def add(x, y):
    """x + y."""
    x, y = bounds(x), bounds(y)
    out = widened(x.low + y.low, x.high + y.high, ONE)
    fact = added(x, y, out)
    return intersected(out, box_of(fact)) if fact else out


@rule("sub")
def sub(x, y):
    """x - y."""
    x, y = bounds(x), bounds(y)
    return widened(x.low - y.high, x.high - y.low, ONE)


@rule("mul")
def mul(x, y):
    """x y: an end is the product of two ends."""
    x, y = bounds(x), bounds(y)
    corners = [a * b for a in (x.low, x.high) for b in (y.low, y.high)]
    out = rounded(np.minimum.reduce(corners), np.maximum.reduce(corners), ONE, TINY)
    for ball, factor in ((x.fact, y), (y.fact, x)):
        number = factor.low.size == 1 and factor.low.item() == factor.high.item()
        if isinstance(ball, Ball) and number and out.shape == ball.labels.shape:
            return replace(out, fact=ball.scaled(factor.low.item()))
    return out


@rule("square")
def square(x):
    """x x."""
    least = np.where((x.low <= 0) & (x.high >= 0), 0, np.minimum(np.abs(x.low), np.abs(x.high)))
    return rounded(least**2, x.magnitude**2, ONE, TINY)


@rule("real_div")
def real_div(x, y):
    """x / y, where y is never zero."""
    x, y = bounds(x), bounds(y)
    if np.any((y.low <= 0) & (y.high >= 0)):
        return unbounded(np.broadcast_shapes(x.shape, y.shape), "a division by what may be zero")
    corners = [a / b for a in (x.low, x.high) for b in (y.low, y.high)]
    return rounded(np.minimum.reduce(corners), np.maximum.reduce(corners), ONE, TINY)


@rule("maximum")
def maximum(x, y):
    """The larger."""
    x, y = bounds(x), bounds(y)
    return Bounds(np.maximum(x.low, y.low), np.maximum(x.high, y.high))


@rule("minimum")
def minimum(x, y):
    """The smaller."""
    x, y = bounds(x), bounds(y)
    return Bounds(np.minimum(x.low, y.low), np.minimum(x.high, y.high))


@rule("clip")
def clip(x, alpha, beta):
    """Between alpha and beta, which may be rounded to the type of x."""
    a, b = (stored_either(value) for value in (alpha, beta))
    low = np.minimum(np.maximum(x.low, a[0]), b[0])
    return Bounds(low, np.minimum(np.maximum(x.high, a[1]), b[1]))


def stored_either(value):
    """(lowest, highest) of a parameter in float64 and rounded to float32."""
    value = bounds(value)
    ends = [value.low, value.high, *(side.astype(np.float32).astype(np.float64) for side in (value.low, value.high))]
    return np.minimum.reduce(ends), np.maximum.reduce(ends)


@rule("threshold")
def threshold(x, alpha):
    """max(x, alpha)."""
    low, high = stored_either(alpha)
    return Bounds(np.maximum(x.low, low), np.maximum(x.high, high))


@rule("thresholded_relu")
def thresholded_relu(x, alpha=1.0):
    """x from alpha on, 0 below."""
    least, most = stored_either(alpha)
    low = np.where(x.low >= most, x.low, np.minimum(x.low, 0))
    return Bounds(low, np.where(x.high >= least, np.maximum(x.high, np.where(x.low >= most, x.high, 0)), 0))


@rule("pow")
def power(x, y):
    """A known power: of positive numbers any, of zero a positive one, of negative ones a whole positive one."""
    if isinstance(y, Bounds):
        return None
    y, function = np.asarray(y, np.float64), OPERATORS["pow"].function
    if np.any((x.low <= 0) & (y <= 0)):
        return unbounded(np.broadcast_shapes(x.shape, y.shape), "a negative power of what may be zero or less")
    if np.any((x.low < 0) & (y != np.round(y))):
        return unbounded(np.broadcast_shapes(x.shape, y.shape), "a broken power of what may be negative")
    least = np.where((x.low <= 0) & (x.high >= 0), 0, np.minimum(np.abs(x.low), np.abs(x.high)))
    even = np.any(x.low <= 0) & (y % 2 == 0)
    ends = [function(np.where(even, a, b), y) for a, b in ((least, x.low), (x.magnitude, x.high))]
    return rounded(np.minimum(*ends), np.maximum(*ends), FEW, TINY)


@rule("mod")
def mod(x, y):
    """Between 0 and y."""
    y, shape = bounds(y), np.broadcast_shapes(x.shape, bounds(y).shape)
    return Bounds(np.broadcast_to(np.minimum(y.low, 0), shape), np.broadcast_to(np.maximum(y.high, 0), shape))


@rule("abs")
def absolute(x):
    """|x|."""
    inside = (x.low <= 0) & (x.high >= 0)
    return Bounds(np.where(inside, 0, np.minimum(np.abs(x.low), np.abs(x.high))), x.magnitude)


@rule("select")
def select(cond, a, b):
    """One of two; both where the condition depends on the image."""
    cond, a, b = bounds(cond), bounds(a), bounds(b)
    low = np.where(cond.low > 0, a.low, np.where(cond.high > 0, np.minimum(a.low, b.low), b.low))
    return Bounds(low, np.where(cond.low > 0, a.high, np.where(cond.high > 0, np.maximum(a.high, b.high), b.high)))


def _truth(x, y):
    """Comparisons and logic: 0 or 1."""
    shape = np.broadcast_shapes(bounds(x).shape, bounds(y).shape)
    return Bounds(np.zeros(shape), np.ones(shape))


rule("equal", "not_equal", "greater", "greater_equal", "less", "less_equal")(_truth)
rule("logical_and", "logical_or", "logical_xor")(_truth)
rule("logical_not")(lambda x: _truth(x, x))


def _increasing(name, relative=FEW, absolute=TINY, lowest=-np.inf, highest=np.inf):
    """Register an increasing function of one input with constant scalar parameters."""

    def increasing(x, **parameters):
        if any(isinstance(value, Bounds) for value in parameters.values()):
            return None
        function = OPERATORS[name].function
        low, high = function(x.low, **parameters), function(x.high, **parameters)
        out = widened(low, high, relative, absolute)
        return Bounds(np.maximum(out.low, lowest), np.minimum(out.high, highest))

    rule(name)(increasing)


for _name in ("relu", "relu6", "floor", "ceil", "round", "sign"):
    _increasing(_name, 0.0, 0.0)
for _name in ("sinh", "softsign", "atan", "atanh"):
    _increasing(_name)
for _name in ("exp", "exp2", "softplus"):
    _increasing(_name, lowest=0.0)
_increasing("sigmoid", lowest=0.0, highest=1.0)
_increasing("tanh", lowest=-1.0, highest=1.0)
rule("erf")(lambda x: widened(erf(x.low), erf(x.high), FEW, FEW))
rule("asin")(lambda x: Bounds(np.full(x.shape, -1.5708), np.full(x.shape, 1.5708)))
rule("acos")(lambda x: Bounds(np.zeros(x.shape), np.full(x.shape, 3.1416)))
rule("cosh")(lambda x: widened(np.cosh(absolute(x).low), np.cosh(x.magnitude), FEW, TINY))
rule("sin", "cos")(lambda x: Bounds(np.full(x.shape, -1.0), np.full(x.shape, 1.0)))


def _from(name, least, absolute):
    """Register a function of x + epsilon that is monotone from ``least`` on and has no value below."""

    def domain(x, **parameters):
        epsilon = float(parameters.get("epsilon", {"rsqrt": 1e-12, "inverse": 1e-4, "log": 1e-45}.get(name, 0.0)))
        if np.any(x.low + epsilon - TINY <= least if name != "sqrt" else x.low < 0):
            return unbounded(x.shape, f"{name} of what may be {'negative' if name == 'sqrt' else 'zero or less'}")
        ends = [OPERATORS[name].function(side, **parameters) for side in (x.low, x.high)]
        return widened(np.minimum(*ends), np.maximum(*ends), FEW, absolute)

    rule(name)(domain)


_from("sqrt", 0.0, TINY)
_from("rsqrt", 0.0, TINY)
_from("inverse", 0.0, TINY)
_from("log", 0.0, FEW)
