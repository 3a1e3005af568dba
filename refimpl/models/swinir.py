"""SwinIR: convolutional features, residual groups of Swin Transformer blocks, and one of four tails.

J. Liang et al., "SwinIR: Image Restoration Using Swin Transformer", ICCV Workshops 2021. arXiv:2108.10257
"""

import re
from collections.abc import Iterator, Mapping

import numpy as np

from ..errors import BadInput
from ..ops import layer_norm, leaky_relu, pixel_shuffle, reflect_pad, upsample_nearest
from .swin_blocks import conv, residual_convolution, residual_group, to_image, to_tokens
from .swinir_config import Config, derive, parameter_shapes, recognises, upsample_convolutions

__all__ = ["NAME", "Config", "derive", "layers", "parameter_shapes", "recognises", "steps"]

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
    mean = (MEAN if config.channels == 3 else np.zeros(1)).astype(x.dtype)[:, None, None]  # (channels, 1, 1)
    yield ":pad", (x := reflect_pad(x, config.multiple_of_window))
    yield ":normalise", (x := (x - mean) * x.dtype.type(config.img_range))
    yield "conv_first", (first := conv("conv_first", parameters, x))  # (N, C, H, W)
    y = yield from _deep_features(config, parameters, first)
    yield ":features", (y := y + first)
    y = yield from _TAILS[config.upsampler](parameters, y)
    if config.upsampler == "":
        yield ":global_residual", (y := x + y)
    yield ":denormalise", (y := y / y.dtype.type(config.img_range) + mean)
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
        yield "patch_embed.norm", (y := layer_norm(y, weight, bias))
    else:
        yield "patch_embed", y
    if config.positions:
        yield ":absolute_position", (y := y + parameters["absolute_pos_embed"])
    for index in range(len(config.depths)):
        y = yield from residual_group(f"layers.{index}", parameters, y, size, config, index)
    yield "norm", (y := layer_norm(y, parameters["norm.weight"], parameters["norm.bias"]))
    return (yield from residual_convolution("conv_after_body", parameters, to_image(y, size)))


def _pixelshuffle(parameters, x):
    """Classical: a convolution to 64 features, one convolution and shuffle per factor, a last convolution."""
    yield "conv_before_upsample.0", (x := conv("conv_before_upsample.0", parameters, x))
    yield "conv_before_upsample.1", (x := leaky_relu(x, 0.01))
    for name in upsample_convolutions(parameters):
        yield name, (x := conv(name, parameters, x))
        factor = round((len(parameters[f"{name}.weight"]) / parameters[f"{name}.weight"].shape[1]) ** 0.5)
        yield f"upsample.{int(name.split('.')[1]) + 1}", (x := pixel_shuffle(x, factor))
    yield "conv_last", (x := conv("conv_last", parameters, x))
    return x


def _pixelshuffledirect(parameters, x):
    """Lightweight: one convolution straight to the sub-pixels."""
    channels = parameters["conv_first.weight"].shape[1]
    yield "upsample.0", (x := conv("upsample.0", parameters, x))
    yield "upsample.1", (x := pixel_shuffle(x, round((x.shape[1] / channels) ** 0.5)))
    return x


def _nearest_conv(parameters, x):
    """Real-world: nearest-neighbour upsampling by two before each convolution, which leaves no checkerboard."""
    yield "conv_before_upsample.0", (x := conv("conv_before_upsample.0", parameters, x))
    yield "conv_before_upsample.1", (x := leaky_relu(x, 0.01))
    for name in ("conv_up1", "conv_up2"):
        if f"{name}.weight" in parameters:
            yield f"{name}:nearest", (x := upsample_nearest(x, 2))
            yield name, (x := conv(name, parameters, x))
            yield f"{name}:leaky_relu", (x := leaky_relu(x, 0.2))
    yield "conv_hr", (x := conv("conv_hr", parameters, x))
    yield "conv_hr:leaky_relu", (x := leaky_relu(x, 0.2))
    yield "conv_last", (x := conv("conv_last", parameters, x))
    return x


def _no_upsampler(parameters, x):
    yield "conv_last", (x := conv("conv_last", parameters, x))
    return x


_TAILS = {
    "pixelshuffle": _pixelshuffle,
    "pixelshuffledirect": _pixelshuffledirect,
    "nearest+conv": _nearest_conv,
    "": _no_upsampler,
}


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
