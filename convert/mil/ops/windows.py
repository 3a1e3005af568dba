"""Sliding windows over the spatial axes: padding rules and taps, shared by convolution and pooling."""

import math
from itertools import product

import numpy as np

from ....refimpl.errors import BadInput
from .parameters import per_axis, room, work


def paddings(pad_type, pad, sizes, window, strides, dilations):
    """(before, after) per spatial axis.

    ``pad`` lists before and after axis by axis. "same" gives ceil(size / stride) outputs and puts an odd row or
    column at the end, "same_lower" at the start.

    Examples
    --------
    >>> paddings("same", None, (5,), (2,), (1,), (1,))
    [(0, 1)]
    """
    if pad_type == "valid":
        return [(0, 0)] * len(sizes)
    if pad_type == "custom":
        pad = per_axis(pad, 2 * len(sizes), 0)
        return list(zip(pad[::2], pad[1::2], strict=True))
    if pad_type not in ("same", "same_lower"):
        raise BadInput(f"pad_type is {pad_type!r}, expected valid, custom, same or same_lower")
    pairs = []
    for size, width, stride, dilation in zip(sizes, window, strides, dilations, strict=True):
        total = max((-(-size // stride) - 1) * stride + (width - 1) * dilation + 1 - size, 0)
        less, more = total // 2, total - total // 2
        pairs.append((less, more) if pad_type == "same" else (more, less))
    return pairs


def padded(x, pairs, value=0):
    """``x`` with its last axes surrounded by ``value``."""
    if not any(before or after for before, after in pairs):
        return x
    room([*x.shape[: x.ndim - len(pairs)], *(n + sum(p) for n, p in zip(x.shape[-len(pairs) :], pairs, strict=True))])
    return np.pad(x, [(0, 0)] * (x.ndim - len(pairs)) + list(pairs), constant_values=value)


def output_sizes(sizes, window, strides, dilations):
    """How many windows fit along each (padded) axis."""
    if min((*window, *strides, *dilations)) < 1:
        raise BadInput(f"window {window}, strides {strides} and dilations {dilations} must be at least 1")
    reach = [(width - 1) * dilation + 1 for width, dilation in zip(window, dilations, strict=True)]
    counts = tuple((size - r) // s + 1 for size, r, s in zip(sizes, reach, strides, strict=True))
    if min(counts) < 1:
        raise BadInput(f"a window that reaches over {tuple(reach)} does not fit into {tuple(sizes)}")
    return counts


def taps(x, window, strides, dilations, counts):
    """Yield (index in the window, view of x with the element at that place of every window)."""
    work(math.prod(window), x.size // math.prod(x.shape[-len(counts) :]) * math.prod(counts))
    for index in product(*map(range, window)):
        cut = tuple(
            slice(i * dilation, i * dilation + (count - 1) * stride + 1, stride)
            for i, dilation, stride, count in zip(index, dilations, strides, counts, strict=True)
        )
        yield index, x[(..., *cut)]
