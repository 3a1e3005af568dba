"""Rows of 3x3 convolutions of block maps, (H/4, W/4, C, 16): a vector holds a tile's 16 places of one channel.

Winograd's transforms want 16 tiles of one place in a vector instead. Registers of 16x16 are turned over on the way in,
into a ring of three rows of groups, and on the way out.
"""

from ..cache import kernel
from ..conv_net.conv_rows import multiply_block, transform_row
from ..emit.lanes import GROUP_BYTES, copy_vectors, transposed
from ..emit.simd import LANES, VECTOR_BYTES, Emitter, emitted
from ..emit.winograd import FEW, PAD, PLACES, ROWS, VECTORS, limited, outputs_of

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


_write_group = write_group.compiled


@kernel
def write_part(m, step, size, count, bias, limits, target, block, residual, tiles, beside):
    """Some channels of a group that the map holds only the first ``tiles`` of, by way of the memory ``beside``."""
    pitch = ROWS * VECTOR_BYTES
    for i in range(tiles * (residual != 0)):
        copy_vectors(residual + i * block, beside + i * pitch, count)
    _write_group(m, step, size, count, bias, limits, beside, pitch, beside * (residual != 0))
    for i in range(tiles):
        copy_vectors(beside + i * pitch, target + i * block, count)


_read_row, _write_part = read_row.compiled, write_part.compiled


@kernel
def convolve_pair(target, residual, inputs, outputs, weights, bias, limits, vectors, tiles, v, m, beside):
    """Products and outputs of one or two groups whose transformed input lies at v; ``tiles`` are left in the row."""
    step, block = VECTOR_BYTES * vectors, outputs * VECTOR_BYTES
    done = 0
    while done < outputs:
        size = ROWS if outputs - done > FEW else FEW
        count = min(size, outputs - done)
        _multiply_block(size, vectors, weights, v, step * inputs + PAD, inputs, m, size * step)
        for j in range(vectors):
            sums, to = m + VECTOR_BYTES * j, target + done * VECTOR_BYTES + j * LANES * block
            added = residual + done * VECTOR_BYTES + j * LANES * block if residual != 0 else 0
            left = tiles - j * LANES
            if left >= LANES:
                _write_group(sums, step, size, count, bias + 4 * done, limits, to, block, added)
            else:
                _write_part(sums, step, size, count, bias + 4 * done, limits, to, block, added, left, beside)
        weights += 4 * PLACES * inputs * size
        done += size


_convolve_pair = convolve_pair.compiled


@kernel
def convolve_blocks(
    source, target, residual, height, width, inputs, outputs, weights, bias, limits, first, last, ring, zero, v, m, edge
):
    """Rows ``first`` to ``last`` of the convolution of a block map; ``residual`` is added unless it is 0."""
    groups, beside = (width + LANES - 1) // LANES, edge + LANES * inputs * VECTOR_BYTES
    for below in range(max(first - 1, 0), last + 1):
        if below < height:
            _read_row(source, width, inputs, below, ring, edge)
        row, group = below - 1, 0
        while row >= first and group < groups:
            vectors = VECTORS if groups - group >= VECTORS else 1
            step = VECTOR_BYTES * vectors
            for j in range(vectors):
                vj = v + VECTOR_BYTES * j
                place = step * inputs + PAD
                _transform_row(ring, SLOTS, inputs, row, height, groups, group + j, zero, vj, place, step)
            start = (row * width + group * LANES) * outputs * VECTOR_BYTES
            added = residual + start if residual != 0 else 0
            tiles, to = width - group * LANES, target + start
            _convolve_pair(to, added, inputs, outputs, weights, bias, limits, vectors, tiles, v, m, beside)
            group += vectors
