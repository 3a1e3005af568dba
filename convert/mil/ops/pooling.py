"""Pooling over the spatial axes of (N, C, *spatial)."""

import numpy as np

from .parameters import per_axis
from .registry import operator
from .windows import output_sizes, padded, paddings, taps


def _layout(x, kernel_sizes, strides, pad_type, pad, ceil_mode):
    """(window, strides, paddings, extra rows at the end): the extra ones exist for ceil_mode and count for nothing."""
    window = tuple(int(v) for v in np.ravel(kernel_sizes))
    rank = len(window)
    strides = per_axis(strides, rank, 1)
    pairs = paddings(pad_type, pad, x.shape[2:], window, strides, (1,) * rank)
    extra = [0] * rank
    for axis in range(rank if ceil_mode else 0):
        size, (before, after) = x.shape[2 + axis], pairs[axis]
        left = (size + before + after - window[axis]) % strides[axis]
        start = size + before + after - left - window[axis] + strides[axis]  # where one window more would begin
        if left and start < size + before:  # as in PyTorch: not in the padding at the end
            extra[axis] = strides[axis] - left
    return window, strides, pairs, extra


def _windows(x, layout, value):
    """Yield the element at each place of all windows, with ``value`` around x."""
    window, strides, pairs, extra = layout
    ones = (1,) * len(window)
    x = padded(x, [(before, after + more) for (before, after), more in zip(pairs, extra, strict=True)], value)
    for _, view in taps(x, window, strides, ones, output_sizes(x.shape[2:], window, strides, ones)):
        yield view


def _sum(x, layout):
    total = 0
    for view in _windows(x, layout, 0):
        total = total + view
    return total


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
    return _sum(x, layout) / _sum(ones, (window, strides, pairs, extra))


@operator("max_pool", exact=True)
def max_pool(x, kernel_sizes, strides=None, pad_type="valid", pad=None, ceil_mode=False):
    """Largest element of each window; padding never wins. NaN does."""
    layout = _layout(x, kernel_sizes, strides, pad_type, pad, ceil_mode)
    result = None
    for view in _windows(x, layout, -np.inf):
        result = view if result is None else np.maximum(result, view)
    return result


@operator("l2_pool")
def l2_pool(x, kernel_sizes, strides=None, pad_type="valid", pad=None):
    """Root of the sum of squares of each window."""
    return np.sqrt(_sum(x * x, _layout(x, kernel_sizes, strides, pad_type, pad, False)))
