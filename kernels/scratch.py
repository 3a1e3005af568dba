"""Memory that kernels work in: made in Python, passed by address, and alive as long as its object."""

from collections.abc import Mapping
from typing import Any

import numpy as np

GUARD = 64  # bytes before and behind every buffer
CANARY = 0xA5
PAGE = 1 << 21  # a large page: one piece of memory takes few of them, and neighbours do not push each other out


def rounded(size: int) -> int:
    """Up to whole vectors."""
    return -(-size // GUARD) * GUARD


def alignment(sizes: Mapping[str, int]) -> int:
    """Of the first byte."""
    return PAGE if sum(sizes.values()) >= PAGE else GUARD


def needed(sizes: Mapping[str, int]) -> int:
    """Bytes that a `Scratch` of these sizes takes."""
    return sum(rounded(size) + GUARD for size in sizes.values()) + GUARD + alignment(sizes)


class Scratch:
    """Named buffers in one piece of memory, zero at first, each at a multiple of 64 bytes between guards.

    Parameters
    ----------
    sizes : mapping of str to int
        Bytes.

    Attributes
    ----------
    address : dict of str to int

    Examples
    --------
    >>> scratch = Scratch({"a": 100, "b": 4})
    >>> scratch.address["b"] - scratch.address["a"] >= 100 + GUARD, scratch.intact()
    (True, True)
    """

    def __init__(self, sizes: Mapping[str, int]):
        self._memory = np.empty(needed(sizes), np.uint8)
        self._memory[:] = 0
        align = alignment(sizes)
        self._guards, self.address = [], {}
        place = -self._memory.ctypes.data % align
        for name, size in [*sizes.items(), (None, 0)]:
            self._guards.append(place)
            self._memory[place : place + GUARD] = CANARY
            if name is not None:
                self.address[name] = self._memory.ctypes.data + place + GUARD
            place += GUARD + rounded(size)

    @property
    def bytes(self) -> int:
        """How much memory it is."""
        return self._memory.nbytes

    def view(self, name: str, shape, dtype: Any = np.float32) -> np.ndarray:
        """A buffer as an array."""
        start = self.address[name] - self._memory.ctypes.data
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return self._memory[start : start + size].view(dtype).reshape(shape)

    def intact(self) -> bool:
        """Whether nothing was written beside a buffer."""
        return all((self._memory[place : place + GUARD] == CANARY).all() for place in self._guards)
