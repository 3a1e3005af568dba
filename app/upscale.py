"""Upscale one picture through the golden reference, band by band."""

from pathlib import Path

import numpy as np

from ..refimpl.load import load
from .picture import check_target, read_picture, write_picture

BAND = 64  # input rows at a time: 32 channels of a 12-megapixel photograph would need 1.5 GB a layer


def upscale(src, dst, model="zoo:quicksrnet-small-x2", progress=lambda done, total: None):
    """Upscale a PNG or JPEG.

    Parameters
    ----------
    src, dst : path_like
        Input and output; the output's suffix chooses its format. The input is never overwritten.
    model : str, Path, mapping or Model
        What `karat.load` takes, or its result.
    progress : callable
        Called with rows done and rows in all.

    Raises
    ------
    BadInput
        Before any work, when the input, the output or the model cannot be used.

    Examples
    --------
    >>> upscale("photo.png", "large.png")  # doctest: +SKIP
    """
    check_target(dst, src, model if isinstance(model, (str, Path)) else None)
    pixels, info = read_picture(src)
    network = model if hasattr(model, "trace") else load(model)
    write_picture(dst, upscale_bands(network, pixels.astype(np.float32), progress), info)


def upscale_bands(model, x, progress=lambda done, total: None):
    """Upscale an image of any size in horizontal bands that overlap by the network's reach.

    Parameters
    ----------
    model : Model
        ``config.radius`` says how many input pixels away an output pixel still sees.
    x : ndarray, (1, 3, H, W)
        In [0, 1].
    progress : callable

    Returns
    -------
    ndarray, (1, 3, floor(s H), floor(s W))
        The same as of the whole image at once, but for the last bits of the sums.
    """
    height, width = x.shape[2:]
    step, scale, total = model.config.multiple_of, model.scale, int(model.scale * height)
    x = np.pad(x, ((0, 0), (0, 0), (0, -height % step), (0, -width % step)), mode="edge")
    radius = model.config.radius
    band = BAND if radius is not None else x.shape[2]  # without a bound it takes the whole picture at once
    halo = -(-(radius or 0) // step) * step
    out = np.empty((1, 3, int(x.shape[2] * scale), int(x.shape[3] * scale)), x.dtype)
    for top in range(0, x.shape[2], band):
        bottom = min(top + band, x.shape[2])
        first, last = max(0, top - halo), min(x.shape[2], bottom + halo)
        upscaled = model(x[:, :, first:last])  # (1, 3, s (last - first), s W)
        skip = int((top - first) * scale)
        rows = slice(int(top * scale), int(bottom * scale))
        out[:, :, rows] = upscaled[:, :, skip : skip + rows.stop - rows.start]
        progress(min(bottom, height), height)
    return out[:, :, :total, : int(scale * width)]
