"""Buffers that vectors fit: aligned to 64 bytes, cleared."""

import numpy as np
from numpy.typing import DTypeLike

ALIGNMENT = 64


def aligned(shape, dtype: DTypeLike = np.float32) -> np.ndarray:
    """Zeros whose first byte lies at a multiple of 64.

    Examples
    --------
    >>> aligned((2, 3)).ctypes.data % 64
    0
    """
    count = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.zeros(count + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + count].view(dtype).reshape(shape)


def copied(values, dtype: DTypeLike = np.float32) -> np.ndarray:
    """Aligned copy."""
    values = np.asarray(values)
    target = aligned(values.shape, dtype)
    target[...] = values
    return target


def laid_out(sizes: dict[str, int], start=0) -> tuple[dict[str, int], int]:
    """Where parts of one buffer begin, behind one another and aligned, and where the last one ends; all in bytes.

    Examples
    --------
    >>> laid_out({"a": 4, "b": 64})
    ({'a': 0, 'b': 64}, 128)
    """
    starts = {}
    for name, size in sizes.items():
        starts[name] = start
        start += -(-size // ALIGNMENT) * ALIGNMENT
    return starts, start


def address(array: np.ndarray) -> int:
    """Of the first element. Whoever uses it keeps the array: NumPy frees what nothing refers to."""
    return array.ctypes.data
