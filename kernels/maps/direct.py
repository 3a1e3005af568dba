"""Direct 3 x 3 convolution of a feature map ``A[H/4][W/4][C][16]``, two rows of blocks at a time.

The 4 x 4 pixels of a vector need their neighbours: a column of two blocks is copied to a strip of 10 rows, three times,
moved by -1, 0 and +1 pixels. Each of the nine taps of a vector is then one load.
"""

import numpy as np
from llvmlite import ir

from .. import cpu
from ..cache import kernel
from ..emit.pointwise import leaky_relu
from ..emit.simd import F32, VECTOR_BYTES, Emitter, Record, emitted
from ..emit.tiles import Float32, biases, tile
from ..memory import address, aligned, copied
from ..threads import run_each

ROWS, VECTORS = (12, 2) if cpu.target().vectors == 4 else (6, 1)
BLOCKS = 2  # above each other
STRIP_ROWS = 4 * BLOCKS + 2
SEGMENT = 16  # bytes of four pixels
MOVED = STRIP_ROWS * SEGMENT  # bytes of a copy of the strip
STRIP = 3 * MOVED  # of a channel
TAPS = [dx * MOVED + dy * SEGMENT for dy in range(3) for dx in range(3)]
TILE = ROWS * BLOCKS * VECTOR_BYTES  # bytes of the sums of a tile, behind the strip
QUARTER = ir.VectorType(F32, 4)

# Maps, sizes, packed weights, the leaky ReLU's slope (1: none), zeros for what lies outside. The residual is added
# behind the slope; ``residual_bytes`` of a block's channel is 0 where there is none and the residual is ``zeros``.
CONV = Record(
    "source target residual residual_bytes block_rows block_columns "
    "in_channels out_channels tiles weight bias slope zeros"
)


def conv_rows(e: Emitter, conv, strip, pair):
    """Convolve a pair of block rows.

    Parameters
    ----------
    conv : value
        Address of packed CONV.
    strip : value
        Address of this thread's memory: a strip and a tile.
    pair : value
        Which rows.
    """
    conv = CONV.read(e, conv)
    top = e.builder.mul(pair, e.integer(BLOCKS))
    blocks = e.least(e.builder.sub(conv.block_rows, top), BLOCKS)
    sums = e.at(strip, (conv.in_channels, STRIP))

    def column(x, _):
        for row in range(STRIP_ROWS):
            _strip_row(e, conv, e.at(strip, row * SEGMENT), top, x, row - 1)

        def channels(t, _):
            weights = e.at(conv.weight, (t, conv.in_channels, len(TAPS) * ROWS * 4))
            e.procedure("conv3x3_tile", _tile, weights, e.at(conv.bias, (t, ROWS * 4)), strip, conv.in_channels, sums)
            _write(e, conv, sums, e.at(x, (top, conv.block_columns)), blocks, t)
            return []

        return e.loop(conv.tiles, [], channels)

    e.loop(conv.block_columns, [], column)


def _strip_row(e, conv, strip, top, x, row):
    """Four pixels of every channel, ``row`` rows below the top, and the same moved by one to either side."""
    block_row, inside = e.at(top, row // 4), row % 4

    def block(column):
        there = e.builder.and_(_below(e, block_row, conv.block_rows), _below(e, column, conv.block_columns))
        index = e.at(column, (block_row, conv.block_columns))
        start = e.at(conv.source, (index, conv.in_channels, VECTOR_BYTES), inside * SEGMENT)
        return [
            e.builder.select(there, start, conv.zeros),
            e.builder.select(there, e.integer(VECTOR_BYTES), e.integer(0)),
        ]

    three = [value for dx in (-1, 0, 1) for value in block(e.at(x, dx))]
    e.procedure("conv3x3_strip", _copy_moved, *three, conv.in_channels, strip)


def _below(e, index, count):
    """0 <= index < count: as unsigned numbers, negative ones are the largest."""
    return e.builder.icmp_unsigned("<", index, count)


def _copy_moved(e, left, left_step, middle, middle_step, right, right_step, channels, strip):
    def channel(c, _):
        a = e.load(e.at(left, (c, left_step)), 0, QUARTER)
        b = e.load(e.at(middle, (c, middle_step)), 0, QUARTER)
        d = e.load(e.at(right, (c, right_step)), 0, QUARTER)
        here = e.at(strip, (c, STRIP))
        e.store(e.shuffle(a, b, [3, 4, 5, 6]), here)
        e.store(b, here, MOVED)
        e.store(e.shuffle(b, d, [1, 2, 3, 4]), here, 2 * MOVED)
        return []

    e.loop(channels, [], channel)


def _tile(e, weights, bias, strip, channels, sums):
    """ROWS output channels of BLOCKS blocks."""

    def some(j, _):
        first = (j, VECTORS * VECTOR_BYTES)
        start = biases(e, bias, ROWS, VECTORS)
        result = tile(Float32(e), weights, e.at(strip, first), STRIP, channels, start, ROWS, VECTORS, taps=TAPS)
        Float32(e).store_tokens(result, VECTORS, e.at(sums, first), BLOCKS * VECTOR_BYTES)
        return []

    e.loop(BLOCKS // VECTORS, [], some)


def _write(e, conv, sums, block, blocks, t):
    """The channels of a tile that there are, to the blocks that there are."""
    first = e.builder.mul(t, e.integer(ROWS))
    count = e.least(e.builder.sub(conv.out_channels, first), ROWS)
    slope = e.broadcast(conv.slope)

    def one(i, _):
        row, below = e.builder.sdiv(i, blocks), e.builder.srem(i, blocks)
        channel = e.at(e.at(first, row), (e.at(block, (below, conv.block_columns)), conv.out_channels))
        value = leaky_relu(e, e.load(e.at(sums, (row, BLOCKS * VECTOR_BYTES), (below, VECTOR_BYTES))), slope)
        residual = e.load(e.at(conv.residual, (channel, conv.residual_bytes)))
        e.store(e.add(value, residual), e.at(conv.target, (channel, VECTOR_BYTES)))
        return []

    e.loop(e.builder.mul(count, blocks), [], one)


@emitted
def _conv_rows(e, conv, strip, pair):
    conv_rows(e, conv, strip, pair)


@kernel
def conv3x3_rows(conv, strip, pair):
    """`conv_rows`."""
    _conv_rows(conv, strip, pair)


class Conv3x3:
    """A packed convolution, ready to run; a 1 x 1 convolution is the middle of a 3 x 3 one.

    Parameters
    ----------
    weight : ndarray, (N, C, 3, 3) or (N, C, 1, 1)
    bias : ndarray, (N,)
    slope : float
        Of a leaky ReLU behind it; 1 for none.
    """

    name = "direct 3x3 convolution"

    def __init__(self, weight, bias, slope=1.0):
        if weight.shape[-1] == 1:
            weight = np.pad(weight, ((0, 0), (0, 0), (1, 1), (1, 1)))
        self.out_channels, self.in_channels = weight.shape[:2]
        tiles = -(-self.out_channels // ROWS)
        padded = np.zeros((tiles * ROWS, self.in_channels, 9))
        padded[: self.out_channels] = weight.reshape(self.out_channels, self.in_channels, 9)
        self.weight = copied(padded.reshape(tiles, ROWS, self.in_channels, 9).transpose(0, 2, 3, 1))
        self.bias = aligned(tiles * ROWS)
        self.bias[: self.out_channels] = bias
        self.slope = copied([slope])
        self.zeros = aligned(16)

    def __call__(self, source, target, residual=None, threads=1):
        """Convolve a (H/4, W/4, C, 16) map into a (H/4, W/4, N, 16) one; ``residual`` is added, and may be the target.

        Lanes of the source outside the picture must be zero; those of the target will not be.
        """
        rows, columns = source.shape[:2]
        words = CONV.pack(
            source=address(source),
            target=address(target),
            residual=address(self.zeros if residual is None else residual),
            residual_bytes=0 if residual is None else VECTOR_BYTES,
            block_rows=rows,
            block_columns=columns,
            in_channels=self.in_channels,
            out_channels=self.out_channels,
            tiles=len(self.weight),
            weight=address(self.weight),
            bias=address(self.bias),
            slope=address(self.slope),
            zeros=address(self.zeros),
        )
        strips = [aligned(self.in_channels * STRIP + TILE, np.uint8) for _ in range(threads)]

        def pair(index, thread):
            conv3x3_rows(address(words), address(strips[thread]), index)

        run_each(threads, -(-rows // BLOCKS), pair)
