"""Where a window's tokens are: four patches of the feature map for every panel of 64, or a copy of its pixels.

A panel's x is four vectors of tokens a channel, each at an address of its own that is kept in the scratch; a channel's
next is VECTOR_BYTES further. Windows that do not consist of patches (7 x 7) are gathered pixel by pixel into patches of
the scratch, and written back behind the block.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from ..emit.simd import F32, I64, LANES, VECTOR_BYTES, Emitter
from ..emit.tiles import Float32

PANEL = 64  # tokens
VECTORS = PANEL // LANES


@dataclass(frozen=True)
class Window:
    """What the parts of a block are emitted for.

    Attributes
    ----------
    e : Emitter
    form : {Float32, BFloat16}
    layer, place : namespace
        Registers of LAYER and PLACE.
    scratch : value
        Address of this thread's memory.
    row, column : value
        Which window.
    """

    e: Emitter
    form: type[Float32]
    layer: SimpleNamespace
    place: SimpleNamespace
    scratch: Any
    row: Any
    column: Any

    def panels(self, body: Callable):
        """Run body(address of the panel's scratch) for every panel."""
        step = self.layer.panel_bytes
        self.e.loop(self.place.panels, [], lambda n, _: body(self.e.at(self.scratch, (n, step))) or [])

    def patch(self, i, start, step):
        """Address of something of the window's i-th patch: ``step`` bytes a patch, from ``start`` in its panel."""
        panel, vector = self.e.builder.sdiv(i, self.e.integer(VECTORS)), self.e.builder.srem(i, self.e.integer(VECTORS))
        return self.e.at(self.scratch, start, (panel, self.layer.panel_bytes), (vector, step))

    def set_patch(self, i, address):
        """Let the window's i-th patch be at an address."""
        self.e.store(address, self.patch(i, self.layer.x, 8))

    def gathered(self, i):
        """Address of the i-th patch of a window that was gathered."""
        return self.patch(i, self.layer.gathered, self.layer.gathered_bytes)

    @property
    def corner(self):
        """The window's first pixel in the map, before the modulo."""
        return [self.e.at(self.place.shift, (index, self.place.window)) for index in (self.row, self.column)]


def point_at_patches(w: Window):
    """Take the patches where they are: windows modulo the map, which is the cyclic shift."""
    e, place, builder, four = w.e, w.place, w.e.builder, w.e.integer(4)
    across = builder.sdiv(place.window, four)
    top, left = (builder.sdiv(pixel, four) for pixel in w.corner)

    def patch(i, _):
        block_row = builder.srem(e.at(top, builder.sdiv(i, across)), place.block_rows)
        block_column = builder.srem(e.at(left, builder.srem(i, across)), place.block_columns)
        block = e.at(block_column, (block_row, place.block_columns))
        w.set_patch(i, e.at(place.map, (block, w.layer.channels, VECTOR_BYTES)))
        return []

    e.loop(place.patches, [], patch)


def gather(w: Window):
    """Copy the window's pixels into patches of the scratch; what no token fills is zero."""
    e = w.e
    _offsets(w)

    def patch(i, _):
        address = w.gathered(i)
        w.set_patch(i, address)
        vectors = e.builder.sdiv(w.layer.gathered_bytes, e.integer(VECTOR_BYTES))
        e.loop(vectors, [], lambda c, _: e.store(e.constant(0), e.at(address, (c, VECTOR_BYTES))) or [])
        return []

    e.loop(e.builder.mul(w.place.panels, e.integer(VECTORS)), [], patch)
    _pixels(w, lambda pixel, lane: e.store(e.load(pixel, 0, F32), lane))


def scatter(w: Window):
    """Write what was gathered back."""
    _pixels(w, lambda pixel, lane: w.e.store(w.e.load(lane, 0, F32), pixel))


def _offsets(w: Window):
    """Where in the map the window's pixels are, row by row."""
    e, place, builder, four = w.e, w.place, w.e.builder, w.e.integer(4)
    top, left = w.corner

    def token(t, _):
        y = builder.srem(e.at(top, builder.sdiv(t, place.window)), place.height)
        x = builder.srem(e.at(left, builder.srem(t, place.window)), place.width)
        block = e.at(builder.sdiv(x, four), (builder.sdiv(y, four), place.block_columns))
        lane = e.at(builder.srem(x, four), (builder.srem(y, four), 4))
        offset = e.at(0, (block, w.layer.channels, VECTOR_BYTES), (lane, 4))
        e.store(offset, e.at(w.scratch, place.offsets, (t, 8)))
        return []

    e.loop(place.tokens, [], token)


def _pixels(w: Window, copy: Callable):
    """Run copy(address in the map, address in the scratch) for every pixel of the window and every channel."""
    e, step = w.e, VECTOR_BYTES

    def token(t, _):
        patch, lane = e.builder.sdiv(t, e.integer(LANES)), e.builder.srem(t, e.integer(LANES))
        pixel = e.at(w.place.map, e.load(e.at(w.scratch, w.place.offsets, (t, 8)), 0, I64, 8))
        target = e.at(w.gathered(patch), (lane, 4))
        e.loop(w.layer.channels, [], lambda c, _: copy(e.at(pixel, (c, step)), e.at(target, (c, step))) or [])
        return []

    e.loop(w.place.tokens, [], token)
