"""A pass through the network whose result is corrected and handed on band by band, and never held as a whole."""

from collections.abc import Iterator

import numpy as np

from ...kernels.pictures.tile_plan import Plan, plan_rows, run_plan
from .flat import keep_flat
from .shadows import RADIUS, keep_shadows

HELD = 4  # a row of tiles, the same with rows above, and copies that are corrected: the last one is still in use


def corrected_bands(fast, x: np.ndarray, plan: Plan, progress) -> Iterator[tuple[int, np.ndarray]]:
    """What the network makes of a picture, shadows and flat areas kept.

    Parameters
    ----------
    fast : Upscaler
    x : ndarray, (N, C, H, W)
    plan : Plan
        A band is a row of its tiles; a plan of one tile gives the whole picture.
    progress : callable

    Yields
    ------
    top : int
        Row of the result.
    y : ndarray, (N, C, rows, floor(s W))
    """
    if len(plan.tiles) == 1:
        y = run_plan(fast, x, plan, progress)
        correct(y, x)
        yield 0, y
        return
    first, done, height = 0, 0, x.shape[2]  # rows of x: what the buffer begins with, and what was handed on
    buffer = np.empty((*x.shape[:2], 0, int(fast.scale * x.shape[3])), np.float32)
    for _, stop, rows in plan_rows(fast, x, plan, progress):
        buffer = np.concatenate([buffer, rows], axis=2)
        ready = height if stop == height else max(done, stop - RADIUS)  # a correction looks so far down
        y = buffer.copy()
        correct(y, x[:, :, first:stop])
        top, bottom, above = (int(fast.scale * row) for row in (done, ready, first))
        yield top, y[:, :, top - above : bottom - above]
        kept = max(0, ready - RADIUS)  # and so far up
        buffer = buffer[:, :, int(fast.scale * kept) - above :].copy()
        first, done = kept, ready


def correct(y: np.ndarray, x: np.ndarray) -> None:
    """Keep what a network must not change: the mean of shadows, and what is flat.

    Parameters
    ----------
    y : ndarray, (N, C, s H, s W)
        Changed in place.
    x : ndarray, (N, C, H, W)
    """
    keep_shadows(y, x)
    keep_flat(y, x)
