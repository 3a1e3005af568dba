"""SwinIR's hyper-parameters, read off the shapes of a checkpoint."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import BadInput
from .shapes import check_shapes

BUFFERS = re.compile(r"relative_position_index$|attn_mask$")  # recomputed, not trusted


@dataclass(frozen=True)
class Config:
    """Hyper-parameters of a SwinIR.

    Attributes
    ----------
    channels : int
        Of the picture (``in_chans``).
    embed_dim : int
        C, channels of the tokens.
    depths, num_heads : tuple of int
        Blocks and attention heads of every residual group.
    window : int
        Side of an attention window.
    multiple_of_window : int
        What the picture is padded to a multiple of: the constructor's ``window_size``. It differs from ``window`` only
        when the network was built for images smaller than a window.
    shifted : bool
        Whether every second block shifts its windows.
    hidden : int
        Width of the multilayer perceptrons.
    upsampler : {"pixelshuffle", "pixelshuffledirect", "nearest+conv", ""}
        The tail: classical, lightweight, real-world, or none (denoising, JPEG).
    upscale : int
    three_convolutions : bool
        ``resi_connection="3conv"``.
    qkv_bias, patch_norm : bool
    positions : int
        Tokens that the absolute position embedding is made for; 0 without one (``ape``).
    img_range : float
        255 for the official JPEG networks; in no checkpoint.
    qk_scale : float or None
        None: d^-1/2; in no checkpoint.
    """

    channels: int
    embed_dim: int
    depths: tuple[int, ...]
    num_heads: tuple[int, ...]
    window: int
    multiple_of_window: int
    shifted: bool
    hidden: int
    upsampler: str
    upscale: int
    three_convolutions: bool = False
    qkv_bias: bool = True
    patch_norm: bool = True
    positions: int = 0
    img_range: float = 1.0
    qk_scale: float | None = None

    @property
    def scale(self) -> int:
        """Output pixels per input pixel along one axis."""
        return self.upscale

    @property
    def radius(self) -> None:
        """Windows and mirrored borders depend on where the picture begins: there is no useful bound."""
        return None

    @property
    def multiple_of(self) -> int:
        """Any size is taken: the network pads and crops by itself."""
        return 1


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
        Nor this; d^-1/2 by default.
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
    except (KeyError, IndexError, ValueError) as error:
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
    check_shapes(parameters, parameter_shapes(config, shapes), "SwinIR")
    return config


def _read(shapes, img_range, qk_scale, window_size, shifted):
    depths, num_heads = [], []
    while f"layers.{len(depths)}.residual_group.blocks.0.norm1.weight" in shapes:
        group = f"layers.{len(depths)}.residual_group.blocks."
        depths.append(len({key.removeprefix(group).split(".")[0] for key in shapes if key.startswith(group)}))
        num_heads.append(shapes[f"{group}0.attn.relative_position_bias_table"][1])
    block = "layers.0.residual_group.blocks.0."
    window = (round(shapes[f"{block}attn.relative_position_bias_table"][0] ** 0.5) + 1) // 2
    buffers = [key for key in shapes if BUFFERS.search(key)]
    if shifted is None:
        shifted = not buffers or any(key.endswith("attn_mask") for key in buffers)
    upsampler, upscale = _tail(shapes)
    embed_dim, channels = shapes["conv_first.weight"][:2]
    return Config(
        channels=channels,
        embed_dim=embed_dim,
        depths=tuple(depths),
        num_heads=tuple(num_heads),
        window=window,
        multiple_of_window=window if window_size is None else window_size,
        shifted=bool(shifted),
        hidden=shapes[f"{block}mlp.fc1.weight"][0],
        upsampler=upsampler,
        upscale=upscale,
        three_convolutions="conv_after_body.0.weight" in shapes,
        qkv_bias=f"{block}attn.qkv.bias" in shapes,
        patch_norm="patch_embed.norm.weight" in shapes,
        positions=shapes["absolute_pos_embed"][1] if "absolute_pos_embed" in shapes else 0,
        img_range=img_range,
        qk_scale=qk_scale,
    )


def _tail(shapes):
    """(upsampler, upscale) from the keys that only one tail has."""
    channels = shapes["conv_first.weight"][1]
    if "conv_up1.weight" in shapes:
        return "nearest+conv", 4 if "conv_up2.weight" in shapes else 2
    if "conv_before_upsample.0.weight" in shapes:
        scale = 1
        for name in upsample_convolutions(shapes):
            out, features = shapes[f"{name}.weight"][:2]
            scale *= round((out / features) ** 0.5)
        return "pixelshuffle", scale
    if "upsample.0.weight" in shapes:
        return "pixelshuffledirect", round((shapes["upsample.0.weight"][0] / channels) ** 0.5)
    return "", 1


def parameter_shapes(config: Config, like=None) -> dict[str, tuple[int, ...]]:
    """Shape of every parameter, by state_dict key.

    Parameters
    ----------
    config : Config
    like : mapping of str to tuple, optional
        Where a checkpoint's width of the tail's features is read; 64 by default, as in every official network.

    Returns
    -------
    dict of str to tuple
    """
    c, shapes = config.embed_dim, {}

    def add(name, out, *rest, bias=True):
        shapes[f"{name}.weight"] = (out, *rest)
        if bias:
            shapes[f"{name}.bias"] = (out,)

    def residual(name):
        if not config.three_convolutions:
            return add(name, c, c, 3, 3)
        add(f"{name}.0", c // 4, c, 3, 3)
        add(f"{name}.2", c // 4, c // 4, 1, 1)
        return add(f"{name}.4", c, c // 4, 3, 3)

    add("conv_first", c, config.channels, 3, 3)
    if config.positions:
        shapes["absolute_pos_embed"] = (1, config.positions, c)
    if config.patch_norm:
        add("patch_embed.norm", c)
    for layer, (depth, heads) in enumerate(zip(config.depths, config.num_heads, strict=True)):
        for block in range(depth):
            path = f"layers.{layer}.residual_group.blocks.{block}"
            add(f"{path}.norm1", c)
            shapes[f"{path}.attn.relative_position_bias_table"] = ((2 * config.window - 1) ** 2, heads)
            add(f"{path}.attn.qkv", 3 * c, c, bias=config.qkv_bias)
            add(f"{path}.attn.proj", c, c)
            add(f"{path}.norm2", c)
            add(f"{path}.mlp.fc1", config.hidden, c)
            add(f"{path}.mlp.fc2", c, config.hidden)
        residual(f"layers.{layer}.conv")
    add("norm", c)
    residual("conv_after_body")
    _add_tail(add, config, (like or {}).get("conv_before_upsample.0.weight", (64,))[0])
    return shapes


def _add_tail(add, config, features):
    c, channels = config.embed_dim, config.channels
    if config.upsampler == "pixelshuffledirect":
        return add("upsample.0", channels * config.upscale**2, c, 3, 3)
    if config.upsampler == "":
        return add("conv_last", channels, c, 3, 3)
    add("conv_before_upsample.0", features, c, 3, 3)
    if config.upsampler == "pixelshuffle":
        for i, factor in enumerate(factors(config.upscale)):
            add(f"upsample.{2 * i}", features * factor**2, features, 3, 3)
    else:
        for name in (*("conv_up1", "conv_up2")[: config.upscale // 2], "conv_hr"):
            add(name, features, features, 3, 3)
    return add("conv_last", channels, features, 3, 3)


def factors(scale):
    """Pixel-shuffle factors of the classical tail: twos for a power of two, else the scale (3) itself.

    Examples
    --------
    >>> factors(8), factors(3)
    ([2, 2, 2], [3])
    """
    power = scale.bit_length() - 1
    return [2] * power if scale == 2**power else [scale]
