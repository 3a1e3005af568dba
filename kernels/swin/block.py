"""One Swin Transformer block, fused: every window is taken through attention and MLP where it lies in the feature map.

The feature map is ``A[H/4][W/4][C][16]``: a vector is the 4 x 4 patch of pixels of one channel. A window of 8 x 8,
shifted by 4 or not, is four whole patches: no partition, no roll, no gather; the shift is which patches a window takes,
modulo the map.
"""

from functools import partial

from ..cache import kernel
from ..emit.simd import VECTOR_BYTES, Emitter, Record, emitted
from ..emit.tiles import ROW, BFloat16, Float32
from .attention import QUERIES, SCORE_ROW, VALUE_ROWS, attend
from .layer_norm import layer_norm
from .linear import ROWS, TILE, gelu_tiles, linear
from .window import PANEL, VECTORS, gather, point_at_patches, scatter

PARTS = VECTORS // QUERIES  # of a panel's queries
BATCH = PANEL * SCORE_ROW // TILE  # tiles of the hidden layer that the scores' memory holds

# A block's weights, and where a panel's tensors lie in the scratch. Steps are channels of a product's sum (pairs of
# them in bfloat16), tiles are ROWS rows of its result. ``x`` is where the addresses of the panel's four patches are.
LAYER = Record(
    "channels share eps steps groups group_heads head_steps key_bytes value_bytes out_bytes value_tiles value_rows "
    "qk_weight qk_bias qk_tiles qk_bytes v_weight v_bias v_tiles v_bytes bias "
    "proj_weight proj_bias proj_steps proj_tiles fc1_weight fc1_bias fc1_tiles fc2_weight fc2_bias fc2_steps "
    "x gathered gathered_bytes n q k v o hidden panel_bytes"
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
    here = e, layer, place, scratch

    def window(column, _):
        corner = [e.at(place.shift, (index, place.window)) for index in (row, column)]
        e.choose(place.patches, partial(point_at_patches, *here, *corner), partial(gather, *here, *corner))
        _panels(e, layer, place, scratch, lambda panel: _norm(e, form, layer, panel))
        e.loop(layer.groups, [], lambda g, _: _group(e, form, layer, place, scratch, row, column, g))
        _panels(e, layer, place, scratch, lambda panel: _project_out(e, form, layer, panel))
        _panels(e, layer, place, scratch, lambda panel: _mlp(e, form, layer, place, scratch, panel))
        e.when(e.equal(place.patches, 0), partial(scatter, *here))
        return []

    e.loop(place.columns, [], window)


def _panels(e, layer, place, scratch, body):
    """Run body(address of the panel's scratch)."""
    e.loop(place.panels, [], lambda p, _: body(e.at(scratch, (p, layer.panel_bytes))) or [])


def _norm(e, form, layer, panel):
    """n = norm(x)."""
    x, n = e.at(panel, layer.x), e.at(panel, layer.n)
    layer_norm(e, form, x, layer.channels, layer.share, layer.eps, n)


def _group(e, form, layer, place, scratch, row, column, g):
    """Some heads: their queries, keys and values are still in the first cache when attention reads them."""
    tiles = (layer.qk_tiles, layer.v_tiles)
    bytes_of_biases = [(g, count, 4 * ROWS) for count in tiles]

    def project(panel):
        n, q, v = (e.at(panel, start) for start in (layer.n, layer.q, layer.v))
        weights = e.at(layer.qk_weight, (g, layer.qk_bytes)), e.at(layer.v_weight, (g, layer.v_bytes))
        biases = e.at(layer.qk_bias, bytes_of_biases[0]), e.at(layer.v_bias, bytes_of_biases[1])
        linear(e, form, "tokens", weights[0], biases[0], n, layer.steps, q, tiles[0])
        linear(e, form, "weights", weights[1], biases[1], n, layer.steps, v, tiles[1])

    _panels(e, layer, place, scratch, project)
    first = e.builder.mul(g, layer.group_heads)
    return e.loop(
        layer.group_heads, [], lambda i, _: _head(e, form, layer, place, scratch, row, column, e.at(first, i), i)
    )


def _head(e, form, layer, place, scratch, row, column, h, i):
    """Attention of head h, the group's i-th: every panel's queries to all panels' keys."""
    bias = _bias(e, layer, place, scratch, row, column, h)
    k, v = e.at(scratch, layer.k, (i, layer.key_bytes)), e.at(scratch, layer.v, (i, layer.value_bytes))
    s, p = e.at(scratch, place.s), e.at(scratch, place.p)
    sizes = layer.head_steps, layer.panel_bytes, place.panels, layer.value_tiles

    def queries(n, _):
        panel = e.at(scratch, (n, layer.panel_bytes))
        q, o = e.at(panel, layer.q, (i, layer.key_bytes)), e.at(panel, layer.o, (h, layer.out_bytes))

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
    _norm(e, form, layer, panel)

    def some(i, _):
        done = e.builder.mul(i, e.integer(BATCH))
        left = e.builder.sub(layer.fc1_tiles, done)
        tiles = e.builder.select(e.builder.icmp_signed("<", left, e.integer(BATCH)), left, e.integer(BATCH))
        weight, bias = e.at(layer.fc1_weight, (done, layer.steps, 4 * ROWS)), e.at(layer.fc1_bias, (done, 4 * ROWS))
        linear(e, form, "floats", weight, bias, n, layer.steps, spare, tiles)
        gelu_tiles(e, form, spare, e.at(hidden, (done, TILE // form.channels)), tiles)
        return []

    e.loop(e.builder.sdiv(e.at(layer.fc1_tiles, BATCH - 1), e.integer(BATCH)), [], some)
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
