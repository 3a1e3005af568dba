"""One row of tiles: out of the picture, and through a 3x3 convolution.

Maps are rings of rows of tiles (4 lines of pixels each): (slots, groups + 2, channels, 16, 16) floats, with a group of
zeros at both ends of a row.
"""

from ..cache import kernel
from ..emit.lanes import GROUP_BYTES, PIXELS, TILE, copy_floats, keep_inside, split_line
from ..emit.simd import VECTOR_BYTES, word
from ..emit.winograd import (
    FEW,
    PAD,
    PLACES,
    ROWS,
    VECTORS,
    multiply_few,
    multiply_few_1,
    multiply_rows,
    multiply_rows_1,
    transform_input,
    transform_output,
)
from .records import (
    BIAS,
    CHANNELS,
    EXTRA,
    EXTRA_CHANNELS,
    EXTRA_SLOTS,
    GROUPS,
    HEIGHT,
    IMAGE,
    LIMITS,
    LINE,
    MASKS,
    OUTPUTS,
    RECORDS,
    SLOTS,
    SOURCE,
    TARGET,
    TARGET_SLOTS,
    TILE_ROWS,
    WEIGHTS,
    WIDTH,
    ZERO,
    M,
    V,
)


@kernel
def image_row(net, row):
    """Four lines of the picture into the ring; what lies outside the picture is zero."""
    height, width, groups = word(net + HEIGHT), word(net + WIDTH), word(net + GROUPS)
    record, image, line = word(net + RECORDS), word(net + IMAGE), word(net + LINE)
    channels, slots = word(record + OUTPUTS), word(record + TARGET_SLOTS)
    group_bytes = channels * GROUP_BYTES
    start = word(record + TARGET) + ((row % slots) * (groups + 2) + 1) * group_bytes
    for channel in range(channels):
        for i in range(TILE):
            y = TILE * row + i
            here = word(net + ZERO)
            if y < height:
                copy_floats(image + 4 * (channel * height + y) * width, line, width)
                here = line
            for group in range(groups):
                target = start + group * group_bytes + channel * GROUP_BYTES + TILE * VECTOR_BYTES * i
                split_line(here + 4 * PIXELS * group * (y < height), target)


@kernel
def transform_row(ring, slots, channels, row, rows, groups, group, zero, v, place, step):
    """The transformed input of one group, from a ring of rows; rows outside the picture are zero."""
    group_bytes = channels * GROUP_BYTES
    row_bytes, offset = (groups + 2) * group_bytes, (group + 1) * group_bytes
    here = ring + (row % slots) * row_bytes + offset
    above, below = zero + group_bytes, zero + group_bytes
    if row > 0:
        above = ring + ((row - 1) % slots) * row_bytes + offset
    if row < rows - 1:
        below = ring + ((row + 1) % slots) * row_bytes + offset
    transform_input(above, here, below, group_bytes, channels, v, place, step)


@kernel
def multiply_block(rows, vectors, weights, v, v_step, channels, m, m_step):
    """One block of output channels: all 36 products."""
    if rows == ROWS:
        if vectors == VECTORS:
            multiply_rows(PLACES, weights, 4 * channels * ROWS, v, v_step, channels, m, m_step)
        else:
            multiply_rows_1(PLACES, weights, 4 * channels * ROWS, v, v_step, channels, m, m_step)
    elif vectors == VECTORS:
        multiply_few(PLACES, weights, 4 * channels * FEW, v, v_step, channels, m, m_step)
    else:
        multiply_few_1(PLACES, weights, 4 * channels * FEW, v, v_step, channels, m, m_step)


_transform_row, _multiply_block = transform_row.compiled, multiply_block.compiled


@kernel
def convolve_row(net, layer, row):
    """One row of tiles of one layer."""
    rows, groups, zero = word(net + TILE_ROWS), word(net + GROUPS), word(net + ZERO)
    v, m, masks = word(net + V), word(net + M), word(net + MASKS)
    channels, extra, outputs = word(layer + CHANNELS), word(layer + EXTRA_CHANNELS), word(layer + OUTPUTS)
    inputs = channels + extra
    target = word(layer + TARGET) + (row % word(layer + TARGET_SLOTS)) * (groups + 2) * outputs * GROUP_BYTES
    group = 0
    while group < groups:
        vectors = VECTORS if groups - group >= VECTORS else 1
        step = VECTOR_BYTES * vectors
        place = step * inputs + PAD
        for j in range(vectors):
            vj = v + VECTOR_BYTES * j
            _transform_row(
                word(layer + SOURCE), word(layer + SLOTS), channels, row, rows, groups, group + j, zero, vj, place, step
            )
            if extra > 0:
                ring, slots = word(layer + EXTRA), word(layer + EXTRA_SLOTS)
                vj += step * channels
                _transform_row(ring, slots, extra, row, rows, groups, group + j, zero, vj, place, step)
        done, weights = 0, word(layer + WEIGHTS)
        while done < outputs:
            size = ROWS if outputs - done > FEW else FEW
            m_step = size * step
            _multiply_block(size, vectors, weights, v, place, inputs, m, m_step)
            weights += 4 * PLACES * inputs * size
            for i in range(min(size, outputs - done)):
                for j in range(vectors):
                    to = target + ((group + j + 1) * outputs + done + i) * GROUP_BYTES
                    bias = word(layer + BIAS) + 4 * (done + i)
                    transform_output(m + i * step + VECTOR_BYTES * j, m_step, bias, word(layer + LIMITS), to)
            done += size
        for j in range(vectors):
            right, bottom = group + j == groups - 1, row == rows - 1
            if masks != 0 and (right or bottom):
                to = target + (group + j + 1) * outputs * GROUP_BYTES
                keep_inside(to, outputs, masks + (2 * bottom + right) * GROUP_BYTES)
        group += vectors
