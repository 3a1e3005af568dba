"""The rounding-error bound of every executed operation: MIL's operators, and the formulas of karat.refimpl.numerics."""

import math

import numpy as np

from ...refimpl.numerics import bounds
from ...refimpl.numerics.formats import FORMATS
from .ops import OPERATORS
from .ops.parameters import ints
from .running_bounds import RULES as RUNNING
from .sampling_bounds import RULES as SAMPLING

RULES = RUNNING | SAMPLING
# What IEEE 754 rounds correctly, beside the operators that only move or compare (`Operator.exact`)
CORRECTLY_ROUNDED = {"add", "sub", "mul", "real_div", "square", "sqrt", "clip", "threshold", "thresholded_relu"}
CORRECTLY_ROUNDED |= {"dequantize"}  # the product of so few digits is exact in fp32
# Elementwise operators: how many units u the result is off by before it is stored, relative to itself
_U = bounds.FUNCTION
RELATIVE = {"mod": 1, "exp": _U, "exp2": _U, "tanh": _U, "erf": _U, "sin": _U, "cos": _U}
RELATIVE |= {"sigmoid": 2 * _U + 3, "silu": 2 * _U + 4, "pow": _U, "softsign": 2}
RELATIVE |= dict.fromkeys(("tan", "asin", "acos", "atan", "sinh", "cosh", "atanh"), _U)


def error_bound(operation, arguments, exact, computed, stored):
    """How far a result may honestly be from ``exact``, element by element.

    Parameters
    ----------
    operation : Operation
    arguments : dict of str to (ndarray, str or tuple)
        By parameter, floating ones in float64: the inputs that the operation had.
    exact : ndarray
        What it gives in float64; floating.
    computed, stored : Format
        In which it computed, and in which its result is held.

    Returns
    -------
    ndarray of float64, shape of exact, or None
        None when no bound is known for the operator.
    """
    kind = operation.type
    if not exact.size:
        return np.zeros(exact.shape)
    with np.errstate(all="ignore"):
        if kind in RULES:
            error = RULES[kind](arguments, computed).error
            return bounds.stored(exact, np.where(np.isnan(error), np.inf, error), stored)
        if kind in FORMULAS:
            return bounds.stored(exact, FORMULAS[kind](arguments, exact, computed), stored)
        if kind in RELATIVE:
            tiny = 2 * computed.smallest_subnormal * (1 + np.abs(arguments["x"]))  # of a part that vanishes
            error = np.abs(exact) * bounds.gamma(RELATIVE[kind], computed.unit_roundoff) + tiny
            return bounds.stored(exact, error, stored)
        if kind in CORRECTLY_ROUNDED or OPERATORS[kind].exact:
            return bounds.correctly_rounded(exact, stored)
    return None


def is_correctly_rounded(operation):
    """Whether an honest result is the nearest number to the exact one, bit for bit."""
    kind = operation.type
    return kind not in FORMULAS and kind not in RULES and (kind in CORRECTLY_ROUNDED or OPERATORS[kind].exact)


def _sum_of_products(kind, terms, divided=False):
    """The bound of an operator that sums products: run it once on magnitudes. ``divided``: the sum is made a mean."""

    def bound(arguments, exact, computed):
        # in float32 this costs half, and `bounds.dot` allows for it
        dtype = np.float32 if computed is FORMATS["float32"] else np.float64
        sizes = {name: _magnitude(value, dtype) for name, value in arguments.items()}
        magnitude, count = np.asarray(OPERATORS[kind].function(**sizes), np.float64), terms(arguments)
        error = bounds.dot(count, magnitude, computed)
        return bounds.unless_overflow(error, 2 * count * magnitude, computed) if divided else error

    return bound


def _magnitude(value, dtype):
    if isinstance(value, tuple):
        return tuple(_magnitude(part, dtype) for part in value)
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return np.abs(value).astype(dtype)
    return value


def _window_terms(arguments):
    return int(np.prod(arguments["weight"].shape[1:])) + 1  # and the bias


def _spread_terms(arguments):
    weight, groups = arguments["weight"], int(arguments.get("groups", 1))
    return len(weight) // groups * math.prod(weight.shape[2:]) + 1  # of a stride of 1, and the bias


def _cumulated(arguments):
    return arguments["x"].shape[int(arguments.get("axis", 0))]


def _pool_terms(arguments):
    return int(np.prod(ints(arguments["kernel_sizes"]))) + 1  # and the quotient


def _inner(arguments):
    x, transposed = arguments["x"], bool(arguments.get("transpose_x", False))
    return x.shape[-2] if transposed and x.ndim > 1 else x.shape[-1]


def _reduced(arguments):
    x, axes = arguments["x"], arguments.get("axes")
    return int(np.prod([x.shape[a] for a in ints(axes)] if axes is not None else x.shape)) + 1


def _softmax(arguments, exact, computed):
    return bounds.softmax(arguments["x"], exact, int(arguments.get("axis", -1)), computed)


def _layer_norm(arguments, exact, computed):
    x, axes = arguments["x"], arguments.get("axes")
    axes = tuple(a % x.ndim for a in ints(axes)) if axes is not None else tuple(range(x.ndim))
    shape = [size if axis in axes else 1 for axis, size in enumerate(x.shape)]
    weight, bias = (arguments.get(name) for name in ("gamma", "beta"))
    weight = np.ones(1) if weight is None else weight.reshape(shape)
    bias = np.zeros(1) if bias is None else bias.reshape(shape)
    return bounds.layer_norm(x, weight, bias, axes, float(arguments.get("epsilon", 1e-5)), computed)


def _instance_norm(arguments, exact, computed):
    x = arguments["x"]
    shape = [1, -1] + [1] * (x.ndim - 2)
    weight, bias = (
        np.asarray(arguments.get(name, default), np.float64).reshape(shape)
        for name, default in (("gamma", 1.0), ("beta", 0.0))
    )
    epsilon = float(arguments.get("epsilon", 1e-5))
    return bounds.layer_norm(x, weight, bias, tuple(range(2, x.ndim)), epsilon, computed)


def _gelu(arguments, exact, computed):
    x, mode = arguments["x"], arguments.get("mode", "EXACT")
    if mode == "EXACT":
        return bounds.gelu(x, exact, computed)
    # s (1 - tanh^2 s) and its like stay below one, so that the argument's roundings weigh little; absolute: 1 + tanh
    # cancels
    return np.abs(x) * (2 * _U + 6) * computed.unit_roundoff


# From (arguments, exact result, format it computes in) to the error before the result is stored
FORMULAS = {"softmax": _softmax, "layer_norm": _layer_norm, "instance_norm": _instance_norm, "gelu": _gelu}
_TERMS = {"conv": _window_terms, "linear": _window_terms, "matmul": _inner, "conv_transpose": _spread_terms}
_TERMS |= {"einsum": lambda arguments: arguments["values"][0].shape[-1], "cumsum": _cumulated, "reduce_sum": _reduced}
FORMULAS |= {kind: _sum_of_products(kind, terms) for kind, terms in _TERMS.items()}
FORMULAS |= {"avg_pool": _sum_of_products("avg_pool", _pool_terms, True)}
FORMULAS |= {"reduce_mean": _sum_of_products("reduce_mean", _reduced, True)}
