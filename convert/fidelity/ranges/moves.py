"""Data movement: both bounds go through the operator itself, and so do the labels of what is known beside them."""

from dataclasses import replace

import numpy as np

from ...mil.ops import OPERATORS
from .bounds import Bounds, bounds
from .rules import rule

MOVES = (
    *("reshape", "transpose", "expand_dims", "squeeze", "flatten2d", "slice_by_index", "slice_by_size", "split"),
    *("tile", "reverse", "identity", "gather", "gather_along_axis", "gather_nd", "pixel_shuffle", "pixel_unshuffle"),
    *("depth_to_space", "space_to_depth", "upsample_nearest_neighbor", "resize_nearest_neighbor", "crop"),
    *("batch_to_space", "reverse_sequence", "sliding_windows", "reshape_like"),
)


def _move(name):
    def move(x, **parameters):
        function = OPERATORS[name].function
        if any(isinstance(value, Bounds) for value in parameters.values()):
            return None  # the places depend on the image
        low, high = (function(x=side, **parameters) for side in (x.low, x.high))
        labels = function(x=x.fact.labels, **parameters) if x.fact else None
        if isinstance(low, tuple):
            parts = zip(low, high, labels or [None] * len(low), strict=True)
            return tuple(_with(x.fact, *part) for part in parts)
        return _with(x.fact, low, high, labels)

    return move


def _with(fact, low, high, labels):
    return Bounds(low, high, replace(fact, labels=labels) if fact else None)


for _name in MOVES:
    rule(_name)(_move(_name))


@rule("cast")
def cast(x, dtype):
    """Between floating types the store rounds; towards zero and "is not zero" are monotone in magnitude."""
    if dtype in ("fp16", "fp32", "fp64"):
        return x
    if dtype == "bool":
        return Bounds(((x.low > 0) | (x.high < 0)) * 1.0, ((x.low != 0) | (x.high != 0)) * 1.0)
    return Bounds(np.trunc(x.low), np.trunc(x.high)) if dtype in ("int32", "int64") else None


@rule("concat")
def concat(values, axis, interleave=False):
    """One after the other along ``axis``."""
    return Bounds(*(OPERATORS["concat"].function(side, axis, interleave) for side in _sides(values)))


@rule("stack")
def stack(values, axis):
    """One after the other along a new axis."""
    return Bounds(*(OPERATORS["stack"].function(side, axis) for side in _sides(values)))


def _sides(values):
    boxes = [bounds(value) for value in (values if isinstance(values, tuple) else (values,))]
    return tuple(box.low for box in boxes), tuple(box.high for box in boxes)


@rule("pad")
def pad(x, pad, mode="constant", constant_val=0.0):
    """With a constant, or with elements of x; the constant may be rounded to the type of x."""
    function, value = OPERATORS["pad"].function, bounds(constant_val)
    with np.errstate(over="ignore"):
        edges = [value.low, value.high, *(np.asarray(value.low, dtype) for dtype in (np.float16, np.float32))]
    return Bounds(
        function(x.low, pad, mode, np.float64(min(edges))), function(x.high, pad, mode, np.float64(max(edges)))
    )


@rule("fill")
def fill(shape, value=0.0):
    """A number everywhere."""
    function, value = OPERATORS["fill"].function, bounds(value)
    return Bounds(function(shape, value.low), function(shape, value.high))


@rule("shape")
def shape_of(x):
    """The sizes of x: not a matter of the image."""
    return np.array(x.shape, np.int32)
