"""Pooling over the spatial axes of (N, C, *spatial): axis by axis, because maxima and sums of a window are."""

import numpy as np

from ....refimpl.errors import BadInput, UnsupportedOperator
from .parameters import per_axis
from .registry import operator
from .windows import output_sizes, padded, paddings, taps


def _layout(x, kernel_sizes, strides, pad_type, pad, ceil_mode):
    """(window, strides, paddings, extra rows at the end): the extra ones exist for ceil_mode and count for nothing."""
    window = tuple(int(v) for v in np.ravel(kernel_sizes))
    rank = len(window)
    if x.ndim != rank + 2:
        raise BadInput(f"an input of shape {x.shape} does not fit a window of {window}")
    strides = per_axis(strides, rank, 1)
    pairs = paddings(pad_type, pad, x.shape[2:], window, strides, (1,) * rank)
    axes = zip(x.shape[2:], window, strides, pairs, strict=True)
    extra = [_extra(*axis) if ceil_mode else 0 for axis in axes]
    return window, strides, pairs, extra


def _extra(size, width, stride, pair):
    """Rows to add at the end so that ceil_mode's last window fits."""
    left = (size + sum(pair) - width) % stride
    start = size + sum(pair) - left - width + stride  # where one window more would begin
    if left and start >= size + pair[0]:
        if sum(pair):
            return 0  # as in PyTorch: no window begins in the padding at the end
        raise UnsupportedOperator(f"a window of {width} with stride {stride} and ceil_mode has nothing of {size} in it")
    return stride - left if left else 0


def _reduced(reduce, x, layout, value):
    """``reduce`` over all elements of each window, with ``value`` around x."""
    window, strides, pairs, extra = layout
    for axis, width in enumerate(window):
        pair = pairs[axis][0], pairs[axis][1] + extra[axis]
        x = padded(np.moveaxis(x, 2 + axis, -1), [pair], value)  # (N, C, *rest, size)
        counts = output_sizes(x.shape[-1:], (width,), (strides[axis],), (1,))
        places = taps(x, (width,), (strides[axis],), (1,), counts)
        total = next(places)[1].copy()
        for _, view in places:
            reduce(total, view, out=total)
        x = np.moveaxis(total, -1, 2 + axis)
    return x


@operator("avg_pool")
def avg_pool(
    x, kernel_sizes, strides=None, pad_type="valid", pad=None, exclude_padding_from_average=False, ceil_mode=False
):
    """Mean of each window. Padding counts as zeros, unless ``exclude_padding_from_average``."""
    layout = _layout(x, kernel_sizes, strides, pad_type, pad, ceil_mode)
    window, strides, pairs, extra = layout
    ones = np.ones((1, 1, *x.shape[2:]), x.dtype)
    if not exclude_padding_from_average:  # what ceil_mode adds beyond the padding is never counted
        ones, pairs = padded(ones, pairs, 1), [(0, 0)] * len(pairs)
    return _reduced(np.add, x, layout, 0) / _reduced(np.add, ones, (window, strides, pairs, extra), 0)


@operator("max_pool", exact=True)
def max_pool(x, kernel_sizes, strides=None, pad_type="valid", pad=None, ceil_mode=False):
    """Largest element of each window; padding never wins. NaN does."""
    return _reduced(np.maximum, x, _layout(x, kernel_sizes, strides, pad_type, pad, ceil_mode), -np.inf)


@operator("l2_pool")
def l2_pool(x, kernel_sizes, strides=None, pad_type="valid", pad=None, ceil_mode=False):
    """Root of the sum of squares of each window."""
    return np.sqrt(window_sums(x * x, kernel_sizes, strides, pad_type, pad, ceil_mode))


def window_sums(x, kernel_sizes, strides=None, pad_type="valid", pad=None, ceil_mode=False):
    """Sum of each window of l2_pool."""
    return _reduced(np.add, x, _layout(x, kernel_sizes, strides, pad_type, pad, ceil_mode), 0)
