"""Random blocks and maps and their twins, for the tests of the kernels."""

import numpy as np
from hypothesis import strategies as st
from kernel_guards import guarded

import karat.kernels
from karat.kernels.emit.pointwise import LOG2_E
from karat.kernels.maps.layout import clear_outside, to_map
from karat.kernels.swin import blocks as swin
from karat.kernels.swin import pack
from karat.refimpl.metrics import relative_rms
from karat.refimpl.models.swin_blocks import EPS, swin_block
from karat.refimpl.numerics.formats import Format, nearest
from karat.refimpl.ops import (
    attention_mask,
    cyclic_shift,
    gelu,
    layer_norm,
    linear,
    relative_position_bias,
    window_partition,
    window_reverse,
)
from karat.refimpl.ops.window_attention import split_heads

U = 2.0**-24  # unit roundoff of float32
BFLOAT16 = Format("bfloat16", 8, -126, float.fromhex("0x1.fep127"))
PRECISIONS = ["float32"] + (["bfloat16"] if karat.kernels.cpu.target().bf16 else [])
ENOUGH = 3000  # numbers: the error of a few is luck, of a twin's too


def assert_no_worse(golden, twin, fast):
    """The rule of every kernel: relative rms error at most twice that of the twin, and one rounding of the result.

    The floor is what storing the exact result would do: every number moves by at most U of itself, and so does their
    rms. Twice, because the kernel may add in another order than the twin.
    """
    golden, twin, fast = (np.asarray(value, np.float64) for value in (golden, twin, fast))
    assert np.isfinite(fast).all()
    allowed = 2 * relative_rms(golden, twin) + U
    assert relative_rms(golden, fast) <= allowed, (relative_rms(golden, fast), allowed)


# maps


def from_map(feature_map, height, width):
    """(H/4, W/4, C, 16) as (C, H, W)."""
    rows, columns, channels = feature_map.shape[:3]
    pixels = feature_map.reshape(rows, columns, channels, 4, 4).transpose(2, 0, 3, 1, 4)
    return pixels.reshape(channels, 4 * rows, 4 * columns)[:, :height, :width].copy()


def dirty_map(pixels):
    """A map whose lanes outside the picture hold numbers, as kernels leave them."""
    feature_map = to_map(pixels)
    outside = to_map(np.ones_like(pixels)) == 0
    feature_map[outside] = 7
    return feature_map


def clean_map(pixels):
    """A map that a convolution may read."""
    feature_map = dirty_map(pixels)
    clear_outside(feature_map, *pixels.shape[1:])
    return feature_map


# Swin blocks


@st.composite
def swin_cases(draw):
    """What `Swin` takes; 12 and 24 channels fill tiles, and the kernel works on the map itself.

    At least 5 channels: the norm divides by the spread s of C numbers, whose density near 0 goes with s^(C - 2), and
    two norms follow one another. With fewer the variance of the error is infinite, or nearly: one token decides.
    """
    window = draw(st.one_of(st.integers(2, 16), st.just(8)), label="window")
    return {
        "window": window,
        "shift": draw(st.sampled_from([0, window // 2]), label="shift"),
        "channels": draw(st.one_of(st.integers(5, 33), st.sampled_from([12, 24])), label="channels"),
        "heads": draw(st.integers(1, 4), label="heads"),
        "keys": draw(st.integers(1, 12), label="channels of a head's queries and keys"),
        "values": draw(st.integers(1, 12), label="channels of a head's values"),
        "hidden": draw(st.integers(1, 50), label="hidden"),
        "qkv_bias": draw(st.booleans(), label="qkv bias"),
        "grid": (draw(st.integers(1, 3), label="rows of windows"), draw(st.integers(1, 3), label="columns")),
        "seed": draw(st.integers(0, 2**32 - 1), label="seed"),
    }


class Swin:
    """A random block with its input, its golden result and twins."""

    def __init__(self, window, shift, channels, heads, keys, values, hidden, qkv_bias, grid, seed, numbers=ENOUGH):
        rng = np.random.default_rng(seed)
        self.window, self.shift, self.heads, self.channels = window, shift, heads, channels
        self.scale = float(rng.uniform(0.2, 1))
        rows = heads * (2 * keys + values)
        shapes = {
            **{f"norm{i}.{kind}": (channels,) for i in (1, 2) for kind in ("weight", "bias")},
            "attn.qkv.weight": (rows, channels),
            "attn.qkv.bias": (rows,),
            "attn.proj.weight": (channels, heads * values),
            "attn.proj.bias": (channels,),
            "attn.relative_position_bias_table": ((2 * window - 1) ** 2, heads),
            "mlp.fc1.weight": (hidden, channels),
            "mlp.fc1.bias": (hidden,),
            "mlp.fc2.weight": (channels, hidden),
            "mlp.fc2.bias": (channels,),
        }
        if not qkv_bias:
            del shapes["attn.qkv.bias"]
        self.parameters = {
            name: rng.normal(0, 1.5 * shape[-1] ** -0.5 if name.endswith("weight") else 0.5, shape).astype(np.float32)
            for name, shape in shapes.items()
        }
        for i in (1, 2):
            self.parameters[f"norm{i}.weight"] = rng.uniform(0.5, 1.5, channels).astype(np.float32)
        self.size = tuple(window * n for n in grid)
        count = -(-numbers // (channels * self.size[0] * self.size[1]))
        self.x = rng.normal(0, 1, (count, channels, *self.size)).astype(np.float32)  # (B, C, H, W)

    def _tokens(self, dtype):
        return self.x.reshape(*self.x.shape[:2], -1).swapaxes(1, 2).astype(dtype)  # (B, H W, C)

    def _picture(self, tokens):
        return tokens.swapaxes(1, 2).reshape(self.x.shape)

    def reference(self, dtype):
        """By refimpl, (B, C, H, W)."""
        named = {f"b.{name}": value.astype(dtype) for name, value in self.parameters.items()}
        arguments = (self.size, self.heads, self.window, self.shift, self.scale)
        for _, last in swin_block("b", named, self._tokens(dtype), *arguments):
            y = last
        return self._picture(y)

    def twin(self, precision):
        """The plain one of that precision."""
        if precision == "float32":
            return self.reference(np.float32)
        arguments = (self.size, self.heads, self.window, self.shift, self.scale)
        return self._picture(bfloat16_block(self.parameters, self._tokens(np.float64), *arguments))

    def packed(self, precision):
        """(layer, maker of blocks) ready for `run`."""
        arguments = (self.heads, self.window, self.shift, self.scale, precision)
        return pack.pack_swin_layer(self.parameters, *arguments)

    def run(self, precision, threads=1, change=None):
        """On the kernel, between guards; ``change(blocks, layer)`` makes a mutant."""
        with guarded() as guards:
            layer = self.packed(precision)
            blocks = swin.SwinBlocks([layer], precision, threads)
            if change is not None:
                change(blocks, layer)
            guards.poison = True
            scratch, result = blocks.scratch(self.size[0]), []
            for pixels in self.x:
                feature_map = dirty_map(pixels)
                blocks(layer, feature_map, self.size, scratch)
                result.append(from_map(feature_map, *self.size))
            guards.check(blocks, layer)
        return np.stack(result)


# the block of bfloat16


def bfloat16_block(parameters, x, size, heads, window, shift, scale):
    """The plain block with everything rounded to bfloat16 that the kernel rounds, and the rest in float64.

    Parameters
    ----------
    parameters : mapping
        By name within the block.
    x : ndarray, (B, H W, C)
    """
    p = {name: np.asarray(value, np.float64) for name, value in parameters.items()}
    y = x.astype(np.float64)
    y = y + _linear(_attention(p, y, size, heads, window, shift, scale), p["attn.proj.weight"], p["attn.proj.bias"])
    hidden = _linear(_norm(y), *_folded(p, "mlp.fc1", "norm2"))
    return y + _linear(_rounded(gelu(hidden)), p["mlp.fc2.weight"], p["mlp.fc2.bias"])


def _attention(p, x, size, heads, window, shift, scale):
    weight, bias = _folded(p, "attn.qkv", "norm1")
    inner = p["attn.proj.weight"].shape[1]
    factor = np.ones(len(weight))
    factor[: (len(weight) - inner) // 2] = scale * LOG2_E
    qkv = _rounded(_linear(_norm(x), weight * factor[:, None], bias * factor))
    windows = window_partition(cyclic_shift(qkv.reshape(len(x), *size, -1), shift), window)
    q, k, v = split_heads(windows, heads, inner // heads)
    scores = q @ k.swapaxes(-2, -1)
    scores += LOG2_E * relative_position_bias(p["attn.relative_position_bias_table"], window)
    if shift:
        mask = LOG2_E * attention_mask(*size, window, shift)
        scores = (scores.reshape(len(x), len(mask), *scores.shape[1:]) + mask[:, None]).reshape(scores.shape)
    weights = 2.0 ** (scores - scores.max(-1, keepdims=True))
    summed = _rounded((_rounded(weights) @ v) / weights.sum(-1, keepdims=True))  # (B nW, heads, N, dv)
    summed = summed.swapaxes(1, 2).reshape(*windows.shape[:2], inner)
    return cyclic_shift(window_reverse(summed, *size), -shift).reshape(*x.shape[:2], inner)


def _norm(x):
    channels = x.shape[-1]
    return _rounded(layer_norm(x, np.ones(channels), np.zeros(channels), EPS))


def _linear(x, weight, bias):
    return linear(x, _rounded(weight), bias)


def _rounded(values):
    return nearest(values, BFLOAT16)


def _folded(p, layer, norm):
    weight, bias = p[f"{layer}.weight"], p.get(f"{layer}.bias", 0)
    return weight * p[f"{norm}.weight"], bias + weight @ p[f"{norm}.bias"]
