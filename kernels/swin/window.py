"""Where a window's tokens are: four patches of the feature map for every panel of 64, or a copy of its pixels.

A panel's x is four vectors of tokens a channel, each at an address of its own that is kept in the scratch; a channel's
next is VECTOR_BYTES further. Windows that do not consist of patches (7 x 7) are gathered pixel by pixel into patches of
the scratch, and written back behind the block.
"""

from ..emit.simd import F32, I64, VECTOR_BYTES, Emitter

PANEL = 64  # tokens
VECTORS = PANEL // 16


def point_at_patches(e: Emitter, layer, place, scratch, top, left):
    """Take the patches where they are: windows modulo the map, which is the cyclic shift.

    Parameters
    ----------
    layer, place : namespace
        Registers of LAYER and PLACE.
    scratch : value
    top, left : value
        The window's first pixel in the map, before the modulo.
    """
    builder, four = e.builder, e.integer(4)
    across = builder.sdiv(place.window, four)

    def patch(i, _):
        block_row = builder.srem(e.at(builder.sdiv(top, four), builder.sdiv(i, across)), place.block_rows)
        block_column = builder.srem(e.at(builder.sdiv(left, four), builder.srem(i, across)), place.block_columns)
        block = e.at(block_column, (block_row, place.block_columns))
        _set(e, layer, scratch, i, e.at(place.map, (block, layer.channels, VECTOR_BYTES)))
        return []

    e.loop(place.patches, [], patch)


def _set(e, layer, scratch, i, address):
    """Let patch i of the window be at an address."""
    panel, vector = e.builder.sdiv(i, e.integer(VECTORS)), e.builder.srem(i, e.integer(VECTORS))
    e.store(address, e.at(scratch, layer.x, (panel, layer.panel_bytes), (vector, 8)))


def gather(e: Emitter, layer, place, scratch, top, left):
    """Copy the window's pixels into patches of the scratch; what no token fills is zero."""
    _offsets(e, layer, place, scratch, top, left)

    def patch(i, _):
        address = _gathered(e, layer, scratch, i)
        _set(e, layer, scratch, i, address)
        clear = e.builder.sdiv(layer.gathered_bytes, e.integer(VECTOR_BYTES))
        e.loop(clear, [], lambda c, _: e.store(e.constant(0), e.at(address, (c, VECTOR_BYTES))) or [])
        return []

    e.loop(e.builder.mul(place.panels, e.integer(VECTORS)), [], patch)
    _pixels(e, layer, place, scratch, lambda pixel, lane: e.store(e.load(pixel, 0, F32), lane))


def scatter(e: Emitter, layer, place, scratch):
    """Write what was gathered back."""
    _pixels(e, layer, place, scratch, lambda pixel, lane: e.store(e.load(lane, 0, F32), pixel))


def _gathered(e, layer, scratch, i):
    """Address of the window's i-th patch in the scratch."""
    panel, vector = e.builder.sdiv(i, e.integer(VECTORS)), e.builder.srem(i, e.integer(VECTORS))
    return e.at(scratch, layer.gathered, (panel, layer.panel_bytes), (vector, layer.gathered_bytes))


def _offsets(e, layer, place, scratch, top, left):
    """Where in the map the window's pixels are, row by row."""
    builder, four = e.builder, e.integer(4)

    def token(t, _):
        y = builder.srem(e.at(top, builder.sdiv(t, place.window)), place.height)
        x = builder.srem(e.at(left, builder.srem(t, place.window)), place.width)
        block = e.at(builder.sdiv(x, four), (builder.sdiv(y, four), place.block_columns))
        lane = e.at(builder.srem(x, four), (builder.srem(y, four), 4))
        offset = e.at(0, (block, layer.channels, VECTOR_BYTES), (lane, 4))
        e.store(offset, e.at(scratch, place.offsets, (t, 8)))
        return []

    e.loop(place.tokens, [], token)


def _pixels(e, layer, place, scratch, copy):
    """Run copy(address in the map, address in the scratch) for every pixel of the window and every channel."""

    def token(t, _):
        patch, lane = e.builder.sdiv(t, e.integer(16)), e.builder.srem(t, e.integer(16))
        pixel = e.at(place.map, e.load(e.at(scratch, place.offsets, (t, 8)), 0, I64, 8))
        target = e.at(_gathered(e, layer, scratch, patch), (lane, 4))
        step = VECTOR_BYTES
        e.loop(layer.channels, [], lambda c, _: copy(e.at(pixel, (c, step)), e.at(target, (c, step))) or [])
        return []

    e.loop(place.tokens, [], token)
