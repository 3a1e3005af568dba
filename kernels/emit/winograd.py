"""Winograd's minimal filtering F(4x4, 3x3): 36 products for 16 outputs of a 3x3 convolution instead of 144.

Y = A^T [ (G g G^T) . (B^T d B) ] A for a 6x6 patch d of the input, summed over input channels before the last step.
Every vector holds one place of 16 neighbouring tiles, so the transforms B and A are plain additions of vectors, and the
sums over channels are 36 matrix products, one for each place of the transformed patch.

Tiles are fixed to the picture's corner, so that an output is computed by the same operations whatever band or group it
falls into.

References
----------
A. Lavin, S. Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, section 4.1. arXiv:1509.09308
"""

import numpy as np

from ...refimpl.numerics.winograd import G
from .. import cpu
from .lanes import GROUP_BYTES, LEFT, RIGHT, TILE
from .simd import VECTOR_BYTES, Emitter, emitted
from .tiles import Float32, tile

PATCH = 6
PLACES = PATCH * PATCH
WIDE = cpu.target().name == "avx512"
VECTORS = 2 if WIDE else 1  # groups side by side in a matrix product
ROWS, FEW = (8, 4) if WIDE else (6, 2)  # output channels of a product; their 36 sums stay in the nearest cache
PAD = VECTOR_BYTES  # between the 36 matrices: at a multiple of 4096 they would share one set of the nearest cache


def blocks(outputs: int) -> list[int]:
    """Rows of the matrix products that make so many output channels."""
    whole, rest = divmod(outputs, ROWS)
    return [ROWS] * whole + ([] if not rest else [FEW] if rest <= FEW else [ROWS])


def packed_size(outputs: int, channels: int) -> int:
    """Floats that `pack` makes of a bank of kernels."""
    return PLACES * channels * sum(blocks(outputs))


def pack(weight: np.ndarray) -> np.ndarray:
    """Transform a bank of 3x3 kernels and order it as the products read it.

    Parameters
    ----------
    weight : ndarray, (O, C, 3, 3)

    Returns
    -------
    ndarray
        float32, block after block of output channels, in each (36, C, rows); rows past O are zero.
    """
    transformed = np.einsum("ua,ocab,wb->uwco", G, weight.astype(np.float64), G)  # (6, 6, C, O)
    return pack_matrices(transformed.reshape(PLACES, *transformed.shape[2:]))


def pack_matrices(matrices: np.ndarray) -> np.ndarray:
    """Order (n, C, O) matrices as the products read them: block after block of outputs, each (n, C, rows)."""
    parts, start = [], 0
    for rows in blocks(matrices.shape[-1]):
        part = np.zeros((*matrices.shape[:2], rows), np.float32)
        here = matrices[..., start : start + rows]
        part[..., : here.shape[-1]] = here
        parts.append(part.ravel())
        start += rows
    return np.concatenate(parts)


def input_step(e: Emitter, d):
    """B^T d of six vectors."""
    c = e.constant
    even, odd = e.fma(d[2], c(-4), d[4]), e.fma(d[1], c(-4), d[3])
    near, far = e.sub(d[4], d[2]), e.sub(d[3], d[1])
    first = e.fma(d[0], c(4), e.fma(d[2], c(-5), d[4]))
    last = e.fma(d[1], c(4), e.fma(d[3], c(-5), d[5]))
    return [first, e.add(even, odd), e.sub(even, odd), e.fma(far, c(2), near), e.fma(far, c(-2), near), last]


def output_step(e: Emitter, m):
    """A^T m of six vectors."""
    c = e.constant
    sum1, difference1, sum2, difference2 = e.add(m[1], m[2]), e.sub(m[1], m[2]), e.add(m[3], m[4]), e.sub(m[3], m[4])
    first, last = e.add(e.add(m[0], sum1), sum2), e.add(e.fma(difference2, c(8), difference1), m[5])
    return [first, e.fma(difference2, c(2), difference1), e.fma(sum2, c(4), sum1), last]


def patch(e: Emitter, rows, group, row, column):
    """One place of the 6x6 patches: ``rows`` are addresses of a channel in the rows of tiles above, here and below."""
    which, i = divmod(row + TILE - 1, TILE)
    here = rows[which]
    places = VECTOR_BYTES * TILE * i
    if column == 0:
        at = places + VECTOR_BYTES * (TILE - 1)
        return e.shuffle(e.load(e.builder.sub(here, group), at), e.load(here, at), LEFT)
    if column == PATCH - 1:
        return e.shuffle(e.load(here, places), e.load(e.at(here, group), places), RIGHT)
    return e.load(here, places + VECTOR_BYTES * (column - 1))


@emitted
def transform_input(e: Emitter, above, here, below, group, channels, v, place, channel):
    """B^T d B of one group: channels x 36 vectors, ``place`` and ``channel`` bytes apart."""

    def one(k, _):
        rows = [e.at(row, (k, GROUP_BYTES)) for row in (above, here, below)]
        columns = [input_step(e, [patch(e, rows, group, r, c) for r in range(PATCH)]) for c in range(PATCH)]
        target = e.at(v, (k, channel))
        for u in range(PATCH):
            for w, value in enumerate(input_step(e, [column[u] for column in columns])):
                e.store(value, e.at(target, (place, PATCH * u + w)))
        return []

    e.loop(channels, [], one)


def product(rows: int, vectors: int):
    """A function that multiplies ``count`` weight matrices of rows x K with K x vectors of tiles."""

    @emitted
    def multiply(e: Emitter, count, weights, weights_step, v, v_step, channels, m, m_step):
        def one(x, _):
            start = [e.constant(0)] * (rows * vectors)
            w, tokens, target = e.at(weights, (x, weights_step)), e.at(v, (x, v_step)), e.at(m, (x, m_step))
            sums = tile(Float32(e), w, tokens, VECTOR_BYTES * vectors, channels, start, rows, vectors)
            for i, value in enumerate(sums):
                e.store(value, target, VECTOR_BYTES * i)
            return []

        e.loop(count, [], one)

    return multiply


multiply_rows, multiply_few = product(ROWS, VECTORS), product(FEW, VECTORS)
multiply_rows_1, multiply_few_1 = product(ROWS, 1), product(FEW, 1)


def outputs_of(e: Emitter, m, place, bias):
    """A^T m A + bias: the 16 places of a tile."""
    columns = [output_step(e, [e.load(e.at(m, (place, PATCH * u + w))) for u in range(PATCH)]) for w in range(PATCH)]
    bias = e.broadcast(bias)
    return [e.add(x, bias) for i in range(TILE) for x in output_step(e, [column[i] for column in columns])]


def limited(e: Emitter, x, limits):
    """What follows a convolution: ``limits`` are the slope below zero, at most 1, and the upper end."""
    rectified = e.maximum(x, e.fma(x, e.broadcast(limits), e.constant(0)))  # the sum turns -0 into 0
    return e.minimum(e.broadcast(limits, 4), rectified)  # in this order NaN stays NaN


@emitted
def transform_output(e: Emitter, m, place, bias, limits, target):
    """One channel of a group."""
    for i, x in enumerate(outputs_of(e, m, place, bias)):
        e.store(limited(e, x, limits), target, VECTOR_BYTES * i)
