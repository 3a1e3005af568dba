"""What turns SwinIR's features into a picture, band by band: at four times the size whole maps would not fit."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from ...refimpl.models.swinir_config import factors
from ...refimpl.models.swinir_derive import upsample_convolutions
from ..maps.layout import clear_outside
from ..maps.shuffle import (
    PICTURES,
    SHUFFLES,
    any_shuffle_row,
    nearest2_row,
    pixel_shuffle,
    upsample_nearest,
    write_picture,
)
from ..memory import aligned

BAND = 16  # rows of blocks at a time
HALO = 1  # rows of blocks above and below: a tail looks less than 3 pixels far


@dataclass
class Step:
    """A part of the tail.

    Attributes
    ----------
    layers : tuple of str
        That it computes.
    name : str
        Of the kernel.
    run : callable
        From a map and the same rows of the normalised picture to a map.
    channels, scale : int
        Of its map: the scale is that of the low-resolution picture.
    """

    layers: tuple[str, ...]
    name: str
    run: Callable
    channels: int
    scale: int


class Tail:
    """The tail of a network.

    Parameters
    ----------
    config : swinir.Config
    convolution : callable
        From a layer's name and the slope behind it to a packed convolution.
    threads : int
    """

    def __init__(self, config, convolution, parameters, threads):
        self.config, self.convolution, self.parameters, self.threads = config, convolution, parameters, threads
        self.steps: list[Step] = []
        self.kernels = []
        self.factor = 1  # of the last shuffle, straight into the picture
        build = {
            "pixelshuffle": self._pixelshuffle,
            "pixelshuffledirect": self._pixelshuffledirect,
            "nearest+conv": self._nearest_conv,
            "": self._no_upsampler,
        }
        build[config.upsampler]()
        self.kernels += [PICTURES[self.factor]] if self.factor in PICTURES else [any_shuffle_row, PICTURES[1]]

    def __call__(self, features, pixels, size, mean, out):
        """Write the picture.

        Parameters
        ----------
        features, pixels : ndarray, (H/4, W/4, C, 16) and (H/4, W/4, channels, 16)
            Deep features with the first ones added, and the normalised picture.
        size : tuple of int
            (H, W).
        mean : ndarray
            Of the channels; 0 or one for each.
        out : ndarray, (channels, 4 scale H/4, 4 scale W/4)
        """
        rows, scale = len(features), self.config.upscale
        means = np.broadcast_to(mean, (self.config.channels,))
        for top in range(0, rows, BAND):
            first, last = max(0, top - HALO), min(rows, top + BAND + HALO)
            height = min(size[0], 4 * last) - 4 * first
            y = features[first:last]
            for step in self.steps:
                zoom = len(y) // (last - first)
                clear_outside(y, height * zoom, size[1] * zoom)
                y = step.run(y, pixels[first:last])
            zoom = len(y) // (last - first)
            wanted = y[(top - first) * zoom : (min(top + BAND, rows) - first) * zoom]
            band = out[:, 4 * scale * top : 4 * scale * min(top + BAND, rows)]
            write_picture(wanted, self.factor, 1 / self.config.img_range, means, band, self.threads)

    def floats(self, rows, columns) -> int:
        """Floats of the largest two maps that follow one another, of a map of so many blocks."""
        band = min(rows, BAND + 2 * HALO) * columns * 16
        sizes = [0, *(step.channels * step.scale**2 for step in self.steps)]
        return band * max(a + b for a, b in zip(sizes, [*sizes[1:], 0], strict=True))

    def _append(self, layers, name, run, channels, zoom=1):
        scale = self.steps[-1].scale if self.steps else 1
        self.steps.append(Step(layers, name, run, channels, scale * zoom))

    def _convolve(self, name, activation=None, slope=1.0, residual=False):
        """A convolution, with the leaky ReLU behind it or the picture added to it."""
        packed = self.convolution(name, slope)

        def run(y, pixels):
            target = aligned((*y.shape[:2], packed.out_channels, 16))
            packed(y, target, pixels if residual else None, self.threads)
            return target

        layers = (name, activation) if activation else (name,)
        self._append(layers, packed.name, run, packed.out_channels)

    def _shuffle(self, name, factor):
        self.kernels.append(SHUFFLES.get(factor, any_shuffle_row))
        channels = self.steps[-1].channels // factor**2
        title = f"pixel shuffle x{factor}"
        self._append((name,), title, lambda y, _: pixel_shuffle(y, factor, self.threads), channels, factor)

    def _pixelshuffle(self):
        self._convolve("conv_before_upsample.0", "conv_before_upsample.1", 0.01)
        for name, factor in zip(upsample_convolutions(self.parameters), factors(self.config.upscale), strict=True):
            self._convolve(name)
            self._shuffle(f"upsample.{int(name.split('.')[1]) + 1}", factor)
        self._convolve("conv_last")

    def _pixelshuffledirect(self):
        self._convolve("upsample.0")
        self.factor = self.config.upscale  # upsample.1 goes straight into the picture

    def _nearest_conv(self):
        self._convolve("conv_before_upsample.0", "conv_before_upsample.1", 0.01)
        for name in ("conv_up1", "conv_up2"):
            if f"{name}.weight" in self.parameters:
                channels = self.steps[-1].channels
                run = partial(_nearest, self.threads)
                self._append((f"{name}:nearest",), "nearest neighbours x2", run, channels, 2)
                self._convolve(name, f"{name}:leaky_relu", 0.2)
        self.kernels.append(nearest2_row)
        self._convolve("conv_hr", "conv_hr:leaky_relu", 0.2)
        self._convolve("conv_last")

    def _no_upsampler(self):
        self._convolve("conv_last", residual=True)


def _nearest(threads, y, pixels):
    return upsample_nearest(y, threads)
