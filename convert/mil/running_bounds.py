"""Rounding-error bounds of operators that are carried out on numbers with errors (`karat.refimpl.numerics.running`).

Every rule is the operator's formula once more, step by step as the executor computes it; its bound follows by itself.
Where that formula has another usual order (a batch normalisation folded into one factor) the bound holds for both.
"""

import math

import numpy as np

from ...refimpl.numerics import bounds
from ...refimpl.numerics.running import Rounded, exactly, held
from .ops.parameters import ints
from .ops.pooling import window_sums


def _parameter(arguments, name, default, fmt):
    return held(arguments.get(name, default), fmt)


def _per_channel(parameter, x):
    return parameter.moved(lambda part: part.reshape(-1, *[1] * (x.exact.ndim - 2)))


def linear_activation(arguments, fmt):
    """alpha x + beta."""
    x = exactly(arguments["x"], fmt)
    return _parameter(arguments, "alpha", 0.2, fmt) * x + _parameter(arguments, "beta", 0.0, fmt)


def sigmoid_hard(arguments, fmt):
    """alpha x + beta, cut to [0, 1]: cutting moves two numbers nearer to each other."""
    return linear_activation({"beta": 0.5} | arguments, fmt).within(0, 1)


def leaky_relu(arguments, fmt):
    """x above zero, alpha x below."""
    x = exactly(arguments["x"], fmt)
    return x.where(x.exact >= 0, _parameter(arguments, "alpha", 0.01, fmt) * x)


def prelu(arguments, fmt):
    """As leaky_relu, one alpha per channel."""
    x = exactly(arguments["x"], fmt)
    return x.where(x.exact >= 0, _per_channel(held(arguments["alpha"], fmt), x) * x)


def clamped_relu(arguments, fmt):
    """leaky_relu, cut at beta: at most the larger of both errors."""
    x, top = leaky_relu(arguments, fmt), held(arguments["beta"], fmt)
    return Rounded(np.minimum(x.exact, top.exact), np.maximum(x.error, top.error), fmt)


def elu(arguments, fmt):
    """x above zero, alpha (e^x - 1) below."""
    x = exactly(arguments["x"], fmt)
    below = x.within(-np.inf, 0).apply(np.expm1)
    return x.where(x.exact > 0, _parameter(arguments, "alpha", 1.0, fmt) * below)


def _softplus(x):
    """max(x, 0) + log(1 + e^-|x|), which is how a library computes log(1 + e^x)."""
    low, size = x.within(0, np.inf), Rounded(-np.abs(x.exact), x.error, x.fmt)
    return low + size.apply(np.exp).apply(np.log1p)


def softplus(arguments, fmt):
    """log(1 + e^x)."""
    return _softplus(exactly(arguments["x"], fmt))


def softplus_parametric(arguments, fmt):
    """alpha log(1 + e^(beta x)), alpha and beta per channel."""
    x = exactly(arguments["x"], fmt)
    alpha, beta = (_per_channel(held(arguments[name], fmt), x) for name in ("alpha", "beta"))
    return alpha * _softplus(beta * x)


def scaled_tanh(arguments, fmt):
    """alpha tanh(beta x)."""
    x = exactly(arguments["x"], fmt)
    return _parameter(arguments, "alpha", 1.0, fmt) * (_parameter(arguments, "beta", 1.0, fmt) * x).apply(np.tanh)


def _one(fmt):
    return exactly(1.0, fmt)


def inverse(arguments, fmt):
    """1 / (x + epsilon)."""
    return _one(fmt) / (exactly(arguments["x"], fmt) + _parameter(arguments, "epsilon", 1e-4, fmt))


def rsqrt(arguments, fmt):
    """1 / sqrt(x + epsilon)."""
    return _one(fmt) / (exactly(arguments["x"], fmt) + _parameter(arguments, "epsilon", 1e-12, fmt)).sqrt()


def log(arguments, fmt):
    """log(x + epsilon)."""
    return (exactly(arguments["x"], fmt) + _parameter(arguments, "epsilon", 1e-45, fmt)).apply(np.log)


def floor_div(arguments, fmt):
    """The remainder is exact, and so is the quotient while it is small; beyond, a difference, a quotient, a sum."""
    exact = np.floor_divide(arguments["x"], arguments["y"])
    units = np.where(np.abs(exact) < 2.0 ** (fmt.precision - 2), 0, 4)
    return Rounded(exact, np.abs(exact) * bounds.gamma(units, fmt.unit_roundoff), fmt)


def _axes(arguments):
    x, axes = arguments["x"], arguments.get("axes")
    return tuple(a % x.ndim for a in ints(axes)) if axes is not None else tuple(range(x.ndim))


def _kept(total, arguments):
    """A sum without the axes that it went over, unless they are kept."""
    if arguments.get("keep_dims", False):
        return total
    return total.moved(lambda part: np.squeeze(part, _axes(arguments)))


def _reduction(before, after):
    """A rule for ``after`` of the sum of ``before``."""

    def rule(arguments, fmt):
        x = before(exactly(arguments["x"], fmt))
        return _kept(after(x.sum(_axes(arguments))), arguments)

    return rule


def _square(x):
    return x * x


def _same(x):
    return x


def reduce_log_sum_exp(arguments, fmt):
    """The maximum is taken out first."""
    x = exactly(arguments["x"], fmt)
    top = np.max(x.exact, axis=_axes(arguments), keepdims=True)
    top = exactly(np.where(np.isfinite(top), top, 0), fmt)
    return _kept((x - top).apply(np.exp).sum(_axes(arguments)).apply(np.log) + top, arguments)


def reduce_prod(arguments, fmt):
    """One rounding per factor; nothing is known where the product of some factors may leave the normal range."""
    x, axes, keep = arguments["x"], _axes(arguments), bool(arguments.get("keep_dims", False))
    sizes = np.where(x == 0, 1, np.abs(x))  # a zero is exact
    exact, most, least = (
        np.prod(part, axis=axes, keepdims=keep) for part in (x, np.maximum(sizes, 1), np.minimum(sizes, 1))
    )
    growth = bounds.gamma(math.prod(x.shape[axis] for axis in axes), fmt.unit_roundoff)
    inside = (most * (1 + growth) <= fmt.largest) & (least * (1 - growth) >= 2.0**fmt.min_exponent)
    return Rounded(exact, np.where(inside, np.abs(exact) * growth, np.inf), fmt)


def l2_norm(arguments, fmt):
    """x / sqrt(sum of squares + epsilon)."""
    x = exactly(arguments["x"], fmt)
    total = (x * x).sum((-3, -2, -1)) + _parameter(arguments, "epsilon", 1e-6, fmt)
    return x / total.sqrt()


def l2_pool(arguments, fmt):
    """The root of a window's sum of squares."""
    x = exactly(arguments["x"], fmt)
    layout = {name: value for name, value in arguments.items() if name != "x"}
    terms = int(np.prod(ints(arguments["kernel_sizes"])))
    return _windows(x * x, terms, lambda part: window_sums(part, **layout)).sqrt()


def _windows(x, terms, add):
    """Sums of at most ``terms`` elements each; ``add`` takes an array."""
    total = add(np.abs(x.exact) + x.error)
    growth = bounds.gamma(terms, x.fmt.unit_roundoff)
    error = np.where(total * (1 + growth) <= x.fmt.largest, add(x.error) + growth * total, np.inf)
    return Rounded(add(x.exact), error, x.fmt)


def local_response_norm(arguments, fmt):
    """x / (k + alpha / size * sum of squares)^beta; the power is monotone in both, one after the other."""
    x, size = exactly(arguments["x"], fmt), int(arguments["size"])
    alpha, beta, k = (_parameter(arguments, *given, fmt) for given in (("alpha", 1e-4), ("beta", 0.75), ("k", 1.0)))
    channels = x.exact.shape[1]
    before, after = min(size // 2, channels), min((size - 1) // 2, channels)

    def around(part):
        wide = np.pad(part, [(0, 0), (before, after)] + [(0, 0)] * (part.ndim - 2))
        return np.sum([wide[:, shift : shift + channels] for shift in range(before + after + 1)], axis=0)

    base = k + alpha * _windows(x * x, size + 1, around) / exactly(float(size), fmt)
    root = base.apply(lambda part: np.power(part, beta.exact))
    turned = np.abs(np.log(np.abs(base.exact))) + base.error / np.abs(base.exact)  # of beta's own rounding
    return x / Rounded(root.exact, root.error + root.exact * np.expm1(2 * beta.error * turned), fmt)


def batch_norm(arguments, fmt):
    """(x - mean) / sqrt(variance + epsilon) gamma + beta, or x times a factor plus a summand: |x| + |mean| cover both.

    Either way a term meets the rounding of epsilon, a sum, a root, a quotient, two products and two sums at most.
    """
    x = arguments["x"]
    shape = [1, -1] + [1] * (x.ndim - 2)
    mean, variance, scale, shift = (
        np.asarray(arguments.get(name, default), np.float64).reshape(shape)
        for name, default in (("mean", 0.0), ("variance", 1.0), ("gamma", 1.0), ("beta", 0.0))
    )
    root = np.sqrt(variance + float(arguments.get("epsilon", 1e-5)))
    sizes, scale, shift = (np.abs(x) + np.abs(mean)) / root, np.abs(scale), np.abs(shift)
    growth = bounds.gamma(8, fmt.unit_roundoff)
    lost = 4 * fmt.smallest_subnormal * (1 + scale + np.abs(x) + np.abs(mean))  # where a factor is subnormal
    error = growth * (sizes * scale + shift) + lost
    most = np.maximum(np.maximum(sizes, sizes * scale + shift), scale / root) * (1 + growth)
    return Rounded(x, np.where(most <= fmt.largest, error, np.inf), fmt)


RULES = {
    "linear_activation": linear_activation,
    "sigmoid_hard": sigmoid_hard,
    "leaky_relu": leaky_relu,
    "prelu": prelu,
    "clamped_relu": clamped_relu,
    "elu": elu,
    "softplus": softplus,
    "softplus_parametric": softplus_parametric,
    "scaled_tanh": scaled_tanh,
    "inverse": inverse,
    "rsqrt": rsqrt,
    "log": log,
    "floor_div": floor_div,
    "reduce_sum_square": _reduction(_square, _same),
    "reduce_l1_norm": _reduction(lambda x: exactly(np.abs(x.exact), x.fmt), _same),
    "reduce_l2_norm": _reduction(_square, Rounded.sqrt),
    "reduce_log_sum": _reduction(_same, lambda x: x.apply(np.log)),
    "reduce_log_sum_exp": reduce_log_sum_exp,
    "reduce_prod": reduce_prod,
    "l2_norm": l2_norm,
    "l2_pool": l2_pool,
    "local_response_norm": local_response_norm,
    "batch_norm": batch_norm,
}
