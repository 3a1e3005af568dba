"""Sums, means and extremes over axes and windows, and interpolation: weights that are not negative keep the order."""

import math

import numpy as np

from ...mil.ops import OPERATORS
from .bounds import Bounds, bounds, rounded, widened
from .rounding import TINY, gamma
from .rules import RULES, rule


def _monotone(name, terms):
    """Register an operator that grows with every element of x; ``terms`` bounds the roundings on the way."""

    def monotone(x, **parameters):
        function = OPERATORS[name].function
        low, high = function(x.low, **parameters), function(x.high, **parameters)
        count = terms(x, parameters)
        if not count:
            return Bounds(low, high)
        error = gamma(count + 8) * function(x.magnitude, **parameters) + count * TINY
        return rounded(low, high, absolute=error)

    rule(name)(monotone)


def _window(x, parameters):
    return int(np.prod(parameters["kernel_sizes"]))


def _reduced(x, parameters):
    axes = parameters.get("axes")
    return math.prod(x.shape) if axes is None else math.prod(x.shape[int(axis)] for axis in np.ravel(axes))


for _name in ("reduce_max", "reduce_min", "max_pool"):
    _monotone(_name, lambda x, parameters: 0)
for _name in ("reduce_sum", "reduce_mean"):
    _monotone(_name, _reduced)
_monotone("avg_pool", _window)
_monotone("cumsum", lambda x, parameters: x.shape[int(parameters.get("axis", 0))])


@rule("reduce_log_sum_exp")
def log_sum_exp(x, **parameters):
    """Grows with every element; a rounding changes it by as much as an element, and by a share of the sum."""
    function = OPERATORS["reduce_log_sum_exp"].function
    error = gamma(2 * _reduced(x, parameters) + 40) * (1 + x.magnitude.max(initial=0.0))
    return Bounds(function(x.low, **parameters) - error, function(x.high, **parameters) + error)


@rule("reduce_log_sum")
def log_sum(x, **parameters):
    """The logarithm of the sum."""
    return RULES["log"](RULES["reduce_sum"](x, **parameters), epsilon=0.0)


def _by_square(name, terms):
    """Register a function of the magnitudes: sums of squares or of absolute values."""

    def squared(x, **parameters):
        least = np.where((x.low <= 0) & (x.high >= 0), 0, np.minimum(np.abs(x.low), np.abs(x.high)))
        ends = [OPERATORS[name].function(side, **parameters) for side in (least, x.magnitude)]
        error = gamma(terms(x, parameters) + 8) * ends[1] + math.sqrt(TINY)
        return rounded(*ends, absolute=error)

    rule(name)(squared)


for _name in ("reduce_sum_square", "reduce_l1_norm", "reduce_l2_norm"):
    _by_square(_name, _reduced)
_by_square("l2_pool", _window)


@rule("reduce_argmax", "reduce_argmin")
def place(x, axis=-1, keep_dims=False, output_dtype="int32"):
    """Some place along the axis."""
    shape = bounds(np.max(x.low, axis=int(axis), keepdims=bool(keep_dims))).shape
    return Bounds(np.zeros(shape), np.full(shape, x.shape[int(axis)] - 1.0))


def _interpolation(name):
    """Register an interpolation: weights 1 - w and w, rounded to the type of x."""

    def interpolated(x, **parameters):
        function = OPERATORS[name].function
        low, high = function(x.low, **parameters), function(x.high, **parameters)
        error = gamma(16) * x.magnitude.max() + TINY  # weights round too: neighbours as large as the largest
        return widened(low, high, absolute=error)

    rule(name)(interpolated)


for _name in ("upsample_bilinear", "resize_bilinear", "resize"):
    _interpolation(_name)
