"""Buffers between guard zones, for the tests of the kernels."""

import importlib
import pkgutil
from contextlib import contextmanager

import numpy as np

import karat.kernels
from karat.kernels import memory
from karat.kernels.swin import blocks as swin
from karat.kernels.swin import pack

SIGNAL = np.uint16(0x7FA0)  # a signalling NaN in float32 and bfloat16: not even adding something leaves its bits


class Guards:
    """Buffers between two zones of NaN, of which kernels must leave every bit.

    Attributes
    ----------
    poison : bool
        Whether new buffers are full of NaN too: what is made while a network runs must not count on zeros.
    memories : list
        (all bytes, first, last) of every buffer.
    panel_gaps, gaps : list of int
        Offsets of the zones between the parts of a panel and of the scratch behind the panels, of the last layout.
    """

    ZONE = 1024

    def __init__(self):
        self.poison, self.memories, self.panel_gaps, self.gaps = False, [], [], []
        self.bytes = []  # those of the memories that are asked for as bytes, as scratches are; weights may be as large

    def aligned(self, shape, dtype=np.float32):
        """`memory.aligned`, guarded."""
        count = int(np.prod(shape)) * np.dtype(dtype).itemsize
        whole = np.full(count // 2 + self.ZONE + memory.ALIGNMENT, SIGNAL).view(np.uint8)
        first = self.ZONE + -(whole.ctypes.data + self.ZONE) % memory.ALIGNMENT
        if not self.poison:
            whole[first : first + count] = 0
        self.memories.append((whole, first, first + count))
        if dtype is np.uint8:
            self.bytes.append(whole[first : first + count])
        return whole[first : first + count].view(dtype).reshape(shape)

    def laid_out(self, sizes, start=0):
        """`memory.laid_out` with a zone behind every part."""
        gaps, starts = [], {}
        for name, size in sizes.items():
            starts[name] = start
            gaps.append(start + size)  # the rest of its last line belongs to the zone
            start += -(-size // memory.ALIGNMENT) * memory.ALIGNMENT + memory.ALIGNMENT
        if "x" in sizes:
            self.panel_gaps = gaps
        else:
            self.gaps = gaps
        return starts, start

    def check(self, blocks=None, layer=None):
        """Every zone is as it was; with the zones inside the scratch of the blocks, of one layer."""
        assert self.memories
        for whole, first, last in self.memories:
            assert _untouched(whole, 0, first), "written before a buffer"
            assert _untouched(whole, last, len(whole)), "written behind a buffer"
        if blocks is None:
            return
        scratches = [memory_ for memory_ in self.bytes if len(memory_) == blocks.scratch_bytes]
        assert scratches
        places = [p * layer.panel_bytes + gap for p in range(blocks.panels) for gap in self.panel_gaps]
        for scratch in scratches:
            for place in [*places, *self.gaps]:
                end = (-(-place // memory.ALIGNMENT) + 1) * memory.ALIGNMENT
                assert _untouched(scratch, place, end), f"written between parts of the scratch, at {place}"


def _untouched(memory, first, last):
    odd = np.arange(first, last) % 2
    return (memory[first:last] == np.where(odd, SIGNAL >> 8, SIGNAL & 0xFF)).all()


@contextmanager
def guarded():
    """Give every module of the kernels guarded buffers; checks them at the end."""
    guards, real = Guards(), (memory.aligned, memory.laid_out)
    modules = [importlib.import_module(m.name) for m in pkgutil.walk_packages(karat.kernels.__path__, "karat.kernels.")]
    places = [(m, name) for m in modules for name in ("aligned", "laid_out") if getattr(m, name, None) in real]
    assert {m for m, name in places if name == "laid_out"} >= {swin, pack}
    before = [getattr(*place) for place in places]
    try:
        for module, name in places:
            setattr(module, name, getattr(guards, name))
        yield guards
    finally:
        for (module, name), value in zip(places, before, strict=True):
            setattr(module, name, value)
    guards.check()
