"""The configuration of a SwinIR, read off the shapes of a checkpoint."""

import re
from collections.abc import Mapping
from math import prod

from ..errors import BadInput
from .shapes import check_shapes
from .swin_widths import read_block, trained_width
from .swinir_config import FEATURES, Config, even_blocks, parameter_shapes

BUFFERS = re.compile(r"relative_position_index$|attn_mask$")  # recomputed, not trusted


def recognises(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether the keys of a checkpoint are SwinIR's."""
    return "conv_first.weight" in shapes and any(".residual_group.blocks." in key for key in shapes)


def upsample_convolutions(keys):
    """Names of the convolutions of ``upsample``, in order.

    Examples
    --------
    >>> upsample_convolutions(["upsample.2.weight", "upsample.0.weight", "upsample.0.bias"])
    ['upsample.0', 'upsample.2']
    """
    found = {m[1] for key in keys if (m := re.fullmatch(r"(upsample\.\d+)\.weight", key))}
    return sorted(found, key=lambda name: int(name.split(".")[1]))


def derive(shapes, img_range=1.0, qk_scale=None, window_size=None, shifted=None) -> Config:
    """Read the configuration off the shapes of a checkpoint.

    Parameters
    ----------
    shapes : mapping of str to tuple
        By state_dict key; must satisfy `recognises`.
    img_range : float
        What no shape tells: 255 for the official JPEG networks.
    qk_scale : float, optional
        Nor this: the scale of the queries, d^-1/2 by default. Where channels of heads were removed, d is no more what
        it was in training, and this argument is asked for; unless the pruned checkpoint carries a scalar
        ``layers.i.residual_group.blocks.j.attn:query.value`` for the block, which comes first.
    window_size : int, optional
        The constructor's, where it is larger than the windows (a network built for smaller images).
    shifted : bool, optional
        For checkpoints without buffers: False where the network was built for images of at most one window.

    Returns
    -------
    Config

    Raises
    ------
    BadInput
        When the shapes belong to no SwinIR; the message names the first that does not fit.
    """
    try:
        config = _read(shapes, float(img_range), qk_scale, window_size, shifted)
    except BadInput:
        raise
    except (KeyError, IndexError, ValueError, ZeroDivisionError) as error:
        reason = f"lacks or bends {error}"
        raise BadInput(
            f"the checkpoint {reason}, expected the shapes of a SwinIR; use one with the official keys"
        ) from None
    if config.multiple_of_window % config.window:
        raise BadInput(
            f"the network has windows of {config.window} and pads to a multiple of window_size={window_size}, expected "
            "a multiple of the former; give the constructor's window_size"
        )
    parameters = {key: shape for key, shape in shapes.items() if not BUFFERS.search(key)}
    expected = parameter_shapes(config)
    if config.uneven:
        scales = (f"{path}.attn:query.value" for path in config.paths)
        expected |= {key: () for key in scales if key in shapes}
    check_shapes(parameters, expected, "SwinIR")
    _check_scales(config, shapes)
    return config


def _check_scales(config, shapes):
    """Raise BadInput where the scale of the queries would have to be guessed."""
    for path, block in config.paths.items():
        group = config.blocks[int(path.split(".")[1])]
        told = config.qk_scale is not None or f"{path}.attn:query.value" in shapes
        if not told and trained_width(group, config.embed_dim) is None:
            raise BadInput(
                f"{path}.attn.qkv.weight leaves {block.qk_width} channels to the queries of a head and "
                f"{block.v_width} to its values, expected heads as wide as in training, whose scale is d^-1/2; "
                "where channels were removed, give the trained scale as qk_scale="
            )


def _read(shapes, img_range, qk_scale, window_size, shifted):
    embed_dim, channels = shapes["conv_first.weight"][:2]
    blocks = _read_blocks(shapes, embed_dim)
    depths = tuple(len(group) for group in blocks)
    widths = [trained_width(group, embed_dim) for group in blocks]
    most = [max(block.heads for block in group) for group in blocks]
    num_heads = tuple(embed_dim // d if d else heads for d, heads in zip(widths, most, strict=True))
    hidden = max(block.hidden for group in blocks for block in group)
    first = "layers.0.residual_group.blocks.0."
    window = (round(shapes[f"{first}attn.relative_position_bias_table"][0] ** 0.5) + 1) // 2
    buffers = [key for key in shapes if BUFFERS.search(key)]
    if shifted is None:
        shifted = not buffers or any(key.endswith("attn_mask") for key in buffers)
    upsampler, upscale, tail = _tail(shapes)
    return Config(
        channels=channels,
        embed_dim=embed_dim,
        depths=depths,
        num_heads=num_heads,
        window=window,
        multiple_of_window=window if window_size is None else window_size,
        shifted=bool(shifted),
        hidden=hidden,
        upsampler=upsampler,
        upscale=upscale,
        three_convolutions="conv_after_body.0.weight" in shapes,
        qkv_bias=f"{first}attn.qkv.bias" in shapes,
        patch_norm="patch_embed.norm.weight" in shapes,
        positions=shapes["absolute_pos_embed"][1] if "absolute_pos_embed" in shapes else 0,
        img_range=img_range,
        qk_scale=qk_scale,
        uneven=() if blocks == even_blocks(embed_dim, depths, num_heads, hidden) else blocks,
        tail=tail,
    )


def _read_blocks(shapes, embed_dim):
    groups = []
    while f"layers.{len(groups)}.residual_group.blocks.0.norm1.weight" in shapes:
        start = f"layers.{len(groups)}.residual_group.blocks."
        depth = len({key.removeprefix(start).split(".")[0] for key in shapes if key.startswith(start)})
        groups.append(tuple(read_block(shapes, f"{start}{index}", embed_dim) for index in range(depth)))
    return tuple(groups)


def _tail(shapes):
    """(upsampler, upscale, features between the convolutions) from the keys that only one tail has."""
    channels = shapes["conv_first.weight"][1]
    if "conv_up1.weight" in shapes:
        names = ["conv_up1", *(["conv_up2"] if "conv_up2.weight" in shapes else []), "conv_hr"]
    elif "conv_before_upsample.0.weight" in shapes:
        names = upsample_convolutions(shapes)
    elif "upsample.0.weight" in shapes:
        return "pixelshuffledirect", round((shapes["upsample.0.weight"][0] / channels) ** 0.5), ()
    else:
        return "", 1, ()
    features = tuple(shapes[f"{name}.weight"][1] for name in (*names, "conv_last"))
    tail = () if set(features) == {FEATURES} else features
    if "conv_up1" in names:
        return "nearest+conv", 2 ** (len(names) - 1), tail
    outputs = [shapes[f"{name}.weight"][0] for name in names]
    ratios = (round((out / behind) ** 0.5) for out, behind in zip(outputs, features[1:], strict=True))
    return "pixelshuffle", prod(ratios), tail
