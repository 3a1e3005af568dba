"""Shape changes: nothing is computed, and this is where conversions go wrong most often."""

import numpy as np

from ....refimpl.errors import BadInput
from .parameters import IOS17, ints, like, room
from .registry import operator


@operator("reshape", exact=True)
def reshape(x, shape, opset=IOS17):
    """-1 is what remains. 0 copies a size of x, counted from the LAST axis (iOS17), and is 1 where x has no such axis.

    [1, 0, -1, 0] on (2, 3) gives (1, 1, 2, 3). Before iOS17 a 0 needs as many entries as x has axes: the same then.
    """
    wanted = ints(shape)
    if opset < IOS17 and 0 in wanted and len(wanted) != x.ndim:
        raise BadInput(f"{wanted} has a 0, which needs as many entries as {x.shape} before iOS17")
    if min(wanted, default=0) < -1:
        raise BadInput(f"{wanted} has a negative size; -1 stands for what remains")
    sizes = [1] * (len(wanted) - x.ndim) + list(x.shape[max(x.ndim - len(wanted), 0) :])
    return x.reshape([have if want == 0 else want for want, have in zip(wanted, sizes, strict=True)])


@operator("reshape_like", exact=True)
def reshape_like(x, ref_tensors, begins, ends, end_masks):
    """The shape is parts of other tensors' shapes in a row: ref.shape[begin:end], to the end if masked."""
    shape = []
    for ref, begin, end, mask in zip(_many(ref_tensors), ints(begins), ints(ends), np.ravel(end_masks), strict=True):
        shape += ref.shape[begin : None if mask else end]
    return x.reshape(shape)


@operator("transpose", exact=True)
def transpose(x, perm):
    """Axis i of the result is axis perm[i] of x."""
    return np.transpose(x, ints(perm))


@operator("expand_dims", exact=True)
def expand_dims(x, axes):
    """New axes of size 1; the numbers count in the result."""
    return np.expand_dims(x, ints(axes))


@operator("squeeze", exact=True)
def squeeze(x, axes=None):
    """Without the given axes, or without all of them; an axis of another size than 1 stays, as in PyTorch."""
    chosen = range(x.ndim) if axes is None else [range(x.ndim)[axis] for axis in ints(axes)]
    return np.squeeze(x, tuple(axis for axis in set(chosen) if x.shape[axis] == 1))


@operator("flatten2d", exact=True)
def flatten2d(x, axis=1):
    """Two axes: the product of the sizes before ``axis``, and of the rest."""
    axis = int(axis) % x.ndim if int(axis) < 0 else int(axis)
    return x.reshape(int(np.prod(x.shape[:axis])), int(np.prod(x.shape[axis:])))


@operator("shape", exact=True)
def shape_of(x):
    """The sizes of x."""
    return np.array(x.shape, np.int32)


@operator("concat", exact=True)
def concat(values, axis, interleave=False):
    """One after the other along ``axis``; interleaved, the first slices of all come first, then the second ones.

    Scalars make a vector.
    """
    values, axis = _many(values), int(axis)
    if values[0].ndim == 0:
        return np.stack(values)
    if not interleave:
        return np.concatenate(values, axis)
    axis %= values[0].ndim
    stacked = np.stack(values, axis + 1)
    return stacked.reshape(*values[0].shape[:axis], -1, *values[0].shape[axis + 1 :])


@operator("stack", exact=True)
def stack(values, axis):
    """One after the other along a new axis."""
    return np.stack(_many(values), int(axis))


@operator("split", exact=True)
def split(x, axis, num_splits=None, split_sizes=None):
    """Equal parts, or parts of given sizes, along ``axis``."""
    axis = int(axis)
    if split_sizes is None:
        if num_splits is None:
            raise BadInput("neither num_splits nor split_sizes says how to split")
        return tuple(np.split(x, int(num_splits), axis))
    sizes = ints(split_sizes)
    if sum(sizes) != x.shape[axis] or min(sizes) < 0:
        raise BadInput(f"parts of {sizes} do not make up the {x.shape[axis]} entries of axis {axis}")
    return tuple(np.split(x, np.cumsum(sizes)[:-1], axis))


@operator("tile", exact=True)
def tile(x, reps):
    """x repeated reps[i] times along axis i."""
    reps = ints(reps)
    room([size * count for size, count in zip(x.shape, reps, strict=True)])
    return np.tile(x, reps)


@operator("reverse", exact=True)
def reverse(x, axes=None):
    """x backwards along the axes, or along all."""
    return np.flip(x, None if axes is None else ints(axes))


@operator("pad", exact=True)
def pad(x, pad, mode="constant", constant_val=0.0):
    """(before, after) for the last axes of x. "reflect" does not repeat the border, "replicate" repeats only it."""
    counts = ints(pad)
    pairs = [(0, 0)] * (x.ndim - len(counts) // 2) + list(zip(counts[::2], counts[1::2], strict=True))
    room([size + sum(pair) for size, pair in zip(x.shape, pairs, strict=True)])
    if mode == "constant":
        return np.pad(x, pairs, constant_values=like(constant_val, x))
    if mode not in ("reflect", "replicate"):
        raise BadInput(f"mode is {mode!r}, expected constant, reflect or replicate")
    if mode == "reflect" and any(max(pair) >= size for pair, size in zip(pairs, x.shape, strict=True) if any(pair)):
        raise BadInput(f"reflecting {pairs} needs more entries than {x.shape} has")
    return np.pad(x, pairs, mode="reflect" if mode == "reflect" else "edge")


def _many(values):
    """A parameter that takes several tensors; a single one comes as itself."""
    return values if isinstance(values, tuple) else (values,)
