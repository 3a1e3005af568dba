"""Attention of one head on one window, for a few vectors of queries at a time.

Scores are computed transposed, S[j][i] of key j and query i: the softmax over keys goes down the rows, and the queries
stay in the lanes. Everything of one call lies in the first cache: 64 keys x 32 queries are 8 KB.
"""

from ..emit.pointwise import exp2
from ..emit.simd import VECTOR_BYTES, Emitter
from ..emit.tiles import ROW, Float32, tile
from .linear import WIDE
from .window import PANEL

# vectors of queries, keys of a tile of scores, values of a tile of the weighted sum: what the registers hold
QUERIES, KEYS, VALUE_ROWS = (2, 8, (10, 8, 6)) if WIDE == 4 else (1, 4, (6,))
SCORE_ROW = QUERIES * VECTOR_BYTES


def attend(e: Emitter, form: type[Float32], rows, *values):
    """O = V softmax(K^T q + bias) of QUERIES vectors of queries.

    Parameters
    ----------
    form : {Float32, BFloat16}
    rows : int
        One of VALUE_ROWS: channels of the values at a time.
    *values : value
        See `_attend`.
    """
    e.procedure(f"attend_{rows}_{form.__name__}", lambda e, *at: _attend(form(e), rows, *at), *values)


def _attend(operands, rows, q, k, v, bias, o, s, p, steps, panel_bytes, panels, tiles):
    """The parts in turn.

    Parameters
    ----------
    q, k, v, bias, o, s, p : value
        Addresses: queries and keys (tokens), values (weights), a row of biases for every key, the result (tokens); room
        for scores and for weights, rows of SCORE_ROW bytes. ``p`` may be ``s`` in float32.
    steps : value
        Of the sums over a head's channels.
    panel_bytes, panels, tiles : value
        From one panel of keys to the next, how many of them, and how many tiles of values.
    """
    largest = _scores(operands, k, q, steps, bias, s, panel_bytes, panels)
    inverse = _exponentials(operands, s, largest, panels, p)
    _weighted_sum(operands, v, p, inverse, o, panel_bytes, panels, tiles, rows)


def _scores(operands, k, q, steps, bias, s, panel_bytes, panels):
    """S = K^T q + bias for QUERIES vectors of queries; returns their largest scores.

    Parameters
    ----------
    k, q : value
        Addresses, paired as ``operands`` has them; q at its first query.
    bias : value
        Address of a row of SCORE_ROW bytes for every key.
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
        at = e.at(bias, (t, KEYS * SCORE_ROW))
        start = [e.constant(0)] * (KEYS * QUERIES)
        sums = tile(operands, keys, q, ROW, steps, start, KEYS, QUERIES, w_step=ROW)
        # biases come from afar: added at the end, nothing waits for them
        sums = [e.add(value, e.load(at, i * VECTOR_BYTES)) for i, value in enumerate(sums)]
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


def _exponentials(operands, s, largest, panels, p):
    """P = 2^(S - largest), as tokens; returns 1 / their sums. In float32 P may be S."""
    e = operands.e

    def rows(t, sums):
        at = e.at(s, (t, 2 * SCORE_ROW))
        values = [
            exp2(e, e.sub(e.load(at, i * SCORE_ROW + VECTOR_BYTES * j), largest[j]))
            for i in (0, 1)
            for j in range(QUERIES)
        ]
        operands.store_tokens(values, QUERIES, e.at(p, (t, 2 * SCORE_ROW // operands.channels)), SCORE_ROW)
        return [e.add(total, value) for total, value in zip(sums, values, strict=True)]

    pairs = e.builder.mul(panels, e.integer(PANEL // 2))
    sums = e.loop(pairs, [e.constant(0)] * (2 * QUERIES), rows)
    return [e.builder.fdiv(e.constant(1), e.add(sums[j], sums[QUERIES + j])) for j in range(QUERIES)]


def _weighted_sum(operands, v, p, inverse, o, panel_bytes, panels, tiles, rows):
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
