"""Axes that are sequences: parts of them backwards, and windows that slide along them."""

import numpy as np

from ....refimpl.errors import BadInput
from .parameters import ints, room
from .registry import operator


@operator("reverse_sequence", exact=True)
def reverse_sequence(x, lengths, seq_axis=0, batch_axis=0):
    """The first lengths[i] entries along ``seq_axis`` backwards, in the i-th slice along ``batch_axis``."""
    lengths, seq_axis, batch_axis = ints(lengths), int(seq_axis) % x.ndim, int(batch_axis) % x.ndim
    size = x.shape[seq_axis]
    if seq_axis == batch_axis or len(lengths) != x.shape[batch_axis]:
        raise BadInput(f"{len(lengths)} lengths for axis {batch_axis} of {x.shape}, sequences along axis {seq_axis}")
    if min(lengths, default=0) < 0 or max(lengths, default=0) > size:
        raise BadInput(f"lengths reach from {min(lengths)} to {max(lengths)}, the sequences have {size} entries")
    place, length = np.arange(size), np.array(lengths).reshape(-1, 1)
    source = np.where(place < length, length - 1 - place, place)  # (batch, sequence)
    source = source if batch_axis < seq_axis else source.T
    others = tuple(axis for axis in range(x.ndim) if axis not in (seq_axis, batch_axis))
    return np.take_along_axis(x, np.expand_dims(source, others), seq_axis)


@operator("sliding_windows", exact=True)
def sliding_windows(x, axis, size, stride=1):
    """All windows of ``size`` entries along ``axis``, a new axis behind it; they begin ``stride`` entries apart."""
    axis, size, stride = int(axis) % x.ndim, int(size), int(stride)
    if not 1 <= size <= x.shape[axis] or stride < 1:
        raise BadInput(f"windows of {size}, {stride} apart, do not fit into {x.shape[axis]} entries")
    starts = np.arange(0, x.shape[axis] - size + 1, stride)
    room([*x.shape[:axis], len(starts), size, *x.shape[axis + 1 :]])
    return np.take(x, starts[:, None] + np.arange(size), axis)
