"""Scatters: tensors that other tensors are written into, entry by entry.

Where several updates meet at one place, all of them count, in their order; with "update" the last one stays.
"""

import numpy as np

from ....refimpl.errors import BadInput
from .indexing import check_indices
from .parameters import IOS17
from .registry import operator

MODES = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "max": np.maximum,
    "min": np.minimum,
}


@operator("scatter")
def scatter(data, indices, updates, axis=0, mode="add", validate_indices=False, opset=IOS17):
    """data[..., indices, ...] along ``axis`` is changed by ``updates``: data's shape with the indices' in place of it.

    An index outside is refused; from iOS17 on it is left out unless ``validate_indices``, and so is a negative one.
    """
    axis = _axis(axis, data)
    expected = (*data.shape[:axis], *indices.shape, *data.shape[axis + 1 :])
    if updates.shape != expected:
        raise BadInput(f"updates have shape {updates.shape}, expected {expected}")
    updates = updates.reshape(*data.shape[:axis], indices.size, *data.shape[axis + 1 :])
    before, indices = (slice(None),) * axis, indices.ravel()
    kept = _kept(indices, data.shape[axis], validate_indices, opset)
    return _written(data, (*before, indices[kept]), updates[(*before, kept)], mode)


@operator("scatter_along_axis")
def scatter_along_axis(data, indices, updates, axis=0, mode="add", validate_indices=False, opset=IOS17):
    """One entry of data is changed per entry of indices: its place along ``axis``, the others being the index's own.

    Indices outside as for scatter.
    """
    axis = _axis(axis, data)
    sizes = [(n, m) for i, (n, m) in enumerate(zip(data.shape, indices.shape, strict=True)) if i != axis]
    if updates.shape != indices.shape or any(n != m for n, m in sizes):
        raise BadInput(f"data {data.shape}, indices {indices.shape} and updates {updates.shape} do not fit each other")
    kept = _kept(indices, data.shape[axis], validate_indices, opset)
    others = np.nonzero(kept)
    return _written(data, (*others[:axis], indices[kept], *others[axis + 1 :]), updates[kept], mode)


@operator("scatter_nd")
def scatter_nd(data, indices, updates, mode="add", validate_indices=False, opset=IOS17):
    """The last axis of indices holds a place in the first axes of data; what is there is changed by ``updates``.

    Indices outside as for scatter.
    """
    depth = indices.shape[-1]
    expected = (*indices.shape[:-1], *data.shape[depth:])
    if not 1 <= depth <= data.ndim or updates.shape != expected:
        raise BadInput(f"places of {depth} numbers and updates {updates.shape} do not fit data {data.shape}")
    places = indices.reshape(-1, depth).T  # (depth, number of places)
    sizes = data.shape[:depth]
    inside = [_kept(place, size, validate_indices, opset) for place, size in zip(places, sizes, strict=True)]
    kept = np.all(inside, axis=0)
    return _written(data, tuple(places[:, kept]), updates.reshape(-1, *data.shape[depth:])[kept], mode)


def _axis(axis, data):
    """An axis of data, counted from the first."""
    if not -data.ndim <= int(axis) < data.ndim:
        raise BadInput(f"axis {int(axis)} is not among the {data.ndim} axes of data")
    return int(axis) % data.ndim


def _kept(indices, size, validate, opset):
    """Which indices are written to.

    Without validation Core ML leaves open what an index outside does from iOS17 on, but for "memory safe".
    """
    if opset >= IOS17 and not validate:
        return (indices >= 0) & (indices < size)
    check_indices(indices, size, opset)
    return np.ones(indices.shape, bool)


def _written(data, places, updates, mode):
    """A copy of data with the updates at ``places``."""
    if mode != "update" and mode not in MODES:
        raise BadInput(f"mode is {mode!r}, expected update, {', '.join(MODES)}")
    whole = mode == "div" and data.dtype.kind in "iu"  # quotients of integers are cut when they are stored, once
    out = data.astype(np.float64) if whole else data.copy()
    places = tuple(place if isinstance(place, slice) else place.astype(np.int64) for place in places)
    if mode == "update":
        out[places] = updates
    else:
        MODES[mode].at(out, places, updates)
    return out
