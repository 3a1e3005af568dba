"""Rounding-error bounds of operators that mix samples of a tensor: interpolation, sampling, attention, scatters."""

import math

import numpy as np

from ...refimpl.numerics import bounds
from ...refimpl.numerics.running import Rounded, exactly, held
from .ops import OPERATORS
from .ops.resize import linear_plan


def _resizing(kind):
    """A rule for linear interpolation, axis by axis: x_left (1 - w) + x_right w with w rounded to the format."""

    def rule(arguments, fmt):
        x = exactly(arguments["x"], fmt)
        for axis, at in linear_plan(kind, **arguments):
            left = np.floor(at).astype(np.int64)
            right = np.minimum(left + 1, x.exact.shape[axis] - 1)
            shape = [-1 if a == axis else 1 for a in range(x.exact.ndim)]
            weight = held((at - left).reshape(shape), fmt)
            before, after = (Rounded(np.take(x.exact, i, axis), np.take(x.error, i, axis), fmt) for i in (left, right))
            x = before * (exactly(1.0, fmt) - weight) + after * weight
        return x

    return rule


def sampled(kind):
    """A rule for four samples times weights that are rounded, summed: at most six roundings of each term."""

    def rule(arguments, fmt):
        largest = np.max(np.abs(arguments["x"]), initial=np.abs(float(arguments["padding_value"])))
        padding = held(arguments["padding_value"], fmt).error
        if arguments["sampling_mode"].lower() == "nearest":
            return Rounded(largest, padding, fmt)
        magnitudes = {name: np.abs(arguments[name]) for name in ("x", "padding_value")}
        size = OPERATORS[kind].function(**arguments | magnitudes)
        lost = 4 * fmt.smallest_subnormal * largest  # of weights that are subnormal
        return Rounded(size, bounds.dot(6, size, fmt) + lost + padding, fmt)

    return rule


def crop_resize(arguments, fmt):
    """As a resize of a box; every weight is off by at most two units, of whatever is the largest sample."""
    largest = np.max(np.abs(arguments["x"]), initial=0.0)
    padding = held(arguments.get("pad_value", 0.0), fmt)
    error = bounds.gamma(16, fmt.unit_roundoff) * largest + 8 * fmt.smallest_subnormal + padding.error
    return Rounded(largest, np.where(4 * largest <= fmt.largest, error, np.inf), fmt)


def attention(arguments, fmt):
    """softmax(q k^T / sqrt(E) + mask) v: the scores' errors change every weight by their exponentials."""
    q, k, v = (np.asarray(arguments[name], np.float64) for name in ("query", "key", "value"))
    turned, mask = np.swapaxes(k, -1, -2), arguments.get("attn_mask")
    growth = bounds.dot(q.shape[-1], np.abs(q) @ np.abs(turned), fmt)
    scores = Rounded(q @ turned, growth, fmt) / held(math.sqrt(q.shape[-1]), fmt)  # (..., L, S)
    if mask is not None and mask.dtype == bool:
        masked = exactly(np.full((), -np.inf), fmt)
        scores = scores.where(mask, masked)
    elif mask is not None:
        scores = scores + exactly(mask, fmt)
    exact = scores.exact - np.max(scores.exact, axis=-1, keepdims=True)
    weights = np.exp(exact) / np.sum(np.exp(exact), axis=-1, keepdims=True)
    off = scores.error + np.max(scores.error, axis=-1, keepdims=True)
    own = bounds.softmax(scores.exact, weights, -1, fmt)
    error = weights * np.expm1(off) + own * np.exp(off)
    total = (weights + error) @ np.abs(v)
    return Rounded(total, error @ np.abs(v) + bounds.dot(v.shape[-2], total, fmt), fmt)


def scattered(kind):
    """A rule for scatters: sums by their terms' magnitudes, products by their number, the other modes only move."""

    def rule(arguments, fmt):
        function, mode = OPERATORS[kind].function, arguments.get("mode", "add")
        if mode in ("update", "max", "min"):
            return exactly(arguments["data"], fmt)
        ones = {"data": np.zeros(arguments["data"].shape), "updates": np.ones(arguments["updates"].shape)}
        count = function(**arguments | ones | {"mode": "add"})
        if mode in ("mul", "div"):
            one = _product_of_one(arguments, function, mode, fmt)
            return Rounded(one, np.where(count > 1, np.inf, np.where(count == 1, one, 0.0)), fmt)
        sizes = {name: np.abs(arguments[name]) for name in ("data", "updates")}
        size = function(**arguments | sizes | {"mode": "add"})
        return Rounded(size, bounds.dot(count, size, fmt), fmt)

    return rule


def _product_of_one(arguments, function, mode, fmt):
    """The error of a single product or quotient."""
    exact = np.abs(function(**arguments | {"mode": mode}))
    return exact * fmt.unit_roundoff + fmt.smallest_subnormal


RULES = {"crop_resize": crop_resize, "scaled_dot_product_attention": attention}
RULES |= {kind: _resizing(kind) for kind in ("upsample_bilinear", "resize_bilinear", "resize")}
RULES |= {kind: sampled(kind) for kind in ("resample", "affine")}
RULES |= {kind: scattered(kind) for kind in ("scatter", "scatter_along_axis", "scatter_nd")}
