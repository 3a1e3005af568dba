"""SwinIR's hyper-parameters, and the shapes of the parameters that they ask for."""

from dataclasses import dataclass

from .swin_widths import Block

FEATURES = 64  # of the tail, in every official network


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
        Blocks and attention heads of every residual group, as the constructor takes them; where channels of heads were
        removed the latter cannot be told and is the most heads that a block of the group has.
    window : int
        Side of an attention window.
    multiple_of_window : int
        What the picture is padded to a multiple of: the constructor's ``window_size``. It differs from ``window`` only
        when the network was built for images smaller than a window.
    shifted : bool
        Whether every second block shifts its windows.
    hidden : int
        Width of the multilayer perceptrons; of the widest where hidden channels were removed.
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
    uneven : tuple of tuple of Block
        Widths of every block of every group where heads or channels were removed; empty where none were. Read `blocks`.
    tail : tuple of int
        Features in front of the tail's second convolution, of its third and so on; empty where all are 64 or the tail
        has one convolution only.
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
    uneven: tuple[tuple[Block, ...], ...] = ()
    tail: tuple[int, ...] = ()

    @property
    def blocks(self) -> tuple[tuple[Block, ...], ...]:
        """Heads and widths of block j of group i, at [i][j]: of every network, even or not."""
        return self.uneven or even_blocks(self.embed_dim, self.depths, self.num_heads, self.hidden)

    @property
    def paths(self) -> dict[str, Block]:
        """Every block by module path, in execution order."""
        groups = enumerate(self.blocks)
        return {f"layers.{i}.residual_group.blocks.{j}": b for i, group in groups for j, b in enumerate(group)}

    @property
    def even(self) -> bool:
        """Whether the official constructor builds networks of this form: nothing was removed."""
        return not self.uneven and not self.tail

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


def even_blocks(embed_dim, depths, num_heads, hidden):
    """The blocks that the constructor builds, as in `Config.blocks`."""
    widths = [Block(heads, embed_dim // heads, embed_dim // heads, hidden) for heads in num_heads]
    return tuple((block,) * depth for block, depth in zip(widths, depths, strict=True))


def query_scale(config, parameters, path):
    """What the queries of a block are multiplied by.

    Parameters
    ----------
    config : Config
    parameters : mapping of str to ndarray
    path : str
        Of the block, as ``layers.0.residual_group.blocks.1``.

    Returns
    -------
    float or ndarray
        The scalar that the checkpoint or a package carries; else ``qk_scale``; else d^-1/2.

    Examples
    --------
    >>> config = Config(3, 32, (1,), (2,), 8, 8, True, 64, "pixelshuffledirect", 2)
    >>> query_scale(config, {}, "layers.0.residual_group.blocks.0")
    0.25
    """
    scale = config.paths[path].qk_width ** -0.5 if config.qk_scale is None else config.qk_scale
    return parameters.get(f"{path}.attn:query.value", scale)


def parameter_shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Shape of every parameter, by state_dict key.

    Examples
    --------
    >>> parameter_shapes(Config(3, 32, (1,), (2,), 8, 8, True, 64, "", 1))["norm.weight"]
    (32,)
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
    for layer, group in enumerate(config.blocks):
        for index, block in enumerate(group):
            path = f"layers.{layer}.residual_group.blocks.{index}"
            add(f"{path}.norm1", c)
            shapes[f"{path}.attn.relative_position_bias_table"] = ((2 * config.window - 1) ** 2, block.heads)
            add(f"{path}.attn.qkv", block.qkv_rows, c, bias=config.qkv_bias)
            add(f"{path}.attn.proj", c, block.heads * block.v_width)
            add(f"{path}.norm2", c)
            add(f"{path}.mlp.fc1", block.hidden, c)
            add(f"{path}.mlp.fc2", c, block.hidden)
        residual(f"layers.{layer}.conv")
    add("norm", c)
    residual("conv_after_body")
    _add_tail(add, config)
    return shapes


def _add_tail(add, config):
    c, channels = config.embed_dim, config.channels
    if config.upsampler == "pixelshuffledirect":
        return add("upsample.0", channels * config.upscale**2, c, 3, 3)
    if config.upsampler == "":
        return add("conv_last", channels, c, 3, 3)
    if config.upsampler == "pixelshuffle":
        grown = {f"upsample.{2 * i}": factor**2 for i, factor in enumerate(factors(config.upscale))}
    else:
        grown = dict.fromkeys((*("conv_up1", "conv_up2")[: config.upscale // 2], "conv_hr"), 1)
    features = config.tail or (FEATURES,) * (1 + len(grown))
    add("conv_before_upsample.0", features[0], c, 3, 3)
    for (name, growth), before, behind in zip(grown.items(), features, features[1:], strict=False):
        add(name, growth * behind, before, 3, 3)
    return add("conv_last", channels, features[-1], 3, 3)


def factors(scale):
    """Pixel-shuffle factors of the classical tail: twos for a power of two, else the scale (3) itself.

    Examples
    --------
    >>> factors(8), factors(3)
    ([2, 2, 2], [3])
    """
    power = scale.bit_length() - 1
    return [2] * power if scale == 2**power else [scale]
