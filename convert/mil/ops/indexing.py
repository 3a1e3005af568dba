"""Slices and gathers. An index outside is refused: a device may return anything there."""

import numpy as np

from ....refimpl.errors import BadInput
from .parameters import ints
from .registry import operator


@operator("slice_by_index", exact=True)
def slice_by_index(x, begin, end, stride=None, begin_mask=None, end_mask=None, squeeze_mask=None):
    """x[begin:end:stride] per axis.

    A mask drops its bound. A squeeze mask takes the single entry at ``begin`` and drops the axis, whatever ``end`` is.
    """
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
    return x[tuple(cut)]


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
def gather(x, indices, axis=0, batch_dims=0, validate_indices=False):
    """x[..., indices, ...] along ``axis``; the first ``batch_dims`` axes of x and indices go together.

    Negative indices count from the end (iOS15, iOS16). ``validate_indices`` changes nothing: they are always checked.
    """
    axis, batch = int(axis) % x.ndim, int(batch_dims)
    indices = _checked(indices, x.shape[axis])
    if batch == 0:
        return np.take(x, indices, axis)
    if x.shape[:batch] != indices.shape[:batch] or axis < batch:
        raise BadInput(f"{batch} batch axes of {x.shape} and {indices.shape} do not go together at axis {axis}")
    pairs = zip(x.reshape(-1, *x.shape[batch:]), indices.reshape(-1, *indices.shape[batch:]), strict=True)
    taken = np.stack([np.take(part, index, axis - batch) for part, index in pairs])
    return taken.reshape(*x.shape[:batch], *taken.shape[1:])


@operator("gather_along_axis", exact=True)
def gather_along_axis(x, indices, axis=0, validate_indices=False):
    """One entry of x per entry of indices: the place along ``axis``, the others being those of the index itself."""
    return np.take_along_axis(x, _checked(indices, x.shape[int(axis)]), int(axis))


@operator("gather_nd", exact=True)
def gather_nd(x, indices, batch_dims=0, validate_indices=False):
    """The last axis of indices holds a place in the axes of x that follow ``batch_dims``."""
    batch, depth = int(batch_dims), indices.shape[-1]
    places = [_checked(indices[..., i], x.shape[batch + i]) for i in range(depth)]
    count = places[0].ndim
    before = [np.arange(x.shape[i]).reshape([-1 if j == i else 1 for j in range(count)]) for i in range(batch)]
    return x[tuple(before + places)]


def _checked(indices, size):
    """Indices as non-negative int64."""
    indices = np.asarray(indices).astype(np.int64)
    if indices.size and not -size <= indices.min() <= indices.max() < size:
        raise BadInput(f"indices reach from {indices.min()} to {indices.max()}, the axis has {size} entries")
    return np.where(indices < 0, indices + size, indices)


@operator("range_1d", exact=True)
def range_1d(start, end, step):
    """start, start + step, ... up to end, which is left out."""
    return np.arange(start, end, step, dtype=np.asarray(start).dtype)
