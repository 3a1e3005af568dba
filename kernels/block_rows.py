"""Rows of 3x3 convolutions of block maps, (H/4, W/4, C, 16): a vector holds a tile's 16 places of one channel.

Winograd's transforms want 16 tiles of one place in a vector instead. Registers of 16x16 are turned over on the way in,
into a ring of three rows of groups, and on the way out.
"""

from .cache import kernel
from .conv_rows import multiply_block, transform_row
from .lanes import GROUP_BYTES, copy_vectors, transposed
from .simd import LANES, VECTOR_BYTES, Emitter, emitted
from .winograd import FEW, PAD, PLACES, ROWS, VECTORS, limited, outputs_of

SLOTS = 3


@emitted
def read_blocks(e: Emitter, blocks, block, channels, target):
    """16 blocks, ``block`` bytes apart, as one group."""

    def one(k, _):
        source, to = e.at(blocks, (k, VECTOR_BYTES)), e.at(target, (k, GROUP_BYTES))
        rows = transposed(e, [e.load(e.at(source, (i, block))) for i in range(LANES)])
        for place, row in enumerate(rows):
            e.store(row, to, VECTOR_BYTES * place)
        return []

    e.loop(channels, [], one)


def block_writer(add: bool):
    """A function that writes one channel of 16 blocks; with ``add`` it adds that of a second map."""

    @emitted
    def write(e: Emitter, m, place, bias, limits, target, block, residual):
        places = [limited(e, x, limits) for x in outputs_of(e, m, place, bias)]
        for i, tile in enumerate(transposed(e, places)):
            value = e.add(tile, e.load(e.at(residual, (i, block)))) if add else tile
            e.store(value, e.at(target, (i, block)))

    return write


write_blocks, write_sum = block_writer(False), block_writer(True)
_transform_row, _multiply_block = transform_row.compiled, multiply_block.compiled


@kernel
def read_row(source, width, channels, row, ring, edge):
    """A row of blocks into the ring; blocks past the last one are those of ``edge``, which are zero."""
    groups, block = (width + LANES - 1) // LANES, channels * VECTOR_BYTES
    for group in range(groups):
        blocks = source + (row * width + group * LANES) * block
        if width - group * LANES < LANES:
            copy_vectors(blocks, edge, (width - group * LANES) * channels)
            blocks = edge
        read_blocks(blocks, block, channels, ring + ((row % SLOTS) * (groups + 2) + group + 1) * channels * GROUP_BYTES)


@kernel
def write_group(m, step, size, count, bias, limits, target, block, residual):
    """Some channels of one group."""
    for i in range(count):
        channel = VECTOR_BYTES * i
        if residual != 0:
            write_sum(m + i * step, size * step, bias + 4 * i, limits, target + channel, block, residual + channel)
        else:
            write_blocks(m + i * step, size * step, bias + 4 * i, limits, target + channel, block, 0)


_read_row, _write_group = read_row.compiled, write_group.compiled


@kernel
def convolve_blocks(
    source,
    target,
    residual,
    height,
    width,
    channels,
    outputs,
    weights,
    bias,
    limits,
    first,
    last,
    ring,
    zero,
    v,
    m,
    edge,
):
    """Rows ``first`` to ``last`` of the convolution of a block map; ``residual`` is added unless it is 0."""
    groups, block = (width + LANES - 1) // LANES, outputs * VECTOR_BYTES
    for below in range(max(first - 1, 0), last + 1):
        if below < height:
            _read_row(source, width, channels, below, ring, edge)
        row, group = below - 1, 0
        while row >= first and group < groups:
            vectors = VECTORS if groups - group >= VECTORS else 1
            step = VECTOR_BYTES * vectors
            place = step * channels + PAD
            for j in range(vectors):
                _transform_row(
                    ring, SLOTS, channels, row, height, groups, group + j, zero, v + VECTOR_BYTES * j, place, step
                )
            done, packed = 0, weights
            while done < outputs:
                size = ROWS if outputs - done > FEW else FEW
                _multiply_block(size, vectors, packed, v, place, channels, m, size * step)
                packed += 4 * PLACES * channels * size
                count = min(size, outputs - done)
                for j in range(vectors):
                    start = (row * width + (group + j) * LANES) * block
                    whole = width - (group + j) * LANES >= LANES
                    added = residual + start + done * VECTOR_BYTES if residual != 0 else 0
                    to = target + start + done * VECTOR_BYTES
                    if whole:
                        _write_group(m + VECTOR_BYTES * j, step, size, count, bias + 4 * done, limits, to, block, added)
                    else:
                        tiles = width - (group + j) * LANES
                        beside = edge + LANES * channels * VECTOR_BYTES  # room for one block of channels
                        for i in range(tiles * (residual != 0)):
                            copy_vectors(added + i * block, beside + i * ROWS * VECTOR_BYTES, count)
                        added = beside if residual != 0 else 0
                        pitch = ROWS * VECTOR_BYTES
                        _write_group(
                            m + VECTOR_BYTES * j, step, size, count, bias + 4 * done, limits, beside, pitch, added
                        )
                        for i in range(tiles):
                            copy_vectors(beside + i * pitch, to + i * block, count)
                done += size
            group += vectors
