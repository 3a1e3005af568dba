"""The layers of SwinIR that only move numbers, as functions of the tensor before: proved for every input at once."""

from ..ops import cyclic_shift, pixel_shuffle, reflect_pad, upsample_nearest, window_partition, window_reverse
from ..ops.window_attention import split_heads
from .swin_blocks import to_tokens


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
        before = parameters[f"{layer.rpartition('.')[0]}.{int(layer.rpartition('.')[2]) - 1}.weight"]
        channels = config.channels if config.upsampler == "pixelshuffledirect" else before.shape[1]
        return lambda x: pixel_shuffle(x, round((len(before) / channels) ** 0.5))

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
            part, heads = ATTENTION.index(step), config.num_heads[int(block.split(".")[1])]
            found[layer] = (f"{block}.qkv", "xyy"[part], _part(heads, part))
        elif step == "residual":
            found[layer] = (previous, "y", lambda image: image.reshape(len(image), -1, image.shape[-1]))
        previous = layer
    return found


ATTENTION = ("query", "scores", "weighted_sum")


def _part(heads, part):
    """From (B nW, N, 3 C) to one of three (B nW, heads, N, d); keys are read transposed."""
    if part == 1:
        return lambda qkv: split_heads(qkv, heads)[part].swapaxes(-1, -2)
    return lambda qkv: split_heads(qkv, heads)[part]
