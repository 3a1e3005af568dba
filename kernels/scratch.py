"""Memory that kernels work in: made in Python, passed by address, and alive as long as its object."""

from collections.abc import Mapping

import numpy as np

GUARD = 64  # bytes before and behind every buffer
CANARY = 0xA5
PAGE = 1 << 21  # a large page: one piece of memory takes few of them, and neighbours do not push each other out


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
        padded = {name: -(-size // GUARD) * GUARD for name, size in sizes.items()}
        total = sum(padded.values()) + GUARD * (len(padded) + 1)
        align = PAGE if total >= PAGE else GUARD
        self._memory = np.empty(total + align, np.uint8)
        self._memory[:] = 0
        self._guards, self.address = [], {}
        place = -self._memory.ctypes.data % align
        for name, size in [*padded.items(), (None, 0)]:
            self._guards.append(place)
            self._memory[place : place + GUARD] = CANARY
            if name is not None:
                self.address[name] = self._memory.ctypes.data + place + GUARD
            place += GUARD + size

    @property
    def bytes(self) -> int:
        """How much memory it is."""
        return self._memory.nbytes

    def view(self, name: str, shape, dtype=np.float32) -> np.ndarray:
        """A buffer as an array."""
        start = self.address[name] - self._memory.ctypes.data
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return self._memory[start : start + size].view(dtype).reshape(shape)

    def intact(self) -> bool:
        """Whether nothing was written beside a buffer."""
        return all((self._memory[place : place + GUARD] == CANARY).all() for place in self._guards)
