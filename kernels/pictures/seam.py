"""How far a picture in tiles is from the whole one: near the lines where tiles meet, and elsewhere."""

from dataclasses import dataclass

import numpy as np

from .tiling import halo_plan, run_tiles

NEAR = 8  # input pixels on either side of a line: one window


@dataclass(frozen=True)
class Seam:
    """Differences from the whole picture, in its unit.

    Attributes
    ----------
    largest, rms : float
        Within `NEAR` input pixels of a line where two tiles meet.
    elsewhere_largest, elsewhere_rms : float
    """

    largest: float
    rms: float
    elsewhere_largest: float
    elsewhere_rms: float


def seam(fast, x: np.ndarray, tile: int, halo: int, whole: np.ndarray | None = None) -> Seam:
    """Compute a picture in tiles and as a whole.

    Parameters
    ----------
    fast : callable
        A network with ``scale``: compiled, or the golden reference.
    x : ndarray, (N, C, H, W)
        Larger than a tile along one axis at least.
    tile, halo : int
        Pixels: what a tile keeps along either axis, and reads around it.
    whole : ndarray, optional
        ``fast(x)``, when it is known.
    """
    whole = fast(x) if whole is None else whole
    height, width = x.shape[2:]
    tiles = halo_plan(height, width, (tile, tile), halo)
    difference = np.abs(run_tiles(fast, x, tiles, fast.scale).astype(np.float64) - whole)  # (N, C, sH, sW)
    near = _near(height, tile, fast.scale)[:, None] | _near(width, tile, fast.scale)  # (sH, sW)
    return Seam(*_size(difference[..., near]), *_size(difference[..., ~near]))


def _near(size, tile, scale):
    """Which output pixels of an axis lie near a line."""
    at = (np.arange(int(scale * size)) + 0.5) / scale
    lines = np.arange(tile, size, tile)
    return (np.abs(at[:, None] - lines) < NEAR).any(axis=1)


def _size(difference):
    return (float(difference.max()), float(np.sqrt(np.mean(difference**2)))) if difference.size else (0.0, 0.0)
