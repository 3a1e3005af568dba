"""Slices and gathers. An index outside is refused: a device may return anything there.

Negative indices count from the end until iOS16; from iOS17 on they are outside. ``validate_indices`` changes nothing:
they are always checked.
"""

import math

import numpy as np

from ....refimpl.errors import BadInput
from .parameters import IOS17, ints, work
from .registry import operator


@operator("slice_by_index", exact=True)
def slice_by_index(x, begin, end, stride=None, begin_mask=None, end_mask=None, squeeze_mask=None):
    """x[begin:end:stride] per axis.

    A mask drops its bound. A squeeze mask takes the single entry at ``begin`` and drops the axis, whatever ``end`` is.
    """
    return x[_cut(x, begin, end, stride, begin_mask, end_mask, squeeze_mask)]


@operator("slice_update", exact=True)
def slice_update(x, update, begin, end, stride=None, begin_mask=None, end_mask=None, squeeze_mask=None):
    """x with ``update`` in place of what slice_by_index takes out of it: the same shape."""
    cut, out = _cut(x, begin, end, stride, begin_mask, end_mask, squeeze_mask), x.copy()
    if out[cut].shape != update.shape:
        raise BadInput(f"an update of shape {update.shape} is not the slice's {out[cut].shape}")
    out[cut] = update
    return out


def _cut(x, begin, end, stride, begin_mask, end_mask, squeeze_mask):
    """What slice_by_index means, as NumPy's index."""
    rank = x.ndim
    stride = ints(stride) if stride is not None else (1,) * rank
    no_begin, no_end, single = (
        np.ravel(mask) if mask is not None else [False] * rank for mask in (begin_mask, end_mask, squeeze_mask)
    )
    cut = []
    for axis, (first, last, step) in enumerate(zip(ints(begin), ints(end), stride, strict=True)):
        if single[axis]:
            cut.append(first if not no_begin[axis] else 0)
        else:
            cut.append(slice(None if no_begin[axis] else first, None if no_end[axis] else last, step))
    if len(cut) != rank:
        raise BadInput(f"{len(cut)} slices for the {rank} axes of {x.shape}")
    return tuple(cut)


@operator("slice_by_size", exact=True)
def slice_by_size(x, begin, size):
    """``size`` entries from ``begin`` on, per axis; -1 is all that follow."""
    cut = []
    for first, count, have in zip(ints(begin), ints(size), x.shape, strict=True):
        first = first + have if first < 0 else first
        last = have if count == -1 else first + count
        if not 0 <= first <= last <= have:
            raise BadInput(f"entries {first} to {last} are outside an axis of {have}")
        cut.append(slice(first, last))
    return x[tuple(cut)]


@operator("gather", exact=True)
def gather(x, indices, axis=0, batch_dims=0, validate_indices=False, opset=IOS17):
    """x[..., indices, ...] along ``axis``; the first ``batch_dims`` axes of x and indices go together."""
    axis, batch = range(x.ndim)[int(axis)], int(batch_dims)
    indices = _checked(indices, x.shape[axis], opset)
    if batch == 0:
        return np.take(x, indices, axis)
    if x.shape[:batch] != indices.shape[:batch] or axis < batch:
        raise BadInput(f"{batch} batch axes of {x.shape} and {indices.shape} do not go together at axis {axis}")
    work(math.prod(x.shape[:batch]), math.prod(x.shape[batch:]))
    pairs = zip(x.reshape(-1, *x.shape[batch:]), indices.reshape(-1, *indices.shape[batch:]), strict=True)
    taken = np.stack([np.take(part, index, axis - batch) for part, index in pairs])
    return taken.reshape(*x.shape[:batch], *taken.shape[1:])


@operator("gather_along_axis", exact=True)
def gather_along_axis(x, indices, axis=0, validate_indices=False, opset=IOS17):
    """One entry of x per entry of indices: the place along ``axis``, the others being those of the index itself."""
    axis = range(x.ndim)[int(axis)]
    if any(n != m for i, (n, m) in enumerate(zip(x.shape, indices.shape, strict=True)) if i != axis):
        raise BadInput(f"indices of shape {indices.shape} do not go with {x.shape} along axis {axis}")
    return np.take_along_axis(x, _checked(indices, x.shape[axis], opset), axis)


@operator("gather_nd", exact=True)
def gather_nd(x, indices, batch_dims=0, validate_indices=False, opset=IOS17):
    """The last axis of indices holds a place in the axes of x that follow ``batch_dims``."""
    batch, depth = int(batch_dims), indices.shape[-1]
    places = [_checked(indices[..., i], x.shape[batch + i], opset) for i in range(depth)]
    count = places[0].ndim
    before = [np.arange(x.shape[i]).reshape([-1 if j == i else 1 for j in range(count)]) for i in range(batch)]
    return x[tuple(before + places)]


@operator("non_zero", exact=True)
def non_zero(x):
    """Places of the elements that are not zero, one per row, in the order of the elements."""
    return np.argwhere(x).astype(np.int32)  # (number of them, rank of x)


def check_indices(indices, size, opset):
    """Refuse indices that are outside an axis of ``size`` entries."""
    least = 0 if opset >= IOS17 else -size
    if indices.size and not least <= indices.min() <= indices.max() < size:
        raise BadInput(
            f"indices reach from {indices.min()} to {indices.max()}, the axis has {size} entries"
            + (", and none is negative from iOS17 on" if indices.min() < 0 <= least else "")
        )


def _checked(indices, size, opset):
    """Indices as non-negative int64."""
    indices = np.asarray(indices)
    check_indices(indices, size, opset)
    indices = indices.astype(np.int64)
    return np.where(indices < 0, indices + size, indices)
