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
from .window import PANEL, VECTORS, Window, gather, point_at_patches, scatter

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

    def window(column, _):
        w = Window(e, form, layer, place, scratch, row, column)
        e.choose(place.patches, partial(point_at_patches, w), partial(gather, w))
        w.panels(partial(_norm, w))
        e.loop(layer.groups, [], lambda group, _: _some_heads(w, group))
        w.panels(partial(_project_out, w))
        w.panels(partial(_mlp, w))
        e.when(e.equal(place.patches, 0), partial(scatter, w))
        return []

    e.loop(place.columns, [], window)


def _norm(w: Window, panel):
    """n = norm(x)."""
    x, n = w.e.at(panel, w.layer.x), w.e.at(panel, w.layer.n)
    layer_norm(w.e, w.form, x, w.layer.channels, w.layer.share, w.layer.eps, n)


def _some_heads(w: Window, group):
    """Attention of a group's heads: their queries, keys and values are in the first cache when it reads them."""
    e, layer = w.e, w.layer
    qk = e.at(layer.qk_weight, (group, layer.qk_bytes)), e.at(layer.qk_bias, (group, layer.qk_tiles, 4 * ROWS))
    v = e.at(layer.v_weight, (group, layer.v_bytes)), e.at(layer.v_bias, (group, layer.v_tiles, 4 * ROWS))

    def project(panel):
        n = e.at(panel, layer.n)
        linear(e, w.form, "tokens", *qk, n, layer.steps, e.at(panel, layer.q), layer.qk_tiles)
        linear(e, w.form, "weights", *v, n, layer.steps, e.at(panel, layer.v), layer.v_tiles)

    w.panels(project)
    first = e.builder.mul(group, layer.group_heads)
    return e.loop(layer.group_heads, [], lambda i, _: _head(w, e.at(first, i), i))


def _head(w: Window, head, i):
    """Attention of a head, its group's i-th: every panel's queries to all panels' keys."""
    e, layer, place = w.e, w.layer, w.place
    bias = _bias(w, head)
    k, v = e.at(w.scratch, layer.k, (i, layer.key_bytes)), e.at(w.scratch, layer.v, (i, layer.value_bytes))
    s, p = e.at(w.scratch, place.s), e.at(w.scratch, place.p)
    sizes = layer.head_steps, layer.panel_bytes, place.panels, layer.value_tiles

    def queries(n, _):
        panel = e.at(w.scratch, (n, layer.panel_bytes))
        q, o = e.at(panel, layer.q, (i, layer.key_bytes)), e.at(panel, layer.o, (head, layer.out_bytes))

        def some(part, _):
            first = (part, QUERIES * VECTOR_BYTES)
            biases = e.at(bias, (e.at(part, (n, PARTS)), place.panels, PANEL * SCORE_ROW))
            addresses = e.at(q, first), k, v, biases, e.at(o, first), s, p
            for rows in VALUE_ROWS:
                e.when(e.equal(layer.value_rows, rows), partial(attend, e, w.form, rows, *addresses, *sizes))
            return []

        return e.loop(PARTS, [], some)

    return e.loop(place.panels, [], queries)


def _bias(w: Window, head):
    """Address of the head's bias; where the shift has joined the map's borders, of its sum with the mask."""
    e, place = w.e, w.place
    size = e.at(0, (place.panels, place.panels, PANEL * ROW))
    bias = e.at(w.layer.bias, (head, size))
    last = e.at(e.equal(w.row, place.last_row), (e.equal(e.at(w.column, 1), place.columns), 2))  # 0 to 3
    apart = e.select(place.shift, last, 0)
    masked = e.at(w.scratch, place.masked)

    def add_mask():
        mask = e.at(place.mask, (e.at(apart, -1), size))

        def vector(i, _):
            at = (i, VECTOR_BYTES)
            e.store(e.add(e.load(e.at(bias, at)), e.load(e.at(mask, at))), e.at(masked, at))
            return []

        e.loop(e.builder.sdiv(size, e.integer(VECTOR_BYTES)), [], vector)

    e.when(apart, add_mask)
    return e.select(apart, masked, bias)


def _project_out(w: Window, panel):
    """x += proj(o)."""
    layer, o, x = w.layer, w.e.at(panel, w.layer.o), w.e.at(panel, w.layer.x)
    linear(w.e, w.form, "residual", layer.proj_weight, layer.proj_bias, o, layer.proj_steps, x, layer.proj_tiles)


def _mlp(w: Window, panel):
    """x += fc2(gelu(fc1(norm2(x))))."""
    e, form, layer = w.e, w.form, w.layer
    x, n, hidden = (e.at(panel, start) for start in (layer.x, layer.n, layer.hidden))
    spare = e.at(w.scratch, w.place.s)  # nobody's scores now
    _norm(w, panel)

    def some(batch, _):
        done = e.builder.mul(batch, e.integer(BATCH))
        tiles = e.least(e.builder.sub(layer.fc1_tiles, done), BATCH)
        weight, bias = e.at(layer.fc1_weight, (done, layer.steps, 4 * ROWS)), e.at(layer.fc1_bias, (done, 4 * ROWS))
        linear(e, form, "floats", weight, bias, n, layer.steps, spare, tiles)
        gelu_tiles(e, form, spare, e.at(hidden, (done, TILE // form.channels)), tiles)
        return []

    e.loop(e.builder.sdiv(e.at(layer.fc1_tiles, BATCH - 1), e.integer(BATCH)), [], some)
    linear(e, form, "residual", layer.fc2_weight, layer.fc2_bias, hidden, layer.fc2_steps, x, layer.proj_tiles)


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
