"""Activations that fall and rise: the least value lies at an end or at a known place between."""

import numpy as np

from ...mil.ops import OPERATORS
from .bounds import Bounds, bounds, widened
from .elementwise import stored_either
from .facts import Ball, Term
from .rounding import TINY, U, gamma
from .rules import rule

# gelu falls up to about -0.75 and rises from there, silu up to about -1.28; these are below the least value
GELU_LEAST = {"EXACT": -0.16998, "TANH_APPROXIMATION": -0.17005, "SIGMOID_APPROXIMATION": -0.16365}
STEEPEST = 1.12891  # gelu's slope lies between 1 - this and this: Phi(x) + x phi(x) at the square root of 2
DEVIATION = STEEPEST - 0.5
SILU_LEAST = -0.278465
TAIL = 300 * U  # relative error of the float32 distribution function in its tail, (12 + x^2) u up to |x| = 16


def _dipping(low, high, function, least, place):
    """Bounds of a function that falls up to about ``place``, where it is above ``least``, and rises behind."""
    ends = [function(low), function(high)]
    lowest = np.where(
        (low < place + 0.1) & (high > place - 0.1), np.minimum(least, np.minimum(*ends)), np.minimum(*ends)
    )
    return lowest, np.maximum(*ends)


@rule("gelu")
def gelu(x, mode="EXACT"):
    """x Phi(x): least at about -0.75, and 0 towards minus infinity."""
    least = GELU_LEAST[mode]

    def function(v):
        return OPERATORS["gelu"].function(v, mode=mode)

    low, high = _dipping(x.low, x.high, function, least, -0.75)
    error = 0.0 if mode == "EXACT" else 32 * U * x.magnitude  # 1 + tanh cancels
    out = widened(low, high, TAIL, TINY + error)
    fact = _near_half(x.fact) if mode == "EXACT" and isinstance(x.fact, Ball) and x.fact.along(-1) else None
    return Bounds(np.maximum(out.low, -0.1701), out.high, fact)


def _near_half(ball):
    """gelu(h) = gelu(c) + (h - c) / 2 + g with |g| <= DEVIATION |h - c|: half of the terms, and a vector g as long."""
    function = OPERATORS["gelu"].function
    halves = tuple(term._replace(matrix=term.matrix / 2) for term in ball.terms)
    rows = np.maximum(sum(np.linalg.norm(t.matrix, axis=1) for t in ball.terms), TINY)
    scale = np.sqrt(rows)  # the larger elements of h - c get the larger share of the length of g
    rest = Term(np.diag(scale), DEVIATION * sum(term.length(np.diag(1 / scale)) for term in ball.terms))
    error = STEEPEST * ball.error + (TAIL + gamma(8)) * STEEPEST * ball.largest + TINY
    return Ball((*halves, rest), function(ball.shift), error, ball.labels)


@rule("silu")
def silu(x):
    """x / (1 + e^-x): least at about -1.28."""
    low, high = _dipping(x.low, x.high, OPERATORS["silu"].function, SILU_LEAST, -1.28)
    return widened(low, high, TAIL, TINY)


def _slope(x, alpha):
    """x above zero, alpha x below."""
    alpha = bounds(alpha)
    ends = [np.where(side >= 0, side, a * side) for side in (x.low, x.high) for a in (alpha.low, alpha.high)]
    low, high = np.minimum.reduce(ends), np.maximum.reduce(ends)
    inside = (x.low < 0) & (x.high > 0)  # with a negative slope the least is 0, at 0
    return widened(
        np.where(inside, np.minimum(low, 0), low), np.where(inside, np.maximum(high, 0), high), gamma(3), TINY
    )


@rule("leaky_relu")
def leaky_relu(x, alpha=0.01):
    """One slope."""
    return _slope(x, alpha)


@rule("prelu")
def prelu(x, alpha):
    """A slope per channel (axis 1)."""
    alpha, shape = bounds(alpha), (-1, *[1] * (x.low.ndim - 2))
    return _slope(x, Bounds(alpha.low.reshape(shape), alpha.high.reshape(shape)))


@rule("linear_activation")
def linear_activation(x, alpha, beta=0.0):
    """alpha x + beta."""
    a, b = float(alpha), float(beta)
    ends = np.minimum(a * x.low, a * x.high), np.maximum(a * x.low, a * x.high)
    error = gamma(4) * (abs(a) * x.magnitude + abs(b))
    return Bounds(ends[0] + b - error - TINY, ends[1] + b + error + TINY)


@rule("sigmoid_hard")
def sigmoid_hard(x, alpha=0.2, beta=0.5):
    """alpha x + beta, cut to [0, 1]."""
    out = linear_activation(x, alpha, beta)
    return Bounds(np.clip(out.low, 0, 1), np.clip(out.high, 0, 1))


@rule("clamped_relu")
def clamped_relu(x, alpha, beta):
    """leaky_relu, cut at beta."""
    out, (least, most) = _slope(x, alpha), stored_either(beta)
    return Bounds(np.minimum(out.low, least), np.minimum(out.high, most))


def _scaled(name):
    """Register alpha f(beta x), which rises or falls."""

    def scaled(x, alpha=1.0, beta=1.0):
        ends = [OPERATORS[name].function(side, alpha, beta) for side in (x.low, x.high)]
        return widened(np.minimum(*ends), np.maximum(*ends), TAIL, TINY)

    rule(name)(scaled)


for _name in ("scaled_tanh", "softplus_parametric"):
    _scaled(_name)


@rule("elu")
def elu(x, alpha=1.0):
    """x above zero, alpha (e^x - 1) below."""
    if float(alpha) < 0:
        return None
    low, high = (OPERATORS["elu"].function(side, alpha) for side in (x.low, x.high))
    return widened(low, high, 32 * U, TINY)
