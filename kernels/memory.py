"""Buffers that vectors fit: aligned to 64 bytes, cleared."""

import numpy as np

ALIGNMENT = 64


def aligned(shape, dtype=np.float32) -> np.ndarray:
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


def copied(values, dtype=np.float32) -> np.ndarray:
    """Aligned copy."""
    values = np.asarray(values)
    target = aligned(values.shape, dtype)
    target[...] = values
    return target


def address(array: np.ndarray) -> int:
    """Of the first element. Whoever uses it keeps the array: NumPy frees what nothing refers to."""
    return array.ctypes.data
