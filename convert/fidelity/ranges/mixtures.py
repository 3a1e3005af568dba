"""Sampling, attention and scatters: results lie between samples; and order: the places of sorted elements."""

import numpy as np

from ...mil.ops import OPERATORS
from .bounds import Bounds, bounds
from .rounding import TINY, gamma
from .rules import rule

SCATTERS = ("scatter", "scatter_along_axis", "scatter_nd")
BY_OPSET = (*SCATTERS, "crop_resize", "topk")  # rules that ask the operator, which depends on the opset
ONE_BY_ONE = ("update", "add", "max", "min")  # modes in which a result grows with data and updates


def _between(x, padding, shape):
    """Means of samples and padding, with weights that sum to one up to rounding."""
    value = bounds(padding)
    low, high = min(x.low.min(), value.low.min()), max(x.high.max(), value.high.max())
    error = gamma(32) * max(abs(low), abs(high)) + TINY
    return Bounds(np.full(shape, low - error), np.full(shape, high + error))


@rule("resample")
def resample(x, coordinates, padding_value, **parameters):
    """Between the least and the largest sample, wherever the coordinates lie."""
    coordinates = bounds(coordinates)
    return _between(x, padding_value, (*x.shape[:2], *coordinates.shape[1:3]))


@rule("affine")
def affine(x, output_height, output_width, padding_value, **parameters):
    """As resample."""
    return _between(x, padding_value, (*x.shape[:2], int(output_height), int(output_width)))


@rule("crop_resize")
def crop_resize(x, pad_value=None, **parameters):
    """Between the least and the largest sample, and the padding."""
    if any(isinstance(value, Bounds) for value in parameters.values()):
        return None
    out = OPERATORS["crop_resize"].function(x=x.low, pad_value=pad_value, **parameters)
    return _between(x, 0.0 if pad_value is None else pad_value, out.shape)


@rule("scaled_dot_product_attention")
def attention(query, key, value, attn_mask=None):
    """Every row is a mean of the values' rows."""
    query, value = bounds(query), bounds(value)
    low, high = value.low.min(axis=-2, keepdims=True), value.high.max(axis=-2, keepdims=True)
    terms = value.shape[-2]
    error = gamma(2 * terms + 16) * np.maximum(np.abs(low), np.abs(high)) + terms * TINY
    shape = (*np.broadcast_shapes(query.shape[:-2], value.shape[:-2]), query.shape[-2], value.shape[-1])
    return Bounds(np.broadcast_to(low - error, shape), np.broadcast_to(high + error, shape))


@rule("local_response_norm")
def local_response_norm(x, size, alpha=1e-4, beta=0.75, k=1.0):
    """At most as large as x / k^beta, and of its sign."""
    if min(float(alpha), float(beta)) < 0 or float(k) <= 0:
        return None
    most = float(k) ** -float(beta) * (1 + gamma(64))
    return Bounds(np.minimum(x.low, 0) * most - TINY, np.maximum(x.high, 0) * most + TINY)


def _scatter(name):
    def scatter(data, indices, updates, mode="add", **parameters):
        if isinstance(indices, Bounds) or mode not in ONE_BY_ONE:
            return None
        data, updates, function = bounds(data), bounds(updates), OPERATORS[name].function
        low, high = (
            function(data=d, indices=indices, updates=u, mode=mode, **parameters)
            for d, u in ((data.low, updates.low), (data.high, updates.high))
        )
        if mode != "add":
            return Bounds(low, high)
        size = function(data=data.magnitude, indices=indices, updates=updates.magnitude, mode="add", **parameters)
        error = gamma(np.asarray(indices).size + 4) * size
        return Bounds(low - error, high + error)

    rule(name)(scatter)


for _name in SCATTERS:
    _scatter(_name)


@rule("slice_update")
def slice_update(x, update, **parameters):
    """x with a part in place of another."""
    if any(isinstance(value, Bounds) for value in parameters.values()):
        return None
    x, update, function = bounds(x), bounds(update), OPERATORS["slice_update"].function
    return Bounds(*(function(a, b, **parameters) for a, b in ((x.low, update.low), (x.high, update.high))))


@rule("topk")
def topk(x, axis=-1, return_indices=True, **parameters):
    """The k-th of larger elements is larger."""
    function = OPERATORS["topk"].function
    low, high = (function(side, axis=axis, return_indices=False, **parameters) for side in (x.low, x.high))
    values = Bounds(low, high)
    return (values, _place(low.shape, x.shape[int(axis)])) if return_indices else values


@rule("argsort")
def argsort(x, axis=-1, ascending=False):
    """Some place along the axis."""
    return _place(x.shape, x.shape[int(axis)])


def _place(shape, size):
    return Bounds(np.zeros(shape), np.full(shape, size - 1.0))


def _with_zeros(name):
    """Register a move that also puts zeros in."""
    function = OPERATORS[name].function
    rule(name)(lambda x, **parameters: Bounds(function(x.low, **parameters), function(x.high, **parameters)))


for _name in ("band_part", "space_to_batch"):
    _with_zeros(_name)


@rule("fill_like")
def fill_like(ref_tensor, value=0.0):
    """A number everywhere."""
    shape, value = bounds(ref_tensor).shape, bounds(value)
    return Bounds(np.full(shape, value.low), np.full(shape, value.high))


@rule("one_hot")
def one_hot(indices, one_hot_vector_size, axis=-1, on_value=1, off_value=0):
    """One of two numbers."""
    on, off, function = bounds(on_value), bounds(off_value), OPERATORS["one_hot"].function
    shape = function(np.zeros(bounds(indices).shape), one_hot_vector_size, axis).shape
    low, high = np.minimum(on.low, off.low), np.maximum(on.high, off.high)
    return Bounds(np.broadcast_to(low, shape), np.broadcast_to(high, shape))
