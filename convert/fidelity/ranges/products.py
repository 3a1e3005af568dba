"""Sums of products: convolution, linear, matmul. Centre and radius of an interval go through the operator itself."""

from dataclasses import replace

import numpy as np

from ...mil.ops import OPERATORS
from ...mil.ops.parameters import per_axis
from ...mil.ops.windows import paddings
from .bounds import Bounds, bounds
from .facts import Ball, Convex
from .lengths import combined, intersected, of_boxes, of_pixels, of_rows, scores
from .rounding import TINY, gamma
from .rules import rule


def bilinear(apply, x, y, terms):
    """Bounds of a sum of products, rounding of float32 sums in any order included.

    Parameters
    ----------
    apply : callable
        (x, y) -> array, linear in each, its coefficients 0 and 1.
    x, y : Bounds
    terms : int
        Products in a sum.

    Returns
    -------
    Bounds
        centre(x) centre(y) +- (|cx| ry + rx (|cy| + ry) + gamma_n (|cx| + rx)(|cy| + ry)). The rounding of this
        computation itself, in float64, is 2^-29 of that last term.

    References
    ----------
    S. Rump, Fast and parallel interval arithmetic, BIT 39(3), 1999. doi:10.1023/A:1022374804152
    """
    g = gamma(terms + 4)
    cx, cy, rx, ry = np.abs(x.centre), np.abs(y.centre), x.radius, y.radius
    rx = rx + g * (cx + rx)
    radius = apply(rx, cy + ry)
    if np.any(ry):
        radius = radius + apply(cx, ry)
    radius = radius * (1 + g) + terms * TINY * (1 + y.magnitude.max(initial=0) + x.magnitude.max(initial=0))
    centre = apply(x.centre, y.centre)
    return Bounds(centre - radius, centre + radius)


def biased(out, bias, axis):
    """``out`` + bias along an axis; the rounding of the sum is in gamma_(n + 4), that of the bias is added."""
    if bias is None:
        return out
    shape = [-1 if a == axis % out.low.ndim else 1 for a in range(out.low.ndim)]
    b = bounds(bias)
    error = gamma(4) * b.magnitude
    return Bounds(out.low + (b.low - error).reshape(shape), out.high + (b.high + error).reshape(shape))


@rule("conv")
def conv(x, weight, bias=None, **parameters):
    """A sum over the window and the channels of a group."""
    return _conv("conv", x, weight, bias, parameters)


@rule("conv_transpose")
def conv_transpose(x, weight, bias=None, **parameters):
    """At most one product per weight."""
    return _conv("conv_transpose", x, weight, bias, parameters)


def _conv(name, x, weight, bias, parameters):
    def apply(x, weight):
        return OPERATORS[name].function(x=x, weight=weight, **parameters)

    x, weight = bounds(x), bounds(weight)
    terms = int(np.prod(weight.shape)) // min(weight.shape[:2]) if name == "conv_transpose" else weight.low[0].size
    out = biased(bilinear(apply, x, weight, terms), bias, 1)
    if name == "conv" and weight.low.ndim == 4 and x.shape[1] == weight.shape[1]:
        return _by_length(x, weight, bias, out, parameters)
    return out


def _by_length(x, weight, bias, out, parameters):
    """``out``, and what the lengths of the pixels say; a convolution of plain intervals starts with its patches."""
    bias = bounds(np.zeros(len(weight.low)) if bias is None else bias)
    if not isinstance(x.fact, Ball):
        start = of_boxes(x, weight, bias, out.shape)
        return replace(out, fact=start)
    window = weight.shape[2:]
    strides, dilations = (per_axis(parameters.get(name), 2, 1) for name in ("strides", "dilations"))
    kind, pad = parameters.get("pad_type", "valid"), parameters.get("pad")
    pairs = paddings(kind, pad, x.shape[2:], window, strides, dilations)
    missing = [
        [i * d < before or (size - 1 - i) * d < after for i in range(size)]
        for size, d, (before, after) in zip(window, dilations, pairs, strict=True)
    ]
    return intersected(out, of_pixels(x.fact, weight, bias, out.shape, np.logical_or.outer(*missing)))


@rule("linear")
def linear(x, weight, bias=None):
    """A sum over the last axis; of a layer norm's output also by the length of the standardised row."""
    x, weight = bounds(x), bounds(weight)
    out = biased(bilinear(OPERATORS["linear"].function, x, weight, weight.shape[1]), bias, -1)
    if not isinstance(x.fact, Ball):
        return out
    zero = np.zeros(weight.shape[0])
    return intersected(out, of_rows(x.fact, weight, bounds(zero if bias is None else bias)))


@rule("matmul")
def matmul(x, y, transpose_x=False, transpose_y=False):
    """Over the last two axes. Rows of a softmax make convex combinations; queries and keys have known lengths."""
    x, y = (_swapped(bounds(v), turn) for v, turn in ((x, transpose_x), (y, transpose_y)))
    out = bilinear(np.matmul, x, y, x.shape[-1])
    if x.low.ndim < 2 or y.low.ndim < 2:
        return out
    if isinstance(x.fact, Convex) and x.fact.whole() and x.shape[-1] == y.shape[-2]:
        return intersected(out, combined(x, y))
    if isinstance(x.fact, Ball) and isinstance(y.fact, Ball) and x.low.ndim == y.low.ndim:
        return intersected(out, scores(x.fact, y.fact))
    return out


def _swapped(x, turn):
    if not turn or x.low.ndim < 2:
        return x
    fact = replace(x.fact, labels=np.swapaxes(x.fact.labels, -1, -2)) if x.fact else None
    return Bounds(np.swapaxes(x.low, -1, -2), np.swapaxes(x.high, -1, -2), fact)


@rule("einsum")
def einsum(values, equation):
    """Two tensors."""
    x, y = (bounds(value) for value in values)
    sizes = dict(zip("".join(equation.split("->")[0].split(",")).replace(" ", ""), (*x.shape, *y.shape), strict=True))
    summed = [sizes[letter] for letter in sizes if letter not in equation.split("->")[1]]
    return bilinear(lambda a, b: OPERATORS["einsum"].function((a, b), equation), x, y, int(np.prod(summed or [1])))
