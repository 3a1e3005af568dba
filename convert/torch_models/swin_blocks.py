"""The Swin Transformer blocks of the PyTorch SwinIR.

Written so that it traces cleanly: no tensor of more than five axes and no arithmetic on traced shapes. What has no
module of its own goes through `Stepping.step`, where a recorder sees it under its layer name.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn


class Stepping(nn.Module):
    """A module with named steps between its children."""

    path = ""
    recorder = None  # callable (layer name, value) -> value, set by whoever wants to see or round the steps

    def step(self, name: str, value: Tensor) -> Tensor:
        """Hand a value to the recorder, if there is one."""
        return value if self.recorder is None else self.recorder(f"{self.path}:{name}", value)


@dataclass(frozen=True)
class Widths:
    """What a block has inside: heads and channels may have been removed from each block differently.

    Attributes
    ----------
    heads : int
    qk_width, v_width : int
        Channels of one head's queries and keys, and of its values.
    hidden : int
        Of the multilayer perceptron.
    query_scale : float, optional
        That the queries were trained with, where the state_dict holds it (``...attn:query.value``, float64); by default
        ``qk_scale``, or else qk_width^-1/2.
    """

    heads: int
    qk_width: int
    v_width: int
    hidden: int
    query_scale: float | None = None


class Mlp(nn.Module):
    """Two linear layers with a GELU between."""

    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))


class WindowAttention(Stepping):
    """Attention inside windows of ``window`` x ``window`` tokens, with a relative position bias."""

    def __init__(self, dim: int, window: int, widths: Widths, qkv_bias: bool, qk_scale: float | None):
        super().__init__()
        self.window, self.heads, self.qk_width, self.v_width = window, widths.heads, widths.qk_width, widths.v_width
        self.scale = (qk_scale or widths.qk_width**-0.5) if widths.query_scale is None else widths.query_scale
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, widths.heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.relative_position_index: Tensor
        self.register_buffer("relative_position_index", self._index(window))
        self.qkv = nn.Linear(dim, widths.heads * (2 * widths.qk_width + widths.v_width), bias=qkv_bias)
        self.proj = nn.Linear(widths.heads * widths.v_width, dim)

    @staticmethod
    def _index(window: int) -> Tensor:
        grid = torch.stack(torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")).flatten(1)
        apart = (grid[:, :, None] - grid[:, None, :]).permute(1, 2, 0) + window - 1  # (N, N, 2)
        return apart[:, :, 0] * (2 * window - 1) + apart[:, :, 1]

    def _split(self, qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B nW, N, rows of qkv) as queries, keys and values, each (B nW, heads, N, its width)."""
        tokens, heads, d = self.window**2, self.heads, self.qk_width  # Python integers, whatever traces
        if self.v_width == d:
            qkv = qkv.reshape(-1, tokens, 3, heads, d).permute(2, 0, 3, 1, 4)
            return qkv[0], qkv[1], qkv[2]
        qk, v = qkv.split([2 * heads * d, heads * self.v_width], dim=-1)
        # five axes here too: a converter moves a mere transposition behind the scale of the queries
        qk = qk.reshape(-1, tokens, 2, heads, d).permute(2, 0, 3, 1, 4)  # (2, B nW, heads, N, d)
        return qk[0], qk[1], v.reshape(-1, tokens, heads, self.v_width).transpose(1, 2)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """x: (B nW, N, C); mask: (B nW, 1, N, N) or None."""
        tokens = self.window**2
        q, k, v = self._split(self.qkv(x))  # (B nW, heads, N, d)
        q = self.step("query", q * self.scale)
        scores = self.step("scores", q @ k.transpose(-2, -1))  # (B nW, heads, N, N)
        bias = self.relative_position_bias_table[self.relative_position_index.view(-1)]
        bias = bias.view(tokens, tokens, self.heads).permute(2, 0, 1)  # (heads, N, N)
        scores = self.step("bias", scores + bias.unsqueeze(0))
        if mask is not None:
            scores = self.step("mask", scores + mask)
        weights = self.step("softmax", scores.softmax(dim=-1))
        summed = (weights @ v).transpose(1, 2).reshape(-1, tokens, self.heads * self.v_width)
        return self.proj(self.step("weighted_sum", summed))


class SwinTransformerBlock(Stepping):
    """x + attention(norm1(x)), then x + mlp(norm2(x))."""

    def __init__(self, dim, img_size, widths, shift, window, qkv_bias, qk_scale):
        super().__init__()
        if min(img_size) <= window:  # one window covers the image that it is built for: no shift, at any size
            window, shift = min(img_size), 0
        self.dim, self.window, self.shift = dim, window, shift
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, window, widths, qkv_bias, qk_scale)
        self.stores_scale = widths.query_scale is not None
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, widths.hidden)
        self.register_buffer("attn_mask", self.mask(img_size[0], img_size[1]) if shift else None)

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        """Where the widths no more tell the scale of the queries, it is stored: as float64, whatever the module is."""
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if self.stores_scale:
            destination[f"{prefix}attn:query.value"] = torch.tensor(self.attn.scale, dtype=torch.float64)

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing, unexpected, errors):
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing, unexpected, errors)
        key = f"{prefix}attn:query.value"
        if not self.stores_scale:
            return
        if key in state_dict:
            self.attn.scale = float(state_dict[key])
            unexpected[:] = [name for name in unexpected if name != key]
        else:
            missing.append(key)

    def mask(self, height: int, width: int) -> Tensor:
        """-100 between tokens of different regions of the shifted image: float32, (nW, N, N).

        Made by NumPy, so that a trace sees one constant and not the slices that it is made of.
        """
        w, cuts = self.window, (slice(0, -self.window), slice(-self.window, -self.shift), slice(-self.shift, None))
        region = np.zeros((height, width))
        for i, rows in enumerate(cuts):
            for j, columns in enumerate(cuts):
                region[rows, columns] = 3 * i + j
        tokens = region.reshape(height // w, w, width // w, w).transpose(0, 2, 1, 3).reshape(-1, w * w)  # (nW, N)
        apart = tokens[:, None, :] != tokens[:, :, None]
        return torch.from_numpy(np.where(apart, np.float32(-100), np.float32(0)))

    def partition(self, x: Tensor, height: int, width: int) -> Tensor:
        """(B, H, W, C) to (B nW, N, C), by way of five axes: rows of windows first."""
        w, c = self.window, x.shape[-1]
        x = x.reshape(-1, w, width // w, w, c).transpose(1, 2)  # (B H/w, W/w, w, w, C)
        return x.reshape(-1, w * w, c)

    def reverse(self, windows: Tensor, height: int, width: int) -> Tensor:
        """(B nW, N, C) to (B, H, W, C)."""
        w = self.window
        x = windows.reshape(-1, width // w, w, w, self.dim).transpose(1, 2)  # (B H/w, w, W/w, w, C)
        return x.reshape(-1, height, width, self.dim)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """x: (B, H W, C)."""
        height, width = size
        shortcut = x
        y = self.norm1(x).reshape(-1, height, width, self.dim)  # (B, H, W, C)
        mask = None
        if self.shift:
            y = self.step("cyclic_shift", torch.roll(y, (-self.shift, -self.shift), dims=(1, 2)))
            mask = self.mask(height, width).to(x).unsqueeze(1)  # (nW, 1, N, N)
            batch = x.shape[0] if isinstance(x.shape[0], int) else 1  # a package is traced for one picture
            mask = mask if batch == 1 else mask.repeat(batch, 1, 1, 1)
        windows = self.step("window_partition", self.partition(y, height, width))  # (B nW, N, C)
        y = self.step("window_reverse", self.reverse(self.attn(windows, mask), height, width))
        if self.shift:
            y = self.step("shift_back", torch.roll(y, (self.shift, self.shift), dims=(1, 2)))
        x = self.step("residual", shortcut + y.reshape(-1, height * width, self.dim))
        return x + self.mlp(self.norm2(x))


def connection(dim: int, kind: str) -> nn.Module:
    """The convolution that closes a residual connection: "1conv" or "3conv"."""
    if kind == "1conv":
        return nn.Conv2d(dim, dim, 3, 1, 1)
    quarter = dim // 4
    return nn.Sequential(
        nn.Conv2d(dim, quarter, 3, 1, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(quarter, quarter, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(quarter, dim, 3, 1, 1),
    )


class Blocks(nn.Module):
    """The blocks of a residual group, every second one shifted."""

    def __init__(self, blocks):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        for block in self.blocks:
            x = block(x, size)
        return x


class RSTB(nn.Module):
    """Residual Swin Transformer block: x + conv(blocks(x))."""

    def __init__(self, dim, blocks, resi_connection):
        super().__init__()
        self.dim = dim
        self.residual_group = Blocks(blocks)
        self.conv = connection(dim, resi_connection)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        image = to_image(self.residual_group(x, size), size, self.dim)
        return x + to_tokens(self.conv(image))


def to_image(tokens: Tensor, size: tuple[int, int], dim: int) -> Tensor:
    """(B, H W, C) to (B, C, H, W)."""
    return tokens.transpose(1, 2).reshape(-1, dim, *size)


def to_tokens(image: Tensor) -> Tensor:
    """(B, C, H, W) to (B, H W, C)."""
    return image.flatten(2).transpose(1, 2)
