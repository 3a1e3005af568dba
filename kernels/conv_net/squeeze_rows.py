"""The last layer of the x1.5 network: a 1x1 convolution over pixels 2x2, and the strided one of the input beside it.

Both read 2x2 pixels per output, and a tile holds four outputs: their inputs are gathered as one matrix each.
"""

from ..cache import kernel
from ..emit.lanes import GROUP_BYTES, TILE, copy_vectors, shift_vector
from ..emit.simd import VECTOR_BYTES, Emitter, emitted, word
from ..emit.winograd import FEW, ROWS, VECTORS, limited, multiply_few, multiply_rows
from .records import (
    BIAS,
    CHANNELS,
    EXTRA,
    EXTRA_CHANNELS,
    EXTRA_SLOTS,
    GROUPS,
    LIMITS,
    OUTPUTS,
    SLOTS,
    SOURCE,
    TARGET,
    WEIGHTS,
    ZERO,
    M,
    V,
)

OUTPUT_PLACES = 4


@emitted
def finish_vector(e: Emitter, m, bias, limits, target):
    """Bias and limits of one vector."""
    e.store(limited(e, e.add(e.load(m), e.broadcast(bias)), limits), target)


@kernel
def gather_pixels(here, channels, p, q, target, step):
    """2x2 pixels of every channel, each a row of the matrix; (p, q) is the output's place in the tile."""
    for k in range(4 * channels):
        place = (2 * p + k // 2 % 2) * TILE + 2 * q + k % 2
        copy_vectors(here + (k // 4) * GROUP_BYTES + place * VECTOR_BYTES, target + k * step, 1)


@kernel
def gather_taps(here, above, group_bytes, channels, p, q, target, step):
    """3x3 pixels around pixel (2p, 2q) of every channel."""
    for k in range(9 * channels):
        i, j = 2 * p - 1 + k // 3 % 3, 2 * q - 1 + k % 3
        line = (here if i >= 0 else above) + (k // 9) * GROUP_BYTES + (i % TILE) * TILE * VECTOR_BYTES
        if j >= 0:
            copy_vectors(line + j * VECTOR_BYTES, target + k * step, 1)
        else:
            line += (TILE - 1) * VECTOR_BYTES
            shift_vector(line - group_bytes, line, target + k * step)


_gather_pixels, _gather_taps = gather_pixels.compiled, gather_taps.compiled


@kernel
def squeeze_row(net, layer, row):
    """One row of tiles: 2x2 outputs of each."""
    groups, v, m = word(net + GROUPS), word(net + V), word(net + M)
    channels, taps, outputs = word(layer + CHANNELS), word(layer + EXTRA_CHANNELS), word(layer + OUTPUTS)
    slots, extra_slots = word(layer + SLOTS), word(layer + EXTRA_SLOTS)
    inputs, step = 4 * channels + 9 * taps, VECTOR_BYTES * VECTORS
    for group in range(groups):
        here = word(layer + SOURCE) + ((row % slots) * (groups + 2) + group + 1) * channels * GROUP_BYTES
        extra, group_bytes = word(layer + EXTRA), taps * GROUP_BYTES
        beside, above = extra, word(net + ZERO) + group_bytes
        if taps > 0:
            beside = extra + ((row % extra_slots) * (groups + 2) + group + 1) * group_bytes
            if row > 0:
                above = extra + (((row - 1) % extra_slots) * (groups + 2) + group + 1) * group_bytes
        for n in range(OUTPUT_PLACES):
            to = v + (n // VECTORS * inputs * VECTORS + n % VECTORS) * VECTOR_BYTES
            _gather_pixels(here, channels, n // 2, n % 2, to, step)
            _gather_taps(beside, above, group_bytes, taps, n // 2, n % 2, to + 4 * channels * step, step)
        done, weights = 0, word(layer + WEIGHTS)
        while done < outputs:
            size = ROWS if outputs - done > FEW else FEW
            if size == ROWS:
                multiply_rows(OUTPUT_PLACES // VECTORS, weights, 0, v, inputs * step, inputs, m, size * step)
            else:
                multiply_few(OUTPUT_PLACES // VECTORS, weights, 0, v, inputs * step, inputs, m, size * step)
            for i in range(min(size, outputs - done)):
                to = word(layer + TARGET) + ((group + 1) * outputs + done + i) * OUTPUT_PLACES * VECTOR_BYTES
                bias = word(layer + BIAS) + 4 * (done + i)
                for n in range(OUTPUT_PLACES):
                    product = m + (n // VECTORS * size + i) * step + n % VECTORS * VECTOR_BYTES
                    finish_vector(product, bias, word(layer + LIMITS), to + n * VECTOR_BYTES)
            weights += 4 * inputs * size
            done += size
