"""Tensors made of a few numbers."""

import math

import numpy as np

from ....refimpl.errors import BadInput
from .parameters import room
from .registry import operator


@operator("fill", exact=True)
def fill(shape, value=0.0):
    """A tensor full of ``value``."""
    return np.full(room(shape), value)


@operator("fill_like", exact=True)
def fill_like(ref_tensor, value=0.0):
    """A tensor full of ``value`` in the shape of another one, and in the type of the value."""
    return np.full(ref_tensor.shape, value)


@operator("range_1d", exact=True)
def range_1d(start, end, step):
    """start, start + step, ... up to end, which is left out; the sums are rounded when they are stored."""
    start, end, step = (np.ravel(number)[0] for number in (start, end, step))
    whole = np.asarray(start).dtype.kind in "iu"
    start, end, step = (int(v) if whole else float(v) for v in (start, end, step))
    if step == 0 or not all(map(math.isfinite, (start, end, step))):
        raise BadInput(f"no range goes from {start} to {end} in steps of {step}")
    count = max(-((start - end) // step) if whole else math.ceil((end - start) / step), 0)
    return start + step * np.arange(*room([count]))


@operator("one_hot", exact=True)
def one_hot(indices, one_hot_vector_size, axis=-1, on_value=1, off_value=0):
    """``on_value`` at the place that the index says along a new axis, ``off_value`` elsewhere; outside, everywhere."""
    size = int(np.ravel(one_hot_vector_size)[0])
    room([*np.shape(indices), size])
    hot = np.expand_dims(indices, -1) == np.arange(size)  # (..., size)
    if not -hot.ndim <= int(axis) < hot.ndim:
        raise BadInput(f"axis {int(axis)} is not among the {hot.ndim} axes of the result")
    return np.where(np.moveaxis(hot, -1, int(axis)), on_value, off_value)


@operator("band_part", exact=True)
def band_part(x, lower=-1, upper=-1):
    """The last two axes without what is more than ``lower`` below or ``upper`` above the diagonal: zeros there.

    A negative number keeps the whole triangle.
    """
    height = np.arange(x.shape[-2])[:, None] - np.arange(x.shape[-1])  # of the diagonal over the element
    kept = np.ones(height.shape, bool)
    if int(lower) >= 0:
        kept &= height <= int(lower)
    if int(upper) >= 0:
        kept &= height >= -int(upper)
    return np.where(kept, x, x.dtype.type(0))
