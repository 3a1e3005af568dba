"""SwinIR: convolutional features, residual groups of Swin Transformer blocks, and one of four tails.

J. Liang et al., "SwinIR: Image Restoration Using Swin Transformer", ICCV Workshops 2021. arXiv:2108.10257
"""

import re
from collections.abc import Iterator, Mapping

import numpy as np

from ..errors import BadInput
from ..ops import (
    attention_mask,
    layer_norm,
    leaky_relu,
    pixel_shuffle,
    reflect_pad,
    relative_position_bias,
    upsample_nearest,
)
from . import swinir_movements
from .swin_blocks import EPS, conv, residual_convolution, residual_group, to_image, to_tokens
from .swinir_config import Config, factors, parameter_shapes, query_scale
from .swinir_derive import derive, recognises

__all__ = [
    "NAME",
    "Config",
    "derive",
    "expressions",
    "idle",
    "layers",
    "movements",
    "operands",
    "parameter_shapes",
    "query_scale",
    "recognises",
    "steps",
]

NAME = "swinir"
# The official code holds the mean as float32 outside the state_dict; float64 carries those rounded values.
MEAN = np.array([0.4488, 0.4371, 0.4040], np.float32)


def steps(config: Config, parameters: Mapping[str, np.ndarray], x: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """The forward pass, layer by layer.

    Parameters
    ----------
    config : Config
    parameters : mapping of str to ndarray
        In the dtype of x.
    x : ndarray, (N, channels, H, W)
        In [0, 1], any size.

    Yields
    ------
    (str, ndarray)
        Layer name and tensor; the last one is the output, (N, channels, sH, sW).
    """
    height, width = x.shape[2:]
    mean = _mean(config).astype(x.dtype)
    yield ":pad", (x := reflect_pad(x, config.multiple_of_window))
    carried = parameters.get(":normalise.value", mean)  # (channels, 1, 1)
    yield ":normalise", (x := (x - carried) * parameters.get(":normalise.factor", x.dtype.type(config.img_range)))
    yield "conv_first", (first := conv("conv_first", parameters, x))  # (N, C, H, W)
    y = yield from _deep_features(config, parameters, first)
    yield ":features", (y := y + first)
    y = yield from _TAILS[config.upsampler](config, parameters, y)
    if config.upsampler == "":
        yield ":global_residual", (y := x + y)
    factor = parameters.get(":denormalise.factor")  # converters multiply by the reciprocal
    y = y / y.dtype.type(config.img_range) if factor is None else y * factor
    yield ":denormalise", (y := y + parameters.get(":denormalise.value", mean))
    yield ":crop", y[:, :, : config.upscale * height, : config.upscale * width]


def _deep_features(config, parameters, x):
    """conv_after_body of everything between the first convolution and the sum with it (eqs. 2 and 3)."""
    size = x.shape[2:]
    if config.positions and size[0] * size[1] != config.positions:
        raise BadInput(
            f"the padded picture has {size[0]} x {size[1]} pixels and the network's position embedding "
            f"{config.positions}; give a picture of the size that it was trained on"
        )
    y = to_tokens(x)  # (N, H W, C)
    if config.patch_norm:
        weight, bias = (parameters[f"patch_embed.norm.{kind}"] for kind in ("weight", "bias"))
        yield "patch_embed.norm", (y := layer_norm(y, weight, bias, parameters.get("patch_embed.norm.eps", EPS)))
    else:
        yield "patch_embed", y
    if config.positions:
        yield ":absolute_position", (y := y + parameters["absolute_pos_embed"])
    for index in range(len(config.depths)):
        y = yield from residual_group(f"layers.{index}", parameters, y, size, config, index)
    eps = parameters.get("norm.eps", EPS)
    yield "norm", (y := layer_norm(y, parameters["norm.weight"], parameters["norm.bias"], eps))
    return (yield from residual_convolution("conv_after_body", parameters, to_image(y, size)))


def _pixelshuffle(config, parameters, x):
    """Classical: a convolution to 64 features, one convolution and shuffle per factor, a last convolution."""
    yield "conv_before_upsample.0", (x := conv("conv_before_upsample.0", parameters, x))
    yield "conv_before_upsample.1", (x := leaky_relu(x, parameters.get("conv_before_upsample.1.slope", 0.01)))
    for i, factor in enumerate(factors(config.upscale)):
        yield f"upsample.{2 * i}", (x := conv(f"upsample.{2 * i}", parameters, x))
        yield f"upsample.{2 * i + 1}", (x := pixel_shuffle(x, factor))
    yield "conv_last", (x := conv("conv_last", parameters, x))
    return x


def _pixelshuffledirect(config, parameters, x):
    """Lightweight: one convolution straight to the sub-pixels."""
    yield "upsample.0", (x := conv("upsample.0", parameters, x))
    yield "upsample.1", (x := pixel_shuffle(x, config.upscale))
    return x


def _nearest_conv(config, parameters, x):
    """Real-world: nearest-neighbour upsampling by two before each convolution, which leaves no checkerboard."""
    yield "conv_before_upsample.0", (x := conv("conv_before_upsample.0", parameters, x))
    yield "conv_before_upsample.1", (x := leaky_relu(x, parameters.get("conv_before_upsample.1.slope", 0.01)))
    for name in ("conv_up1", "conv_up2"):
        if f"{name}.weight" in parameters:
            yield f"{name}:nearest", (x := upsample_nearest(x, 2))
            yield name, (x := conv(name, parameters, x))
            slope = parameters.get(f"{name}:leaky_relu.slope", 0.2)
            yield f"{name}:leaky_relu", (x := leaky_relu(x, slope))
    yield "conv_hr", (x := conv("conv_hr", parameters, x))
    yield "conv_hr:leaky_relu", (x := leaky_relu(x, parameters.get("conv_hr:leaky_relu.slope", 0.2)))
    yield "conv_last", (x := conv("conv_last", parameters, x))
    return x


def _no_upsampler(config, parameters, x):
    yield "conv_last", (x := conv("conv_last", parameters, x))
    return x


_TAILS = {
    "pixelshuffle": _pixelshuffle,
    "pixelshuffledirect": _pixelshuffledirect,
    "nearest+conv": _nearest_conv,
    "": _no_upsampler,
}


def _mean(config):
    return (MEAN if config.channels == 3 else np.zeros(1))[:, None, None]  # (channels, 1, 1)


def expressions(config: Config, parameters: Mapping[str, np.ndarray], size: tuple[int, int]) -> dict[str, np.ndarray]:
    """What the constants stand for that are no parameters: mean, eps, query scale, bias, mask, slopes, roll indices.

    `steps` reads them under the same keys where ``parameters`` carries them.

    Parameters
    ----------
    config : Config
    parameters : mapping of str to ndarray
    size : tuple of int
        (H, W) of the picture: the masks depend on it.

    Returns
    -------
    dict of str to ndarray
        float64, by layer name and ``.value``, ``.factor``, ``.eps`` or ``.slope``; of a cyclic shift int64, ``.rows``
        and ``.columns``: which one comes where.
    """
    padded = [n + -n % config.multiple_of_window for n in size]
    mean = _mean(config).astype(np.float64)
    exact: dict[str, np.ndarray] = {":normalise.value": mean, ":denormalise.value": mean}
    exact |= {":normalise.factor": np.array(config.img_range), ":denormalise.factor": np.array(1 / config.img_range)}
    for layer, operator in layers(config).items():
        block, _, step = layer.partition(":")
        if operator == "cyclic_shift":
            shift = config.window // 2 if step == "cyclic_shift" else -(config.window // 2)
            for axis, count in zip(("rows", "columns"), padded, strict=True):
                exact[f"{layer}.{axis}"] = (np.arange(count) + shift) % count
        elif operator == "layer_norm":
            exact[f"{layer}.eps"] = np.array(EPS)
        elif operator == "leaky_relu":
            exact[f"{layer}.slope"] = np.array(0.01 if layer == "conv_before_upsample.1" else 0.2)
        elif step == "query":
            scale = query_scale(config, parameters, block.removesuffix(".attn"))
            exact[f"{layer}.value"] = np.asarray(scale, np.float64)
        elif step == "bias":
            table = np.asarray(parameters[f"{block}.relative_position_bias_table"], np.float64)
            exact[f"{layer}.value"] = relative_position_bias(table, config.window)
        elif step == "mask":
            exact[f"{layer}.value"] = attention_mask(padded[0], padded[1], config.window, config.window // 2)
    return exact


# Operator of a layer, by how its name ends; the first that fits counts
OPERATORS = {
    ":pad": "reflect_pad",
    "patch_embed": "tokens",
    ":normalise": "affine",
    ":denormalise": "affine",
    ":crop": "crop",
    ":absolute_position": "add",
    ":features": "add",
    ":global_residual": "add",
    ":residual": "add",
    ":bias": "add",
    ":mask": "add",
    ":cyclic_shift": "cyclic_shift",
    ":shift_back": "cyclic_shift",
    ":window_partition": "window_partition",
    ":window_reverse": "window_reverse",
    ":query": "scale",
    ":scores": "matmul",
    ":weighted_sum": "matmul",
    ":softmax": "softmax",
    ":nearest": "upsample_nearest",
    ":leaky_relu": "leaky_relu",
    "norm": "layer_norm",
    "norm1": "layer_norm",
    "norm2": "layer_norm",
    "qkv": "linear",
    "proj": "linear",
    "fc1": "linear",
    "fc2": "linear",
    "act": "gelu",
}


def layers(config: Config) -> dict[str, str]:
    """Operator of every layer, by layer name, in execution order."""
    shapes = parameter_shapes(config)
    parameters = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    side = round(config.positions**0.5) or config.multiple_of_window
    blank = np.zeros((1, config.channels, side, side), np.float32)  # the names do not depend on the size
    return {name: _operator(name, shapes) for name, _ in steps(config, parameters, blank)}


def idle(config: Config, size: tuple[int, int]) -> set[str]:
    """Layers that leave every picture of (H, W) as it is: padding to what it has, a mean of zero."""
    fits = not any(n % config.multiple_of_window for n in size)
    plain = config.channels != 3 and config.img_range == 1
    return ({":pad", ":crop"} if fits else set()) | ({":normalise", ":denormalise"} if plain else set())


def movements(config, parameters, size) -> dict[str, tuple]:
    """Layers that only move numbers: see `swinir_movements.movements`."""
    return swinir_movements.movements(config, layers(config), parameters, size)


def operands(config) -> dict[str, tuple]:
    """What attention reads of qkv: see `swinir_movements.operands`."""
    return swinir_movements.operands(config, layers(config))


def _operator(name, shapes):
    if name in OPERATORS:
        return OPERATORS[name]
    ending = f":{name.split(':')[1]}" if ":" in name else name.split(".")[-1]
    if ending in OPERATORS:
        return OPERATORS[ending]
    if f"{name}.weight" in shapes:
        return "conv2d"
    if re.fullmatch(r"upsample\.\d+", name):
        return "pixel_shuffle"
    return "add" if re.fullmatch(r"layers\.\d+(\.residual_group\.blocks\.\d+)?", name) else "leaky_relu"
