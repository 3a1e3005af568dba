"""Weights of a Swin Transformer block as the fused kernel reads them.

Folded once: the affine part of LayerNorm into the layer behind it, the query's scale and log2(e) into the query's
weights (the softmax works in powers of two), log2(e) into bias and mask. Everything is computed in float64 and rounded
once.
"""

from dataclasses import dataclass

import numpy as np

from ...refimpl.models.swin_blocks import EPS
from ...refimpl.ops import attention_mask, relative_position_bias
from ..emit.pointwise import LOG2_E
from ..emit.simd import LANES, VECTOR_BYTES
from ..emit.tiles import ROW
from ..memory import address, aligned, copied, laid_out
from .attention import QUERIES, VALUE_ROWS
from .block import LAYER
from .linear import ROWS
from .window import PANEL, VECTORS

NEVER = -1e30  # score of a key that is no token


@dataclass
class SwinLayer:
    """A packed block.

    Attributes
    ----------
    words : ndarray of int64
        `LAYER`; its addresses are of ``arrays``.
    arrays : list of ndarray
    channels, window, shift, panel_bytes : int
    """

    words: np.ndarray
    arrays: list[np.ndarray]
    channels: int
    window: int
    shift: int
    panel_bytes: int


def pack_rows(weight, bias, pairs):
    """Weights (N, K) and biases (N,) as tiles of ROWS rows: (tiles, K, ROWS), or (tiles, K/2, ROWS, 2)
    bfloat16.

    Rows and columns that fill the last tile or pair are zero.
    """
    rows, depth = weight.shape
    tiles, depth = -(-rows // ROWS), -(-depth // 2) * 2 if pairs else depth
    padded = np.zeros((tiles * ROWS, depth))
    padded[:rows, : weight.shape[1]] = weight
    biases = aligned(tiles * ROWS)
    biases[:rows] = bias
    padded = padded.reshape(tiles, ROWS, depth)
    if not pairs:
        return copied(padded.transpose(0, 2, 1)), biases
    return copied(bfloat16(padded.reshape(tiles, ROWS, depth // 2, 2).transpose(0, 2, 1, 3)), np.uint16), biases


def bfloat16(values):
    """The nearest bfloat16, ties to even, as 16 bits.

    Examples
    --------
    >>> [hex(bits) for bits in bfloat16([1.0, 1.00390625, 1.01171875])]
    ['0x3f80', '0x3f80', '0x3f82']
    """
    bits = np.asarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def token_order(channels, window, shift):
    """Row and column of every token: patch by patch where the kernel works on the map itself, else row by row."""
    side = 4 if patchwise(channels, window, shift) else window
    t = np.arange(window * window)
    patch, inside = np.divmod(t, side * side)
    across = window // side
    return patch // across * side + inside // side, patch % across * side + inside % side


def patchwise(channels, window, shift):
    """Whether the kernel works on the map itself: whole patches fill the panels, and whole tiles the channels."""
    return window % 8 == 0 and shift % 4 == 0 and channels % ROWS == 0


def pack_swin_layer(parameters, heads, window, shift, scale, precision) -> SwinLayer:
    """Pack a block.

    Parameters
    ----------
    parameters : mapping of str to ndarray
        Of the block, by name within it: ``norm1.weight``, ``attn.qkv.weight`` ...
    heads, window, shift : int
    scale : float
        Of the queries.
    precision : {"float32", "bfloat16"}
    """
    p = {name: np.asarray(value, np.float64) for name, value in parameters.items()}
    pairs = precision == "bfloat16"
    channels = p["norm1.weight"].size
    q, k, v, proj = _split(p, heads, scale, pairs)
    fc1, fc1_bias = _folded(p["mlp.fc1.weight"], p["mlp.fc1.bias"], p["norm2.weight"], p["norm2.bias"])
    group = _heads_together(heads, q.shape[1], v.shape[1])
    packed = {
        "qk": _pack_groups(np.concatenate([_grouped(q, group), _grouped(k, group)], axis=1), pairs),
        "v": _pack_groups(_grouped(v, group), pairs),
        "proj": pack_rows(proj, p["attn.proj.bias"], pairs),
        "fc1": pack_rows(fc1, fc1_bias, pairs),
        "fc2": pack_rows(p["mlp.fc2.weight"], p["mlp.fc2.bias"], pairs),
    }
    bias = relative_position_bias(p["attn.relative_position_bias_table"], window) * LOG2_E
    bias = _bias_panels(bias, channels, window, shift)
    numbers = copied([1 / channels, EPS])
    words = {"channels": channels, "share": address(numbers), "eps": address(numbers) + 4, "bias": address(bias)}
    words |= {"groups": heads // group, "group_heads": group}
    for name, (weight, biases) in packed.items():
        words |= {
            f"{name}_weight": address(weight),
            f"{name}_bias": address(biases),
            f"{name}_tiles": biases.shape[-1] // ROWS,
        }
    for name in ("qk", "v"):
        words[f"{name}_bytes"] = packed[name][0][0].nbytes
    for name, of in (("steps", "fc1"), ("proj_steps", "proj"), ("fc2_steps", "fc2")):
        words[name] = packed[of][0].shape[1]
    words |= _places(heads, group, q.shape[1], v.shape[1], words, 2 if pairs else 1)
    arrays = [numbers, bias, *(array for pair in packed.values() for array in pair)]
    del words["fc2_tiles"]  # as many as of proj
    return SwinLayer(LAYER.pack(**words), arrays, channels, window, shift, words["panel_bytes"])


def _folded(weight, bias, norm_weight, norm_bias):
    """Weights and bias of a linear layer behind a LayerNorm, with its affine part inside.

    Row by row, and by no matrix product: the bits of a row do not depend on which others there are.
    """
    return weight * norm_weight, bias + (weight * norm_bias).sum(1)


def _split(p, heads, scale, pairs):
    """Queries, keys and values with their bias, (heads, d, C + 1) each, and proj.

    An odd head is padded with zeros where operands go in pairs.
    """
    weight = p["attn.qkv.weight"]
    weight, bias = _folded(weight, p.get("attn.qkv.bias", 0), p["norm1.weight"], p["norm1.bias"])
    width = p["attn.proj.weight"].shape[1]  # heads x width of the values
    keys = (len(weight) - width) // 2
    q, k, v = np.split(np.column_stack([weight, bias]), [keys, 2 * keys])

    def by_head(rows):
        rows = rows.reshape(heads, -1, rows.shape[-1])
        return np.pad(rows, ((0, 0), (0, rows.shape[1] % 2 if pairs else 0), (0, 0)))

    proj = by_head(p["attn.proj.weight"].T)  # (heads, d, C)
    return by_head(q * scale * LOG2_E), by_head(k), by_head(v), proj.reshape(-1, proj.shape[-1]).T


def _heads_together(heads, key_rows, value_rows):
    """How many heads are computed at once: the fewest whose rows fill the tiles best."""

    def waste(group):
        rows = 2 * group * key_rows, group * value_rows
        return sum(-(-n // ROWS) * ROWS for n in rows) / sum(rows)

    return min((n for n in range(1, heads + 1) if heads % n == 0), key=lambda group: (waste(group), group))


def _grouped(rows, group):
    """(heads, d, C + 1) as (groups, heads of a group x d, C + 1)."""
    return rows.reshape(len(rows) // group, -1, rows.shape[-1])


def _pack_groups(rows, pairs):
    """`pack_rows` of every group: (groups, tiles, K, ROWS) and (groups, tiles x ROWS)."""
    packed = [pack_rows(group[:, :-1], group[:, -1], pairs) for group in rows]
    weights, biases = (np.stack(arrays) for arrays in zip(*packed, strict=True))
    return copied(weights, weights.dtype), copied(biases)


def _places(heads, group, key_rows, value_rows, words, channels):
    """Where a panel's tensors lie in the scratch, and the steps from head to head, in bytes."""
    rows = min(VALUE_ROWS, key=lambda rows: (-(-value_rows // rows) * rows, -rows))
    qk, v, hidden = (words[f"{name}_tiles"] * ROWS for name in ("qk", "v", "fc1"))
    sizes = {
        "x": VECTORS * 8,
        "gathered": VECTORS * words["proj_tiles"] * ROWS * VECTOR_BYTES,
        "n": words["steps"] * ROW,
        "o": (heads * value_rows + rows) * ROW // channels,
        "q": max(qk + v + rows, hidden) * ROW // channels,
    }
    starts, end = laid_out(sizes)
    return starts | {
        "gathered_bytes": words["proj_tiles"] * ROWS * VECTOR_BYTES,
        "hidden": starts["q"],  # queries, keys and values are done with when the MLP begins
        "k": starts["q"] + group * key_rows * ROW // channels,
        "v": starts["q"] + qk * ROW // channels,
        "head_steps": key_rows // channels,
        "key_bytes": key_rows * ROW // channels,
        "value_bytes": value_rows * ROW // channels,
        "out_bytes": value_rows * ROW // channels,
        "value_tiles": -(-value_rows // rows),
        "value_rows": rows,
        "panel_bytes": end,
    }


def _bias_panels(bias, channels, window, shift):
    """(heads, queries, keys) as (heads, parts, keys, queries of a part), in the order of the kernel's tokens."""
    rows, columns = token_order(channels, window, shift)
    order = rows * window + columns
    tokens, panels = window * window, -(-window * window // PANEL)
    padded = np.zeros((len(bias), panels * PANEL, panels * PANEL))
    padded[:, tokens:] = NEVER  # keys first
    padded[:, :tokens, :tokens] = bias[:, order][:, :, order].swapaxes(1, 2)
    return copied(padded.reshape(len(bias), panels * PANEL, -1, QUERIES * LANES).transpose(0, 2, 1, 3))


def mask_panels(channels, window, shift):
    """Masks of a window in the last row, the last column, and both, as `_bias_panels` has them."""
    four = attention_mask(2 * window, 2 * window, window, shift) * LOG2_E  # of 2 x 2 windows: (4, N, N)
    last_row, last_column, both = four[2], four[1], four[3]
    return _bias_panels(np.stack([last_row, last_column, both]), channels, window, shift)
