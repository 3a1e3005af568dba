"""Tensors as a file describes them, checked against their storage before any array exists, and then made."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .limits import FREE_BYTES, MAX_DIMENSIONS, MAX_FILE_BYTES, MAX_REPEAT
from .messages import hostile, save_again, shown

# NumPy has no bfloat16, and a byte of 2 in a bool array is undefined: both are read as integers and then decoded.
_STORED_AS = {"bfloat16": "u2", "bool": "u1"}
_RESULT = {"bfloat16": "float32"}


@dataclass(frozen=True)
class Storage:
    """A run of ``count`` numbers of one kind, named ``key`` in the file."""

    key: str
    kind: str
    count: int

    @property
    def itemsize(self):
        """Bytes of one stored number."""
        return np.dtype(_STORED_AS.get(self.kind, self.kind)).itemsize

    @property
    def nbytes(self):
        """Bytes that the file must hold for it."""
        return self.count * self.itemsize


@dataclass(frozen=True)
class Tensor:
    """A strided view of a storage; offset and strides count numbers, not bytes, as torch does."""

    storage: Storage
    offset: int
    shape: tuple
    strides: tuple

    @property
    def result_bytes(self):
        """Bytes of the array that it becomes."""
        return math.prod(self.shape) * np.dtype(_RESULT.get(self.storage.kind, self.storage.kind)).itemsize


def check_shape(shape):
    """Refuse a shape that no array may have.

    Raises
    ------
    BadInput
        Too many axes, an extent that is not a whole number from 0 on, or more numbers than the largest file has bytes
        (a shape with a 0 in it holds nothing, but NumPy still multiplies the rest).
    """
    if not isinstance(shape, tuple) or len(shape) > MAX_DIMENSIONS or any(type(d) is not int or d < 0 for d in shape):
        raise hostile(f"a tensor has shape {shown(shape)}", f"up to {MAX_DIMENSIONS} extents from 0 on")
    if math.prod(max(extent, 1) for extent in shape) > MAX_FILE_BYTES:
        raise hostile(f"a tensor has shape {shown(shape)}", "up to 2**32 numbers")


def check_tensor(tensor):
    """Refuse a view that is malformed, leaves its storage, or has more elements than it (a stride of 0 repeats them).

    Raises
    ------
    BadInput
    """
    check_shape(tensor.shape)
    strides = tensor.strides
    numbers = (*strides, tensor.offset) if isinstance(strides, tuple) else (None,)
    if any(type(n) is not int or n < 0 for n in numbers) or len(strides) != len(tensor.shape):
        raise hostile(
            f"a tensor of shape {shown(tensor.shape)} has strides {shown(strides)} and offset {shown(tensor.offset)}",
            "an offset and one stride per axis, none negative",
        )
    count = math.prod(tensor.shape)
    last = tensor.offset + sum((extent - 1) * stride for extent, stride in zip(tensor.shape, strides, strict=True))
    if count and (count > tensor.storage.count or last >= tensor.storage.count):
        raise save_again(
            f"a tensor of shape {shown(tensor.shape)} and strides {shown(strides)} exceeds its storage",
            f"up to {shown(tensor.storage.count)} numbers without repeats (.contiguous())",
        )


def check_total(tensors, file_bytes):
    """Refuse tensors that share storages so often that a small file unfolds into a huge amount of memory.

    Raises
    ------
    BadInput
    """
    total = sum(tensor.result_bytes for tensor in tensors)
    limit = min(MAX_FILE_BYTES, MAX_REPEAT * file_bytes + FREE_BYTES)
    if total > limit:
        raise hostile(f"{file_bytes} bytes of file unfold into {shown(total)}", f"up to {limit}")


def decode(raw, kind):
    """Numbers as stored -> a new C-contiguous array of its own in native byte order (bfloat16 becomes float32)."""
    raw = np.array(raw, raw.dtype.newbyteorder("="), order="C", copy=True)
    if kind == "bfloat16":  # the upper half of a float32
        result = np.empty(raw.shape, np.float32)
        result.view(np.uint32)[...] = raw.astype(np.uint32) << 16
        return result
    return np.not_equal(raw, 0, out=np.empty(raw.shape, bool)) if kind == "bool" else raw


def make_array(tensor, buffer, byteorder: Literal["<", ">"] = "<"):
    """The array of a checked ``tensor``, from the bytes of its storage.

    Parameters
    ----------
    tensor : Tensor
    buffer : bytes-like
        Exactly ``tensor.storage.nbytes`` long.
    byteorder : {"<", ">"}

    Returns
    -------
    ndarray of tensor.shape

    Examples
    --------
    >>> upper_right = Tensor(Storage("0", "int16", 4), offset=1, shape=(2,), strides=(2,))
    >>> make_array(upper_right, bytes([0, 0, 1, 0, 2, 0, 3, 0]))
    array([1, 3], dtype=int16)
    """
    storage = tensor.storage
    dtype = np.dtype(_STORED_AS.get(storage.kind, storage.kind)).newbyteorder(byteorder)
    if 0 in tensor.shape:
        return decode(np.empty(tensor.shape, dtype), storage.kind)
    # An axis of one element may carry any stride, also one that is no machine integer.
    pairs = zip(tensor.shape, tensor.strides, strict=True)
    strides = tuple(stride * storage.itemsize if extent > 1 else 0 for extent, stride in pairs)
    view = np.ndarray(tensor.shape, dtype, buffer, tensor.offset * storage.itemsize, strides)
    return decode(view, storage.kind)
