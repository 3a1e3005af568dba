"""3x3 convolutions of block maps, as SwinIR's layers keep them."""

from itertools import pairwise

import numpy as np

from ..emit.lanes import GROUP_BYTES
from ..emit.simd import LANES, VECTOR_BYTES
from ..emit.winograd import PAD, PLACES, ROWS, VECTORS, pack, packed_size
from ..memory import copied
from ..scratch import Scratch
from ..threads import run
from .winograd_rows import SLOTS, convolve_blocks

BAND = 8  # rows of blocks at least that a thread takes: it reads one more above and below


def scratch_sizes(width: int, channels: int) -> dict[str, int]:
    """Bytes of every buffer that one thread needs; ``width`` is in blocks."""
    groups = -(-width // LANES)
    return {
        "ring": SLOTS * (groups + 2) * channels * GROUP_BYTES,
        "zero": 3 * channels * GROUP_BYTES,
        "v": PLACES * (VECTOR_BYTES * VECTORS * channels + PAD),
        "m": PLACES * ROWS * VECTORS * VECTOR_BYTES,
        "edge": LANES * (channels + ROWS) * VECTOR_BYTES,
        "limits": 8,
    }


def convolve(source, packed, bias, target, residual=None, slope=1.0, threads=1, scratch=None):
    """Convolve a block map, padded with zeros, into another one.

    Parameters
    ----------
    source : ndarray of float32, (H/4, W/4, C, 16)
        Whole blocks; what lies outside the picture must be zero. Contiguous, like all maps.
    packed : ndarray
        From `karat.kernels.emit.winograd.pack` of (O, C, 3, 3).
    bias : ndarray of float32, (O,)
    target : ndarray of float32, (H/4, W/4, O, 16)
        Written whole, also outside the picture. It may be ``residual``, not ``source``.
    residual : ndarray of float32, (H/4, W/4, O, 16), optional
        Added last.
    slope : float
        Of what is negative, before the residual: 1 for none, 0.01 for SwinIR's leaky ReLU, 0 for a ReLU.
    threads : int
    scratch : list of Scratch, optional
        One per thread, made of `scratch_sizes`; made here when absent. Its buffers hold zeros at first, and may serve
        again for convolutions of the same width and C.

    Raises
    ------
    ValueError
        When the shapes do not belong together: kernels take addresses and would write anywhere.
    """
    height, width, channels, _ = source.shape
    outputs = len(bias)
    _check(source, packed, bias, target, residual)
    scratch = scratch or [Scratch(scratch_sizes(width, channels)) for _ in range(threads)]
    added = 0 if residual is None else residual.ctypes.data

    def band(first, last):
        def task(thread):
            mine = scratch[thread]
            mine.view("limits", 2)[:] = slope, np.inf
            buffers = [mine.address[name] for name in ("ring", "zero", "v", "m", "edge")]
            maps = source.ctypes.data, target.ctypes.data, added, height, width, channels, outputs
            weights = packed.ctypes.data, bias.ctypes.data, mine.address["limits"]
            convolve_blocks(*maps, *weights, first, last, *buffers)

        return task

    count = max(1, min(height // BAND, 4 * threads if threads > 1 else 1))
    cuts = [height * i // count for i in range(count + 1)]
    run(min(threads, len(scratch)), [band(*cut) for cut in pairwise(cuts)])


def _check(source, packed, bias, target, residual):
    height, width, channels, _ = source.shape
    expected = {"target": (target, (height, width, len(bias), LANES))}
    expected |= {"residual": (residual, (height, width, len(bias), LANES))} if residual is not None else {}
    expected |= {"source": (source, (height, width, channels, LANES)), "packed": (packed, packed.shape)}
    expected |= {"bias": (bias, (len(bias),))}
    for name, (array, shape) in expected.items():
        if array.shape != shape or array.dtype != np.float32 or not array.flags.c_contiguous:
            raise ValueError(f"{name} is {array.dtype} {array.shape}, expected contiguous float32 {shape}")
    if packed.size != packed_size(len(bias), channels):
        raise ValueError(
            f"{packed.size} packed weights belong to no {len(bias)} x {channels} channels; pack them again"
        )


class WinogradConv:
    """A packed convolution of maps, ready to run.

    Parameters
    ----------
    weight : ndarray, (N, C, 3, 3)
    bias : ndarray, (N,)
    slope : float
        Of a leaky ReLU behind it; 1 for none.
    """

    name = "Winograd 3x3 convolution"

    def __init__(self, weight, bias, slope=1.0):
        self.out_channels, self.in_channels = weight.shape[:2]
        self.packed, self.bias, self.slope = pack(weight), copied(bias), slope
        self._idle: list[tuple[int, list[Scratch]]] = []  # of the last picture; whoever works takes it out

    def __call__(self, source, target, residual=None, threads=1):
        """Convolve a (H/4, W/4, C, 16) map into a (H/4, W/4, N, 16) one; ``residual`` is added, and may be the target.

        Lanes of the source outside the picture must be zero; those of the target will not be.
        """
        width = source.shape[1]
        try:
            known, scratch = self._idle.pop()
        except IndexError:
            known, scratch = 0, []
        if known != width or len(scratch) != threads:
            scratch = [Scratch(scratch_sizes(width, self.in_channels)) for _ in range(threads)]
        convolve(source, self.packed, self.bias, target, residual, self.slope, threads, scratch)
        self._idle = [(width, scratch)]
