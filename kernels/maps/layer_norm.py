"""LayerNorm over the channels of a feature map ``A[H/4][W/4][C][16]``, in place."""

from ...refimpl.models.swin_blocks import EPS
from ..cache import kernel
from ..emit.simd import VECTOR_BYTES, Emitter, Record, emitted
from ..memory import address, copied
from ..threads import run_each

BLOCKS = 4  # beside each other: their sums are independent, and one waits less for another
NORM = Record("map channels block_columns weight bias share eps")


def norm_row(e: Emitter, norm, row):
    """(x - mean) / sqrt(variance + eps) weight + bias for all blocks of a row.

    Parameters
    ----------
    norm : value
        Address of packed NORM.
    row : value
    """
    norm = NORM.read(e, norm)
    block = e.builder.mul(norm.channels, e.integer(VECTOR_BYTES))
    start = e.at(norm.map, (row, norm.block_columns, block))
    last = e.at(norm.block_columns, -1)

    def some(group, _):
        # beyond the last block the last one again: reads come before writes, and both are equal
        columns = [e.least(e.at(j, (group, BLOCKS)), last) for j in range(BLOCKS)]
        blocks = [e.at(start, (column, block)) for column in columns]
        e.procedure("map_norm", _norm, *blocks, norm.channels, norm.weight, norm.bias, norm.share, norm.eps)
        return []

    groups = e.builder.sdiv(e.at(norm.block_columns, BLOCKS - 1), e.integer(BLOCKS))
    e.loop(groups, [], some)


def _norm(e, *values):
    blocks, (channels, weight, bias, share, eps) = values[:BLOCKS], values[BLOCKS:]
    zero, share = [e.constant(0)] * BLOCKS, e.broadcast(share)

    def row(c):
        return [e.load(e.at(block, (c, VECTOR_BYTES))) for block in blocks]

    sums = e.loop(channels, zero, lambda c, a: [e.add(total, v) for total, v in zip(a, row(c), strict=True)])
    mean = [e.mul(total, share) for total in sums]

    def squares(c, a):
        apart = [e.sub(v, m) for v, m in zip(row(c), mean, strict=True)]
        return [e.fma(d, d, total) for d, total in zip(apart, a, strict=True)]

    eps = e.broadcast(eps)
    inverse = [
        e.builder.fdiv(e.constant(1), e.sqrt(e.fma(total, share, eps))) for total in e.loop(channels, zero, squares)
    ]

    def write(c, _):
        gain, offset = e.broadcast(e.at(weight, (c, 4))), e.broadcast(e.at(bias, (c, 4)))
        for block, value, m, factor in zip(blocks, row(c), mean, inverse, strict=True):
            e.store(e.fma(e.mul(e.sub(value, m), factor), gain, offset), e.at(block, (c, VECTOR_BYTES)))
        return []

    e.loop(channels, [], write)


@emitted
def _norm_row(e, norm, row):
    norm_row(e, norm, row)


@kernel
def map_norm_row(norm, row):
    """`norm_row`."""
    _norm_row(norm, row)


class MapNorm:
    """LayerNorm with its weight and bias, of all pixels of a map."""

    name = "LayerNorm"

    def __init__(self, weight, bias, eps=EPS):
        self.weight, self.bias = copied(weight), copied(bias)
        self.numbers = copied([1 / len(self.weight), eps])

    def __call__(self, feature_map, threads=1):
        """In place; feature_map is (H/4, W/4, C, 16)."""
        words = NORM.pack(
            map=address(feature_map),
            channels=len(self.weight),
            block_columns=feature_map.shape[1],
            weight=address(self.weight),
            bias=address(self.bias),
            share=address(self.numbers),
            eps=address(self.numbers) + 4,
        )

        def one(row, thread):
            map_norm_row(address(words), row)

        run_each(threads, len(feature_map), one)
