"""The numbers of a photograph made larger: colours through the network, alpha beside them, every bit kept."""

import numpy as np
from PIL import Image

from ...kernels.pictures.tile_plan import plan_tiles, run_plan
from ...kernels.pictures.tiling import fixed_tiles
from .alpha import filled
from .curve import decoded, encoded
from .flat import keep_flat
from .photo import colours_of
from .shadows import keep_shadows
from .size import Target

STRIP = 256  # rows that are converted at a time


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
    runs = target.passes * runs_of(fast, pixels.shape[2])
    done, progress = 0, progress or (lambda done, total: None)
    channels = pixels.shape[2]
    result = np.empty((target.height, target.width, channels), pixels.dtype)
    colours = colours_of(channels)
    for part in _parts(channels):
        x = _network_input(pixels, part, most, colours, linear)
        for _ in range(target.passes):
            way = _in_fixed_tiles(fast, *fixed) if fixed else _in_memory(fast, x, max_memory, halo)
            x, done = _pass(fast, x, way, done, runs, progress)
        _store(result[..., part], x, target, most, linear and part.stop == colours)
    return result


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


def _in_memory(fast, x, max_memory, halo):
    """As a whole or in tiles; what is flat stays flat."""
    plan = plan_tiles(fast, x.shape[2], x.shape[3], max_memory, halo)

    def run(part, progress):
        y = run_plan(fast, part, plan, progress)
        keep_shadows(y, part)
        keep_flat(y, part)
        return y

    return run


def _in_fixed_tiles(fast, tile, overlap):
    """As a package does, which knows nothing of what is flat."""
    return lambda part, progress: fixed_tiles(fast, part, tile, overlap, fast.scale, progress)


def _pass(fast, x, way, done, runs, progress):
    """Once through the network: grey as three equal colours, colours one by one where it knows only grey."""

    def run(part):
        nonlocal done
        y = way(part, lambda now, total: progress(done + now / total, runs))
        done += 1
        return np.clip(y, 0, 1, out=y)

    known = fast.model.config.channels
    if known == x.shape[1]:
        return run(x), done
    if known == 1:
        return np.concatenate([run(x[:, c : c + 1]) for c in range(x.shape[1])], axis=1), done
    return run(np.repeat(x, 3, axis=1)).mean(axis=1, keepdims=True), done


def _store(result, x, target, most, linear):
    """Round the pixels into the result, (H, W, C), resampled where they have another size."""
    if target.resampled:
        x = np.stack([_resampled(plane, target) for plane in x[0]])[None]
    for top in range(0, len(result), STRIP):
        strip = np.clip(x[0, :, top : top + STRIP], 0, 1).transpose(1, 2, 0)
        strip = decoded(strip.astype(np.float64)) if linear else strip
        result[top : top + STRIP] = np.rint(strip * np.float64(most))


def _resampled(plane, target):
    """One colour at the target's size, in float32; antialiased where it shrinks."""
    return np.asarray(Image.fromarray(plane).resize((target.width, target.height), Image.Resampling.LANCZOS))
