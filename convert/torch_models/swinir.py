"""SwinIR in PyTorch: the twin whose ``state_dict`` keys and constructor are the official ones."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from .swin_blocks import RSTB, Stepping, SwinTransformerBlock, Widths, connection, to_image, to_tokens

MEAN = (0.4488, 0.4371, 0.4040)


class Embed(nn.Module):
    """Holds the norm of ``patch_embed``, which is all that the official module has of parameters."""

    def __init__(self, dim: int, patch_norm: bool):
        super().__init__()
        self.norm = nn.LayerNorm(dim) if patch_norm else None

    def forward(self, image: Tensor) -> Tensor:
        tokens = to_tokens(image)
        return tokens if self.norm is None else self.norm(tokens)


def upsample(scale: int, features: int) -> nn.Sequential:
    """Convolution and pixel shuffle by two for every power of two; by three for three."""
    if scale & (scale - 1) == 0:
        factors = [2] * (scale.bit_length() - 1)
    elif scale == 3:
        factors = [3]
    else:
        raise ValueError(f"the classical tail exists for powers of two and 3, not for {scale}; choose one of those")
    layers: list[nn.Module] = []
    for factor in factors:
        layers += [nn.Conv2d(features, features * factor**2, 3, 1, 1), nn.PixelShuffle(factor)]
    return nn.Sequential(*layers)


class SwinIR(Stepping):
    """Image restoration with Swin Transformer blocks.

    The constructor's arguments are the official ones; dropout rates and checkpointing are accepted and, as in
    evaluation, do nothing. One more, ``widths``, is for networks from which heads or channels were removed.

    Parameters
    ----------
    widths : sequence of sequence of Widths, optional
        Of block j of group i at [i][j], instead of what ``num_heads`` and ``mlp_ratio`` say.

    Raises
    ------
    ValueError
        For widths of other groups and blocks than ``depths`` has, an embed_dim that is no multiple of the heads, a
        patch size other than 1, an unknown tail, or a real-world tail (nearest+conv) of a scale other than 2 and 4,
        which the official code takes in silence and returns at twofold.

    References
    ----------
    J. Liang et al., "SwinIR: Image Restoration Using Swin Transformer", ICCV Workshops 2021. arXiv:2108.10257

    Examples
    --------
    >>> net = SwinIR(img_size=8, embed_dim=12, depths=[2], num_heads=[2], window_size=4, mlp_ratio=2,
    ...              upscale=2, upsampler="pixelshuffledirect")
    >>> net(torch.zeros(1, 3, 9, 7)).shape
    torch.Size([1, 3, 18, 14])
    """

    def __init__(
        self,
        img_size: int | tuple[int, int] = 64,
        patch_size: int = 1,
        in_chans: int = 3,
        embed_dim: int = 96,
        depths=(6, 6, 6, 6),
        num_heads=(6, 6, 6, 6),
        window_size: int = 7,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        drop_rate: float = 0.0,
        attn_drop_rate: float = 0.0,
        drop_path_rate: float = 0.1,
        norm_layer=nn.LayerNorm,
        ape: bool = False,
        patch_norm: bool = True,
        use_checkpoint: bool = False,
        upscale: int = 2,
        img_range: float = 1.0,
        upsampler: str = "",
        resi_connection: str = "1conv",
        widths: Sequence[Sequence[Widths]] | None = None,
    ):
        super().__init__()
        if patch_size != 1 or norm_layer is not nn.LayerNorm:
            raise ValueError(
                "SwinIR has patches of one pixel and LayerNorm; leave patch_size and norm_layer as they are"
            )
        if upsampler == "nearest+conv" and upscale not in (2, 4):
            raise ValueError(f"nearest+conv exists for x2 and x4, not for x{upscale}; choose one of those")
        size = (img_size, img_size) if isinstance(img_size, int) else img_size
        self.window_size, self.upscale, self.upsampler, self.img_range = window_size, upscale, upsampler, img_range
        self.embed_dim, self.fixed_size = embed_dim, None
        self.mean = torch.tensor(MEAN).view(1, 3, 1, 1) if in_chans == 3 else torch.zeros(1, 1, 1, 1)
        self.conv_first = nn.Conv2d(in_chans, embed_dim, 3, 1, 1)
        self.patch_embed = Embed(embed_dim, patch_norm)
        self.absolute_pos_embed = None
        if ape:
            self.absolute_pos_embed = nn.Parameter(torch.zeros(1, size[0] * size[1], embed_dim))
            nn.init.trunc_normal_(self.absolute_pos_embed, std=0.02)

        shifts = (0, window_size // 2)
        options = (window_size, qkv_bias, qk_scale)
        if widths is None:
            widths = _even_widths(embed_dim, depths, num_heads, mlp_ratio)
        elif [len(group) for group in widths] != list(depths):
            found = ", ".join(str(len(group)) for group in widths)
            raise ValueError(f"widths are of {found} blocks and depths {list(depths)}; give one Widths for every block")
        self.layers = nn.ModuleList(
            RSTB(
                embed_dim,
                [SwinTransformerBlock(embed_dim, size, own, shifts[i % 2], *options) for i, own in enumerate(group)],
                resi_connection,
            )
            for group in widths
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.conv_after_body = connection(embed_dim, resi_connection)
        self._build_tail(in_chans, embed_dim, upscale, upsampler)
        self.apply(_initialise)
        for name, module in self.named_modules():
            if isinstance(module, Stepping):
                module.path = name

    def _build_tail(self, channels, dim, upscale, upsampler, features=64):
        if upsampler in ("pixelshuffle", "nearest+conv"):
            self.conv_before_upsample = nn.Sequential(nn.Conv2d(dim, features, 3, 1, 1), nn.LeakyReLU(0.01))
        if upsampler == "pixelshuffle":
            self.upsample = upsample(upscale, features)
            self.conv_last = nn.Conv2d(features, channels, 3, 1, 1)
        elif upsampler == "pixelshuffledirect":
            shuffle = nn.PixelShuffle(upscale)
            self.upsample = nn.Sequential(nn.Conv2d(dim, channels * upscale**2, 3, 1, 1), shuffle)
        elif upsampler == "nearest+conv":
            self.conv_up1 = nn.Conv2d(features, features, 3, 1, 1)
            if upscale == 4:
                self.conv_up2 = nn.Conv2d(features, features, 3, 1, 1)
            self.conv_hr = nn.Conv2d(features, features, 3, 1, 1)
            self.conv_last = nn.Conv2d(features, channels, 3, 1, 1)
        elif upsampler == "":
            self.conv_last = nn.Conv2d(dim, channels, 3, 1, 1)
        else:
            raise ValueError(f"upsampler is {upsampler!r}; choose pixelshuffle, pixelshuffledirect, nearest+conv or ''")

    def forward(self, x: Tensor) -> Tensor:
        """Restore x, (N, channels, H, W) in [0, 1], to (N, channels, sH, sW)."""
        height, width = self.fixed_size or (x.shape[2], x.shape[3])
        below, right = -height % self.window_size, -width % self.window_size
        if below or right:
            x = functional.pad(x, (0, right, 0, below), "reflect")
        x = self.step("pad", x)
        mean = self.mean.to(x)
        x = self.step("normalise", (x - mean) * self.img_range)
        first = self.conv_first(x)
        y = self.step("features", self._deep_features(first, (height + below, width + right)) + first)
        y = self._tail(y)
        if self.upsampler == "":
            y = self.step("global_residual", x + y)
        y = self.step("denormalise", y / self.img_range + mean)
        return self.step("crop", y[:, :, : height * self.upscale, : width * self.upscale])

    def _deep_features(self, image: Tensor, size: tuple[int, int]) -> Tensor:
        y = self.patch_embed(image)
        if self.absolute_pos_embed is not None:
            y = self.step("absolute_position", y + self.absolute_pos_embed)
        for layer in self.layers:
            y = layer(y, size)
        return self.conv_after_body(to_image(self.norm(y), size, self.embed_dim))

    def _tail(self, y: Tensor) -> Tensor:
        if self.upsampler == "pixelshuffle":
            return self.conv_last(self.upsample(self.conv_before_upsample(y)))
        if self.upsampler == "pixelshuffledirect":
            return self.upsample(y)
        if self.upsampler == "":
            return self.conv_last(y)
        y = self.conv_before_upsample(y)
        for name in ("conv_up1", "conv_up2") if self.upscale == 4 else ("conv_up1",):
            y = self.named_step(f"{name}:nearest", functional.interpolate(y, scale_factor=2, mode="nearest"))
            y = self.named_step(f"{name}:leaky_relu", functional.leaky_relu(getattr(self, name)(y), 0.2))
        y = self.named_step("conv_hr:leaky_relu", functional.leaky_relu(self.conv_hr(y), 0.2))
        return self.conv_last(y)

    def named_step(self, name: str, value: Tensor) -> Tensor:
        """A step that belongs to one of the tail's convolutions."""
        return value if self.recorder is None else self.recorder(name, value)


def _even_widths(dim, depths, num_heads, mlp_ratio):
    """As the official code makes them: every head gets its share, every block of a group is alike."""
    if any(dim % heads for heads in num_heads):
        raise ValueError(f"embed_dim {dim} is shared by {list(num_heads)} heads; give a multiple of each")
    of = [Widths(heads, dim // heads, dim // heads, int(dim * mlp_ratio)) for heads in num_heads]
    return [[own] * depth for own, depth in zip(of, depths, strict=True)]


def _initialise(module: nn.Module):
    """Linear weights from a truncated normal of standard deviation 0.02, their biases zero, as in the official code."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
