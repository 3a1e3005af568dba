"""Linear layers on a panel of 64 tokens: packed weights times tokens, and what becomes of the result."""

from .. import cpu
from ..emit.pointwise import gelu
from ..emit.simd import I64, VECTOR_BYTES, Emitter
from ..emit.tiles import ROW, Float32, biases, tile
from .window import VECTORS

WIDE = cpu.target().vectors  # vectors of a tile
ROWS = cpu.target().rows
TILE = ROWS * ROW  # bytes of float32


def linear(e: Emitter, form: type[Float32], kind, w, bias, x, steps, y, tiles):
    """W x + b.

    Parameters
    ----------
    form : {Float32, BFloat16}
    kind : {"tokens", "weights", "floats", "residual"}
        What becomes of it: stored as tokens or as weights of another product, as float32, or added to the panel's
        patches.
    w, bias, x, y : value
        Addresses: packed weights, biases, tokens, result; for "residual" of the addresses of the panel's patches.
    steps, tiles : value
        Of the sum, and of ROWS rows of Y.
    """
    e.procedure(
        f"linear_{kind}_{form.__name__}",
        lambda e, *at: _linear(form(e), kind, *at),
        *(w, bias, x, steps, y, tiles),
    )


def _linear(operands, kind, w, bias, x, steps, y, tiles):
    e = operands.e
    taken = e.builder.mul(steps, e.integer(4 * ROWS))  # bytes of a tile's weights
    tile_bytes = TILE if kind == "floats" else TILE // operands.channels
    column_bytes = WIDE * VECTOR_BYTES // (operands.channels if kind == "weights" else 1)

    def tile_row(t, _):
        weights, start = e.at(w, (t, taken)), e.at(bias, (t, 4 * ROWS))

        def column(j, _):
            tokens = e.at(x, (j, WIDE * VECTOR_BYTES))
            sums = tile(operands, weights, tokens, ROW, steps, biases(e, start, ROWS, WIDE), ROWS, WIDE)
            if kind == "residual":
                _add_to_patches(e, sums, e.at(y, (j, WIDE * 8)), t)
            else:
                _store(operands, kind, sums, e.at(y, (t, tile_bytes), (j, column_bytes)))
            return []

        return column(e.integer(0), []) if WIDE == VECTORS else e.loop(VECTORS // WIDE, [], column)

    e.loop(tiles, [], tile_row)


def _add_to_patches(e, sums, patches, t):
    """Add the rows of tile t to as many vectors of tokens, whose addresses are at ``patches``."""
    for j in range(WIDE):
        patch = e.at(e.load(patches, 8 * j, I64, 8), (t, ROWS * VECTOR_BYTES))
        for i, value in enumerate(sums[j::WIDE]):
            e.store(e.add(e.load(patch, i * VECTOR_BYTES), value), patch, i * VECTOR_BYTES)


def _store(operands, kind, sums, address):
    if kind == "weights":
        return operands.store_weights(sums, WIDE, address)
    return (Float32(operands.e) if kind == "floats" else operands).store_tokens(sums, WIDE, address)


def gelu_tiles(e: Emitter, form: type[Float32], x, y, tiles):
    """Tiles of float32 through GELU, as tokens.

    Apart from the product: 16 polynomials at once need more registers than there are. Some tiles at a time: the chains
    of one alone would be waited for.

    Parameters
    ----------
    form : {Float32, BFloat16}
    x, y, tiles : value
        Addresses, and how many tiles.
    """
    e.procedure(f"gelu_{form.__name__}", lambda e, *at: _gelu(form(e), *at), x, y, tiles)


def _gelu(operands, x, y, tiles):
    e, channels = operands.e, operands.channels

    def row(t, _):
        here = e.at(x, (t, channels * ROW))
        places = [i * ROW + VECTOR_BYTES * j for i in range(channels) for j in range(VECTORS)]
        operands.store_tokens([gelu(e, e.load(here, place)) for place in places], VECTORS, e.at(y, (t, ROW)))
        return []

    e.loop(e.builder.mul(tiles, e.integer(ROWS // channels)), [], row)
