"""The Swin Transformer block and the residual group of blocks that SwinIR is made of.

J. Liang et al., "SwinIR: Image Restoration Using Swin Transformer", ICCV Workshops 2021, section 3.2. arXiv:2108.10257

Every generator yields (layer name, tensor) in execution order and returns the last tensor, so that one is
``y = yield from`` another.
"""

from collections.abc import Generator

import numpy as np

from ..ops import (
    attention_mask,
    conv2d,
    cyclic_shift,
    gelu,
    layer_norm,
    leaky_relu,
    linear,
    window_attention,
    window_partition,
    window_reverse,
)

EPS = 1e-5  # of every LayerNorm
Steps = Generator[tuple[str, np.ndarray], None, np.ndarray]


def swin_block(name, parameters, x, size, heads, window, shift, scale=None) -> Steps:
    """x + attention(norm1(x)), then x + mlp(norm2(x)) (eqs. 6 and 7).

    Parameters
    ----------
    name : str
        Module path of the block.
    parameters : mapping
        All of the network's.
    x : ndarray, (B, H W, C)
    size : tuple of int
        (H, W), multiples of the window.
    heads, window, shift : int
    scale : float or None
        Of the queries.
    """
    batch, _, channels = x.shape

    def at(layer):
        return parameters[f"{name}.{layer}.weight"], parameters[f"{name}.{layer}.bias"]

    def eps(layer):
        return parameters.get(f"{name}.{layer}.eps", EPS)

    yield f"{name}.norm1", (y := layer_norm(x, *at("norm1"), eps("norm1")))  # (B, H W, C)
    y = y.reshape(batch, *size, channels)
    mask = None
    if shift:
        yield f"{name}:cyclic_shift", (y := cyclic_shift(y, shift))  # (B, H, W, C)
        mask = parameters.get(f"{name}.attn:mask.value", attention_mask(size[0], size[1], window, shift))
    yield f"{name}:window_partition", (y := window_partition(y, window))  # (B nW, window^2, C)
    start = len(f"{name}.attn.")
    own = {key[start:]: p for key, p in parameters.items() if key.startswith((f"{name}.attn.", f"{name}.attn:"))}
    for step, value in window_attention(y, own, heads, window, scale, mask):
        yield f"{name}.attn{step}", (y := value)
    yield f"{name}:window_reverse", (y := window_reverse(y, size[0], size[1]))  # (B, H, W, C)
    if shift:
        yield f"{name}:shift_back", (y := cyclic_shift(y, -shift))
    yield f"{name}:residual", (x := x + y.reshape(x.shape))  # (B, H W, C)

    yield f"{name}.norm2", (y := layer_norm(x, *at("norm2"), eps("norm2")))
    yield f"{name}.mlp.fc1", (y := linear(y, *at("mlp.fc1")))  # (B, H W, hidden)
    yield f"{name}.mlp.act", (y := gelu(y))
    yield f"{name}.mlp.fc2", (y := linear(y, *at("mlp.fc2")))  # (B, H W, C)
    yield name, (y := x + y)
    return y


def residual_group(name, parameters, x, size, config, index) -> Steps:
    """Residual Swin Transformer block: x + conv(blocks(x)) (eq. 4)."""
    y = x
    for block, widths in enumerate(config.blocks[index]):
        shift = config.window // 2 if config.shifted and block % 2 else 0
        path = f"{name}.residual_group.blocks.{block}"
        y = yield from swin_block(path, parameters, y, size, widths.heads, config.window, shift, config.qk_scale)
    y = yield from residual_convolution(f"{name}.conv", parameters, to_image(y, size))
    yield name, (y := x + to_tokens(y))
    return y


def residual_convolution(name, parameters, x) -> Steps:
    """One 3x3 convolution, or three (3x3 to a quarter of the channels, 1x1, 3x3 back) with leaky ReLUs between."""
    if f"{name}.weight" in parameters:
        yield name, (x := conv(name, parameters, x))
        return x
    for index in (0, 2):
        yield f"{name}.{index}", (x := conv(f"{name}.{index}", parameters, x))
        slope = parameters.get(f"{name}.{index + 1}.slope", 0.2)
        yield f"{name}.{index + 1}", (x := leaky_relu(x, slope))
    yield f"{name}.4", (x := conv(f"{name}.4", parameters, x))
    return x


def conv(name, parameters, x):
    """The convolution of a layer, padded so that it keeps the size."""
    weight = parameters[f"{name}.weight"]
    return conv2d(x, weight, parameters[f"{name}.bias"], padding=weight.shape[-1] // 2)


def to_tokens(image):
    """(B, C, H, W) to (B, H W, C)."""
    return image.reshape(*image.shape[:2], -1).swapaxes(1, 2)


def to_image(tokens, size):
    """(B, H W, C) to (B, C, H, W)."""
    return tokens.swapaxes(1, 2).reshape(len(tokens), -1, *size)
