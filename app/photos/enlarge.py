"""The numbers of a photograph made larger: colours through the network, alpha beside them, every bit kept."""

import numpy as np
from PIL import Image

from .alpha import filled
from .curve import decoded, encoded
from .passing import Passing
from .photo import colours_of
from .size import Target

STRIP = 64  # rows that are converted at a time


def enlarge(fast, pixels, most, target: Target, *, linear=False, max_memory=None, halo=None, fixed=None, progress=None):
    """Pixels of the target's size.

    Parameters
    ----------
    fast : Upscaler
        Of `karat.compile`.
    pixels : ndarray of uint8 or uint16, (H, W, C)
        1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha; alpha is not multiplied into the colours.
    most : int
        The value of white, and of what is opaque.
    target : Target
    linear : bool
        Whether values are proportional to light: the network then sees them on sRGB's curve.
    max_memory, halo : int, optional
        See `karat.kernels.pictures.tile_plan.plan_tiles`.
    fixed : tuple, optional
        (tile, overlap): computed as a package of one size does it, see `karat.kernels.pictures.tiling.fixed_tiles`.
    progress : callable, optional
        Called with parts done and parts in all.

    Returns
    -------
    ndarray, (target height, target width, C)
        Of the type of ``pixels``.
    """
    channels = pixels.shape[2]
    colours = colours_of(channels)
    if colours == 3 and _is_grey(pixels):  # a network would tint it
        ways = {"linear": linear, "max_memory": max_memory, "halo": halo, "fixed": fixed, "progress": progress}
        one = enlarge(fast, pixels[..., [0, *range(3, channels)]], most, target, **ways)
        return one[..., [0, 0, 0, *range(1, one.shape[2])]]
    result = np.empty((target.height, target.width, channels), pixels.dtype)
    brightest = int(pixels[..., :colours].max()) if linear else None  # what a sensor saw: raw programs scale by it
    passing = Passing(fast, target.passes * runs_of(fast, channels), max_memory, halo, fixed, progress)
    for part in _parts(channels):
        x = _network_input(pixels, part, most, colours, linear)
        curved = linear and part.stop == colours
        in_bands = target.passes > 0 and not target.resampled  # then nobody needs all of the last pass at once
        for _ in range(target.passes - in_bands):
            x = passing.whole(x)
        if target.resampled:
            x = _resampled(x, target)
        for channel, top, y in passing.bands(x) if in_bands else [(slice(None), 0, x)]:
            _store(result[top : top + y.shape[2], :, part][..., channel], y, most, brightest if curved else None)
    return result


def _is_grey(pixels):
    """Whether red, green and blue are the same everywhere; most photographs show in a few rows that they are not."""
    rows = (pixels[top : top + STRIP, :, :3] for top in range(0, len(pixels), STRIP))
    return all((strip[..., :1] == strip[..., 1:]).all() for strip in rows)


def _parts(channels):
    """Colours, and alpha where there is one."""
    colours = colours_of(channels)
    return [slice(0, colours)] + ([slice(colours, channels)] if colours < channels else [])


def runs_of(fast, channels):
    """How often the network is asked in one pass: for colours, one by one where it knows only grey, and for alpha.

    Parameters
    ----------
    fast : Upscaler
    channels : int
        Of the picture.

    Returns
    -------
    int
    """
    one_by_one = fast.model.config.channels == 1
    return sum(3 if one_by_one and part.stop - part.start == 3 else 1 for part in _parts(channels))


def _network_input(pixels, part, most, colours, linear):
    """(1, C, H, W) float32 in [0, 1]."""
    x = pixels[..., part].transpose(2, 0, 1).astype(np.float32)  # (C, H, W)
    x /= np.float32(most)
    if part.start == 0:
        if linear:
            x = encoded(x).astype(np.float32)
        if colours < pixels.shape[2]:
            x = filled(x, pixels[..., -1] / np.float32(most))
    return x[None]


def _store(result, x, most, brightest):
    """Round (1, C, H, W) into the result, (H, W, C); with a brightest value it comes off sRGB's curve."""
    for top in range(0, len(result), STRIP):
        strip = np.clip(x[0, :, top : top + STRIP], 0, 1).transpose(1, 2, 0)
        strip = strip if brightest is None else decoded(strip.astype(np.float64))
        rounded = np.rint(strip * np.float64(most))
        result[top : top + STRIP] = rounded if brightest is None else np.minimum(rounded, brightest)


def _resampled(x, target):
    """At the target's size, in float32; antialiased where it shrinks."""
    size = (target.width, target.height)
    return np.stack([np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.LANCZOS)) for plane in x[0]])[None]
