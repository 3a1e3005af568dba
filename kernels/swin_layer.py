"""One Swin Transformer block, fused: every window is read once, taken through attention and MLP, and written back.

The feature map is ``A[H/4][W/4][C][16]``: a vector is the 4 x 4 patch of pixels of one channel. A window of 8 x 8,
shifted by 4 or not, is four whole patches: no partition, no roll, no gather; the shift is which patches a window takes,
modulo the map. Windows that do not consist of patches (7 x 7) are gathered pixel by pixel into the same panels of 64
tokens.
"""

from .attention import QUERIES, SCORE_ROW, VALUE_ROWS, attend
from .cache import kernel
from .layer_norm import layer_norm
from .linear import PANEL, VECTORS, linear
from .simd import F32, I64, VECTOR_BYTES, Emitter, Record, emitted
from .tiles import ROW, BFloat16, Float32

PARTS = VECTORS // QUERIES  # of a panel's queries

# A block's weights. Steps are channels of a product's sum (pairs of them in bfloat16), tiles are ROWS rows of its
# result.
LAYER = Record(
    "channels share eps steps heads head_steps key_bytes value_bytes out_bytes value_tiles value_rows "
    "qk_weight qk_bias qk_tiles v_weight v_bias v_tiles bias "
    "proj_weight proj_bias proj_steps proj_tiles fc1_weight fc1_bias fc1_tiles fc2_weight fc2_bias fc2_steps "
    "x n q k v o hidden panel_bytes"
)
# Where its windows lie. Offsets of the scratch's parts are from its start; a panel's are in LAYER, panels follow one
# another.
PLACE = Record(
    "map block_rows block_columns height width window columns last_row "
    "shift patches tokens panels mask s p masked offsets"
)


def swin_row(e: Emitter, form, layer, place, scratch, row):
    """All windows of one row of windows, in place.

    Parameters
    ----------
    form : {Float32, BFloat16}
    layer, place : value
        Addresses of packed LAYER and PLACE.
    scratch : value
        Address of this thread's memory.
    row : value
        Which row of windows.
    """
    layer, place = LAYER.read(e, layer), PLACE.read(e, place)

    def window(column, _):
        write_back = _load(e, layer, place, scratch, row, column)
        _panels(e, layer, place, scratch, lambda panel: _project_in(e, form, layer, panel))
        e.loop(layer.heads, [], lambda h, _: _head(e, form, layer, place, scratch, row, column, h))
        _panels(e, layer, place, scratch, lambda panel: _project_out(e, form, layer, panel))
        _panels(e, layer, place, scratch, lambda panel: _mlp(e, form, layer, place, scratch, panel))
        write_back()
        return []

    e.loop(place.columns, [], window)


def _panels(e, layer, place, scratch, body):
    """Run body(address of the panel's scratch)."""
    e.loop(place.panels, [], lambda p, _: body(e.at(scratch, (p, layer.panel_bytes))) or [])


def _project_in(e, form, layer, panel):
    """Queries, keys and values of norm1(x)."""
    n, q, v = (e.at(panel, start) for start in (layer.n, layer.q, layer.v))
    layer_norm(e, form, e.at(panel, layer.x), layer.channels, layer.share, layer.eps, n)
    linear(e, form, "tokens", layer.qk_weight, layer.qk_bias, n, layer.steps, q, layer.qk_tiles)
    linear(e, form, "weights", layer.v_weight, layer.v_bias, n, layer.steps, v, layer.v_tiles)


def _head(e, form, layer, place, scratch, row, column, h):
    """Attention of one head: every panel's queries to all panels' keys."""
    bias = _bias(e, layer, place, scratch, row, column, h)
    k, v = e.at(scratch, layer.k, (h, layer.key_bytes)), e.at(scratch, layer.v, (h, layer.value_bytes))
    s, p = e.at(scratch, place.s), e.at(scratch, place.p)
    sizes = layer.head_steps, layer.panel_bytes, place.panels, layer.value_tiles

    def queries(n, _):
        panel = e.at(scratch, (n, layer.panel_bytes))
        q, o = e.at(panel, layer.q, (h, layer.key_bytes)), e.at(panel, layer.o, (h, layer.out_bytes))

        def some(part, _):
            first = (part, QUERIES * VECTOR_BYTES)
            biases = e.at(bias, (e.at(part, (n, PARTS)), place.panels, PANEL * SCORE_ROW))
            addresses = e.at(q, first), k, v, biases, e.at(o, first), s, p
            for rows in VALUE_ROWS:
                e.when(e.equal(layer.value_rows, rows), lambda rows=rows: attend(e, form, rows, *addresses, *sizes))
            return []

        return e.loop(PARTS, [], some)

    return e.loop(place.panels, [], queries)


def _project_out(e, form, layer, panel):
    """x += proj(o)."""
    o, x = e.at(panel, layer.o), e.at(panel, layer.x)
    linear(e, form, "residual", layer.proj_weight, layer.proj_bias, o, layer.proj_steps, x, layer.proj_tiles)


def _mlp(e, form, layer, place, scratch, panel):
    """x += fc2(gelu(fc1(norm2(x))))."""
    x, n, hidden = (e.at(panel, start) for start in (layer.x, layer.n, layer.hidden))
    spare = e.at(scratch, place.s)  # nobody's scores now
    layer_norm(e, form, x, layer.channels, layer.share, layer.eps, n)
    linear(e, form, "gelu", layer.fc1_weight, layer.fc1_bias, n, layer.steps, hidden, layer.fc1_tiles, spare)
    linear(e, form, "residual", layer.fc2_weight, layer.fc2_bias, hidden, layer.fc2_steps, x, layer.proj_tiles)


def _bias(e, layer, place, scratch, row, column, h):
    """Address of the head's bias; where the shift has joined the map's borders, of its sum with the mask."""
    size = e.at(e.integer(0), (place.panels, place.panels, PANEL * ROW))
    bias = e.at(layer.bias, (h, size))
    last = e.at(e.equal(row, place.last_row), (e.equal(e.at(column, 1), place.columns), 2))  # 0 to 3
    apart = e.builder.select(e.builder.icmp_signed("!=", place.shift, e.integer(0)), last, e.integer(0))
    masked = e.at(scratch, place.masked)

    def add_mask():
        mask = e.at(place.mask, (e.at(apart, -1), size))

        def vector(i, _):
            at = (i, VECTOR_BYTES)
            e.store(e.add(e.load(e.at(bias, at)), e.load(e.at(mask, at))), e.at(masked, at))
            return []

        e.loop(e.builder.sdiv(size, e.integer(VECTOR_BYTES)), [], vector)

    e.when(apart, add_mask)
    return e.builder.select(e.builder.icmp_signed("!=", apart, e.integer(0)), masked, bias)


def _load(e: Emitter, layer, place, scratch, row, column):
    """Read a window into x; returns what writes it back."""
    x = e.at(scratch, layer.x)
    top, left = (e.at(place.shift, (index, place.window)) for index in (row, column))
    patchwise = e.builder.icmp_signed("!=", place.patches, e.integer(0))

    def either(patch_copy, pixel_copy):
        with e.builder.if_else(patchwise) as (patches, pixels):
            with patches:
                _patches(e, layer, place, x, top, left, patch_copy)
            with pixels:
                _pixels(e, layer, place, scratch, x, pixel_copy)

    with e.builder.if_then(e.builder.not_(patchwise)):
        _offsets(e, layer, place, scratch, top, left)
        _clear(e, layer, place, x)
    either(lambda a, b: e.store(e.load(a), b), lambda a, b: e.store(e.load(a, 0, F32), b))
    return lambda: either(lambda a, b: e.store(e.load(b), a), lambda a, b: e.store(e.load(b, 0, F32), a))


def _patches(e, layer, place, x, top, left, copy):
    """Run copy(address in the map, address in x) for every patch of the window and every channel."""
    builder, four = e.builder, e.integer(4)
    across = builder.sdiv(place.window, four)

    def patch(i, _):
        block_row = builder.srem(e.at(builder.sdiv(top, four), builder.sdiv(i, across)), place.block_rows)
        block_column = builder.srem(e.at(builder.sdiv(left, four), builder.srem(i, across)), place.block_columns)
        block = e.at(block_column, (block_row, place.block_columns))
        source = e.at(place.map, (block, layer.channels, VECTOR_BYTES))
        target = e.at(x, (builder.sdiv(i, e.integer(VECTORS)), layer.panel_bytes))
        target = e.at(target, (builder.srem(i, e.integer(VECTORS)), VECTOR_BYTES))
        e.loop(layer.channels, [], lambda c, _: copy(e.at(source, (c, VECTOR_BYTES)), e.at(target, (c, ROW))) or [])
        return []

    e.loop(place.patches, [], patch)


def _offsets(e, layer, place, scratch, top, left):
    """Where in the map the window's pixels are, row by row."""
    builder = e.builder

    def token(t, _):
        y = builder.srem(e.at(top, builder.sdiv(t, place.window)), place.height)
        x = builder.srem(e.at(left, builder.srem(t, place.window)), place.width)
        four = e.integer(4)
        block = e.at(builder.sdiv(x, four), (builder.sdiv(y, four), place.block_columns))
        lane = e.at(builder.srem(x, four), (builder.srem(y, four), 4))
        offset = e.at(e.integer(0), (block, layer.channels, VECTOR_BYTES), (lane, 4))
        e.store(offset, e.at(scratch, place.offsets, (t, 8)))
        return []

    e.loop(place.tokens, [], token)


def _clear(e, layer, place, x):
    """Zeros for the lanes of the last panel that no token fills."""
    last = e.at(x, (e.at(place.panels, -1), layer.panel_bytes))

    def channel(c, _):
        for j in range(VECTORS):
            e.store(e.constant(0), e.at(last, (c, ROW)), j * VECTOR_BYTES)
        return []

    e.loop(layer.channels, [], channel)


def _pixels(e, layer, place, scratch, x, copy):
    """Run copy(address in the map, address in x) for every pixel of the window and every channel."""

    def token(t, _):
        source = e.at(place.map, e.load(e.at(scratch, place.offsets, (t, 8)), 0, I64, 8))
        target = e.at(x, (e.builder.sdiv(t, e.integer(PANEL)), layer.panel_bytes))
        target = e.at(target, (e.builder.srem(t, e.integer(PANEL)), 4))
        e.loop(layer.channels, [], lambda c, _: copy(e.at(source, (c, VECTOR_BYTES)), e.at(target, (c, ROW))) or [])
        return []

    e.loop(place.tokens, [], token)


@emitted
def _swin_row_float32(e, layer, place, scratch, row):
    swin_row(e, Float32, layer, place, scratch, row)


@emitted
def _swin_row_bfloat16(e, layer, place, scratch, row):
    swin_row(e, BFloat16, layer, place, scratch, row)


@kernel
def swin_row_float32(layer, place, scratch, row):
    """`swin_row` in float32."""
    _swin_row_float32(layer, place, scratch, row)


@kernel
def swin_row_bfloat16(layer, place, scratch, row):
    """`swin_row` with products of bfloat16."""
    _swin_row_bfloat16(layer, place, scratch, row)
