"""The layers of SwinIR that only move numbers, as functions of the tensor before: proved for every input at once."""

from ..ops import cyclic_shift, pixel_shuffle, reflect_pad, upsample_nearest, window_partition, window_reverse
from ..ops.window_attention import split_heads
from .swin_blocks import to_tokens
from .swinir_config import factors


def movements(config, layers, parameters, size):
    """What every moving layer does.

    Parameters
    ----------
    config : Config
    layers : dict of str to str
        Operator by layer, in execution order.
    parameters : mapping of str to ndarray
    size : tuple of int
        (H, W) of the picture.

    Returns
    -------
    dict of str to (str, callable)
        Layer -> (the layer that it reads, from that layer's tensor to its own). "" is the picture.
    """
    padded = tuple(n + -n % config.multiple_of_window for n in size)
    window, shift, scale = config.window, config.window // 2, config.upscale

    def image(tokens):
        """(B, H W, C) or (B, H, W, C) as (B, H, W, C)."""
        return tokens.reshape(len(tokens), *padded, tokens.shape[-1])

    def shuffle(layer):
        direct = config.upsampler == "pixelshuffledirect"
        factor = config.upscale if direct else factors(config.upscale)[int(layer.split(".")[1]) // 2]
        return lambda x: pixel_shuffle(x, factor)

    known = {
        "reflect_pad": lambda layer: lambda x: reflect_pad(x, config.multiple_of_window),
        "tokens": lambda layer: to_tokens,
        "cyclic_shift": lambda layer: (
            lambda x: cyclic_shift(image(x), -shift if layer.endswith(":shift_back") else shift)
        ),
        "window_partition": lambda layer: lambda x: window_partition(image(x), window),
        "window_reverse": lambda layer: lambda x: window_reverse(x, *padded),
        "upsample_nearest": lambda layer: lambda x: upsample_nearest(x, 2),
        "pixel_shuffle": shuffle,
        "crop": lambda layer: lambda x: x[:, :, : scale * size[0], : scale * size[1]],
    }
    found, previous = {}, ""
    for layer, operator in layers.items():
        if operator in known:
            found[layer] = (previous, known[operator](layer))
        previous = layer
    return found


def operands(config, layers):
    """What layers read of others, moved: attention its queries, keys and values, the first residual its image.

    Parameters
    ----------
    config : Config
    layers : dict of str to str

    Returns
    -------
    dict of str to (str, str, callable)
        Layer -> (the layer that it reads, MIL's name of the operand, from the tensor of that layer to the operand).
    """
    found, previous = {}, ""
    for layer in layers:
        block, _, step = layer.partition(":")
        if step in ATTENTION:
            part, widths = ATTENTION.index(step), config.paths[block.removesuffix(".attn")]
            found[layer] = (f"{block}.qkv", "xyy"[part], _part(widths, part))
        elif step == "residual":
            found[layer] = (previous, "y", lambda image: image.reshape(len(image), -1, image.shape[-1]))
        previous = layer
    return found


ATTENTION = ("query", "scores", "weighted_sum")


def _part(widths, part):
    """From qkv of a block, (B nW, N, rows), to one of three (B nW, heads, N, d); keys are read transposed."""
    if part == 1:
        return lambda qkv: split_heads(qkv, widths.heads, widths.v_width)[part].swapaxes(-1, -2)
    return lambda qkv: split_heads(qkv, widths.heads, widths.v_width)[part]
