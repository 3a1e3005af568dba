"""The parts of a Swin Transformer block on one window, 64 tokens (a panel) at a time, in float32 or bfloat16.

Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", ICCV 2021. arXiv:2103.14030

Rows of 64 tokens have 256 bytes everywhere; windows of more tokens are several panels. Scores are computed transposed,
S[j][i] of key j and query i, so that the softmax over keys goes down the rows and the queries stay in the lanes.
"""

from . import cpu
from .pointwise import exp2, gelu
from .simd import VECTOR_BYTES, Emitter
from .tiles import ROW, BFloat16, Float32, biases, tile

PANEL = 64  # tokens
VECTORS = PANEL // 16
WIDE = cpu.target().vectors[0]  # vectors of a tile of a linear layer
ROWS = cpu.target().rows
# of the scores' tile and of the weighted sum's: more rows instead of vectors, as softmax visits the scores of few queries
QUERIES, KEYS, VALUE_ROWS = (2, 8, (10, 8, 6)) if WIDE == 4 else (1, 4, (6,))
SCORE_ROW = QUERIES * VECTOR_BYTES


def linear(operands: Float32, w, bias, x, steps, y, tiles, finish):
    """``finish`` every tile of W x + b of one panel.

    Parameters
    ----------
    w, bias, x, y : value
        Addresses: packed weights, biases, tokens of ``steps`` steps, and where finish(sums, address) puts a tile.
    steps, tiles : value
        Of the sum, and of ROWS rows of Y.
    """
    e = operands.e
    taken = e.builder.mul(steps, e.integer(4 * ROWS))  # bytes of one tile's weights

    def tile_row(t, _):
        weights, start = e.at(w, (t, taken)), e.at(bias, (t, 4 * ROWS))
        out = e.at(y, (t, ROWS * ROW // finish.channels))

        def columns(j, _):
            here = e.at(x, (j, WIDE * VECTOR_BYTES))
            sums = tile(operands, weights, here, ROW, steps, biases(e, start, ROWS, WIDE), ROWS, WIDE)
            finish(sums, e.at(out, (j, finish.step)))
            return []

        if WIDE == VECTORS:
            return columns(e.integer(0), [])
        return e.loop(VECTORS // WIDE, [], columns)

    e.loop(tiles, [], tile_row)


class Finish:
    """What becomes of a linear layer's tile: stored as tokens or weights, or added to what is there."""

    def __init__(self, operands, kind):
        self.operands, self.kind = operands, kind
        self.channels = 1 if kind == "residual" else operands.channels
        # weights in bfloat16 are half as wide, not paired
        self.step = WIDE * VECTOR_BYTES // (operands.channels if kind == "weights" else 1)

    def __call__(self, sums, address):
        e = self.operands.e
        if self.kind == "gelu":
            sums = [gelu(e, value) for value in sums]
        if self.kind == "residual":
            places = [i // WIDE * ROW + i % WIDE * VECTOR_BYTES for i in range(len(sums))]
            for value, place in zip(sums, places, strict=True):
                e.store(e.add(e.load(address, place), value), address, place)
        elif self.kind == "weights":
            self.operands.store_weights(sums, WIDE, address)
        else:
            self.operands.store_tokens(sums, WIDE, address)


def layer_norm(operands: Float32, x, channels, scale, eps, y):
    """(x - mean) / sqrt(variance + eps) of one panel; weight and bias are in the layer that follows.

    Parameters
    ----------
    x, y : value
        Addresses: rows of float32, and tokens as ``operands`` reads them.
    channels : value
    scale, eps : value
        Addresses of 1 / channels and of eps, float32.
    """
    e = operands.e
    each = range(VECTORS)

    def row(k):
        return [e.load(e.at(x, (k, ROW)), VECTOR_BYTES * j) for j in each]

    zero = [e.constant(0)] * VECTORS
    share = e.broadcast(scale)
    sums = e.loop(channels, zero, lambda k, a: [e.add(a[j], v) for j, v in enumerate(row(k))])
    mean = [e.mul(value, share) for value in sums]

    def squares(k, a):
        apart = [e.sub(v, mean[j]) for j, v in enumerate(row(k))]
        return [e.fma(apart[j], apart[j], a[j]) for j in each]

    spread = e.loop(channels, zero, squares)
    one, eps = e.constant(1), e.broadcast(eps)
    inverse = [e.builder.fdiv(one, e.sqrt(e.fma(value, share, eps))) for value in spread]

    def normalised(k):
        return [e.mul(e.sub(v, mean[j]), inverse[j]) for j, v in enumerate(row(k))]

    def write(k, _):
        first = e.builder.mul(k, e.integer(operands.channels))
        values = [v for c in range(operands.channels) for v in normalised(e.at(first, c))]
        operands.store_tokens(values, VECTORS, e.at(y, (k, ROW)))
        return []

    pairs = e.builder.sdiv(e.at(channels, operands.channels - 1), e.integer(operands.channels))
    e.loop(pairs, [], write)


def scores(operands: Float32, k, q, steps, bias, s, panel_bytes, panels):
    """S = K^T q + bias for QUERIES vectors of queries; returns their largest scores.

    Parameters
    ----------
    k, q : value
        Addresses, paired as ``operands`` has them; q at its first query.
    bias : value
        Address of a row for every key, ROW bytes apart.
    s : value
        Address, rows of SCORE_ROW bytes.
    panel_bytes : value
        From one panel of keys to the next.
    """
    e = operands.e

    def rows(t, largest):
        panel = e.builder.sdiv(t, e.integer(PANEL // KEYS))
        inside = e.builder.srem(t, e.integer(PANEL // KEYS))
        keys = e.at(k, (panel, panel_bytes), (inside, 4 * KEYS))
        at = e.at(bias, (t, KEYS * ROW))
        start = [e.load(at, i * ROW + VECTOR_BYTES * j) for i in range(KEYS) for j in range(QUERIES)]
        sums = tile(operands, keys, q, ROW, steps, start, KEYS, QUERIES, w_step=ROW)
        for i, value in enumerate(sums):
            e.store(value, e.at(s, (t, KEYS * SCORE_ROW)), i * VECTOR_BYTES)
        for j in range(QUERIES):
            column = sums[j::QUERIES]
            while len(column) > 1:  # as a tree: the shorter chain of dependent instructions
                column = [e.maximum(a, b) for a, b in zip(column[::2], column[1::2], strict=True)]
            largest[j] = e.maximum(largest[j], column[0])
        return largest

    tiles = e.builder.mul(panels, e.integer(PANEL // KEYS))
    return e.loop(tiles, [e.constant(-3e38)] * QUERIES, rows)


def exponentials(operands: Float32, s, largest, panels, p):
    """P = 2^(S - largest), as tokens; returns 1 / their sums. In float32 P may be S."""
    e = operands.e

    def rows(t, sums):
        at = e.at(s, (t, 2 * SCORE_ROW))
        values = [
            exp2(e, e.sub(e.load(at, i * SCORE_ROW + VECTOR_BYTES * j), largest[j])) for i in (0, 1) for j in range(QUERIES)
        ]
        operands.store_tokens(values, QUERIES, e.at(p, (t, 2 * SCORE_ROW // operands.channels)), SCORE_ROW)
        return [e.add(total, value) for total, value in zip(sums, values, strict=True)]

    pairs = e.builder.mul(panels, e.integer(PANEL // 2))
    sums = e.loop(pairs, [e.constant(0)] * (2 * QUERIES), rows)
    return [e.builder.fdiv(e.constant(1), e.add(sums[j], sums[QUERIES + j])) for j in range(QUERIES)]


def weighted_sum(operands: Float32, v, p, inverse, o, panel_bytes, panels, tiles, rows):
    """O = V P / sums, ``rows`` channels of the values at a time.

    Rows beyond the head's last are written too: the next head, or nobody, needs the place.
    """
    e = operands.e
    v_row = ROW // operands.channels

    def tile_row(t, _):
        start = [e.constant(0)] * (rows * QUERIES)
        values = e.at(v, (t, rows * v_row))

        def panel(n, sums):
            weights, tokens = e.at(values, (n, panel_bytes)), e.at(p, (n, PANEL // operands.channels * SCORE_ROW))
            steps = PANEL // operands.channels
            return tile(operands, weights, tokens, SCORE_ROW, steps, sums, rows, QUERIES, w_step=4, w_row=v_row)

        sums = e.loop(panels, start, panel)
        scaled = [e.mul(value, inverse[i % QUERIES]) for i, value in enumerate(sums)]
        operands.store_tokens(scaled, QUERIES, e.at(o, (t, rows * ROW // operands.channels)))
        return []

    e.loop(tiles, [], tile_row)
