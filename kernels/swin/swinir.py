"""SwinIR on the fast kernels: which layer runs where, and what lies in memory meanwhile.

Two feature maps are kept: the residual of the group, and what its blocks work on. The features of the first
convolution, which the end needs again, are computed again.
"""

from collections.abc import Callable

import numpy as np

from ...refimpl.errors import BadInput
from ...refimpl.models import Model
from ...refimpl.models.swinir import MEAN, query_scale
from ...refimpl.ops import reflect_pad
from ..cache import Kernel
from ..maps.direct import Conv3x3, conv3x3_rows
from ..maps.layer_norm import MapNorm, map_norm_row
from ..maps.layout import clear_outside, copy_map, to_map
from ..maps.winograd import WinogradConv, convolve_blocks
from ..memory import aligned
from .blocks import ROW_KERNELS, SwinBlocks
from .pack import SwinLayer, pack_swin_layer
from .tail import Tail

FEW = 16  # channels
Progress = Callable[[int, int], None]


class SwinIR:
    """A compiled SwinIR; made by `karat.compile`.

    Parameters
    ----------
    model : Model
    precision : {"float32", "bfloat16"}
        Of the products inside Swin Transformer blocks; sums, norms, softmax and convolutions are float32.
    threads : int
    """

    def __init__(self, model: Model, precision: str, threads: int):
        self.model, self.config, self.parameters = model, model.config, model.parameters
        self.precision, self.threads = precision, threads
        self.convolutions: dict[str, str] = {}  # kernel by layer
        self.first = self._convolution("conv_first")
        self.norms = {name: self._norm(name) for name in ("patch_embed.norm", "norm") if self._has(name)}
        self.groups = [self._packed_blocks(index) for index in range(len(self.config.depths))]
        self.blocks = SwinBlocks([layer for group in self.groups for layer in group], precision, threads)
        self.residuals = [self._residual(f"layers.{index}.conv") for index in range(len(self.groups))]
        self.after_body = self._residual("conv_after_body")
        self.tail = Tail(self.config, self._convolution, self.parameters, threads)

    def __call__(self, x: np.ndarray, progress: Progress = lambda done, total: None) -> np.ndarray:
        """Upscale x, (N, channels, H, W) float32 in [0, 1], to (N, channels, sH, sW).

        ``progress`` is called with parts done and parts in all.
        """
        config, (height, width), scale = self.config, x.shape[2:], self.config.upscale
        padded = reflect_pad(x, config.multiple_of_window)
        mean = MEAN if config.channels == 3 else np.zeros(1, np.float32)
        size = padded.shape[2:]
        rows, columns = (4 * scale * -(-n // 4) for n in size)
        out = np.empty((len(x), config.channels, rows, columns), np.float32)
        parts = len(x) * (sum(config.depths) + 1)
        done = iter(range(1, parts + 1))
        for picture, target in zip(padded, out, strict=True):
            pixels = to_map((picture - mean[:, None, None]) * np.float32(config.img_range))
            clear_outside(pixels, *size)
            features = self._deep_features(pixels, size, lambda: progress(next(done), parts))
            self.tail(features, pixels, size, mean, target)
            progress(next(done), parts)
        return out[:, :, : scale * height, : scale * width]

    def _deep_features(self, pixels, size, done):
        """conv_after_body of all groups, with the features of the first convolution added."""
        x = aligned((*pixels.shape[:2], self.config.embed_dim, 16))  # (H/4, W/4, C, 16)
        work = aligned(x.shape)
        self.first(pixels, x, None, self.threads)
        if "patch_embed.norm" in self.norms:
            self.norms["patch_embed.norm"](x, self.threads)
        self._add_positions(x, size)
        scratch = self.blocks.scratch(size[0])
        for group, residual in zip(self.groups, self.residuals, strict=True):
            copy_map(x, work, self.threads)
            for layer in group:
                self.blocks(layer, work, size, scratch)
                done()
            residual(work, x, x, size)
        self.norms["norm"](x, self.threads)
        self.after_body(x, work, None, size)
        self.first(pixels, work, work, self.threads)
        return work

    def _add_positions(self, x, size):
        if not self.config.positions:
            return
        if size[0] * size[1] != self.config.positions:
            raise BadInput(
                f"the padded picture has {size[0]} x {size[1]} pixels and the network's position embedding "
                f"{self.config.positions}; give a picture of the size that it was trained on"
            )
        table = np.asarray(self.parameters["absolute_pos_embed"], np.float32)[0]  # (H W, C)
        x += to_map(table.T.reshape(-1, *size))

    def plan(self) -> list[tuple[str, str]]:
        """Layer name and kernel of every layer, in execution order."""
        kernels = self.convolutions | dict.fromkeys(self.norms, MapNorm.name)
        kernels |= {layer: step.name for step in self.tail.steps for layer in step.layers}
        return [(name, kernels.get(name) or self._without_kernel(name)) for name in self.model.layers]

    def _without_kernel(self, name):
        """Where a layer goes that has no kernel of its own."""
        if ".residual_group.blocks." in name:
            return f"fused Swin layer, {self.precision}"
        if name in (":pad", ":normalise", "patch_embed", ":absolute_position"):
            return "on the way in (NumPy)"
        if name in (":denormalise", ":crop", "upsample.1"):
            return "on the way out (pixel shuffle)"
        known = self.model.layers[name] in ("add", "leaky_relu")
        return "in the convolution before it" if known else "slow: no kernel"

    def needed(self) -> list[Kernel]:
        """The kernels that must be compiled."""
        return [ROW_KERNELS[self.precision], conv3x3_rows, convolve_blocks, map_norm_row, *self.tail.kernels]

    def memory(self, height: int, width: int) -> int:
        """Bytes that a picture of this size needs beside itself, the result included."""
        config, step = self.config, self.config.multiple_of_window
        rows, columns = (-(-(-(-n // step) * step) // 4) for n in (height, width))
        pixels = rows * columns * 16
        maps = (2.5 if config.three_convolutions else 2) * config.embed_dim
        pictures = (4 + config.upscale**2) * config.channels  # padded, normalised, as a map, the result
        floats = (maps + pictures) * pixels + self.tail.floats(rows, columns)
        return int(4 * floats) + self.blocks.workers(height) * self.blocks.scratch_bytes

    def _has(self, name):
        return f"{name}.weight" in self.parameters

    def _convolution(self, name, slope=1.0):
        weight, bias = self.parameters[f"{name}.weight"], self.parameters[f"{name}.bias"]
        # direct is nearer to exact, and where channels are few it costs little of the whole
        few = min(weight.shape[:2]) < FEW or weight.shape[-1] == 1
        packed = (Conv3x3 if few else WinogradConv)(weight, bias, slope)
        self.convolutions[name] = packed.name
        return packed

    def _residual(self, name):
        """The convolution at the end of a group: one, or three with leaky ReLUs between."""
        steps = ((f"{name}.0", 0.2), (f"{name}.2", 0.2), (f"{name}.4", 1.0))
        *before, last = [self._convolution(*step) for step in ([(name, 1.0)] if self._has(name) else steps)]

        def run(source, target, residual, size):
            for packed in before:
                clear_outside(source, *size)
                between = aligned((*source.shape[:2], packed.out_channels, 16))
                packed(source, between, None, self.threads)
                source = between
            clear_outside(source, *size)
            last(source, target, residual, self.threads)

        return run

    def _norm(self, name):
        return MapNorm(self.parameters[f"{name}.weight"], self.parameters[f"{name}.bias"])

    def _packed_blocks(self, group) -> list[SwinLayer]:
        config, packed = self.config, []
        for index in range(config.depths[group]):
            path = f"layers.{group}.residual_group.blocks.{index}."
            own = {key.removeprefix(path): value for key, value in self.parameters.items() if key.startswith(path)}
            heads = config.blocks[group][index].heads
            scale = query_scale(config, self.parameters, path.removesuffix("."))
            shift = config.window // 2 if config.shifted and index % 2 else 0
            packed.append(pack_swin_layer(own, heads, config.window, shift, scale, self.precision))
        return packed
