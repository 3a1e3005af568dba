"""Training patches: high-resolution pictures and seeded random crops of both."""

from pathlib import Path

import numpy as np
from PIL import Image

from ...refimpl.errors import BadInput

SUFFIXES = {".png", ".jpg", ".jpeg"}


def read_pictures(folders):
    """Every PNG and JPEG under some folders, in a fixed order.

    Returns
    -------
    list of (Path, ndarray)
        uint8, (3, H, W).

    Raises
    ------
    BadInput
        When there is none in one of them.
    """
    paths = []
    for folder in folders:
        found = [p for p in Path(folder).rglob("*") if p.suffix.lower() in SUFFIXES]
        if not found:
            raise BadInput(f"there is no PNG or JPEG under {folder}, expected pictures; name a folder that holds some")
        paths += found
    return [(path, np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1)) for path in sorted(paths)]


class Patches:
    """Random crops, a pure function of (seed, iteration): a resumed run sees what an unbroken one would have seen.

    Parameters
    ----------
    pairs : list of (lr, hr)
        uint8 pictures, (3, h, w) and (3, scale h, scale w).
    scale, size, batch : int
        Upscaling factor; low-resolution patch side; patches per batch.
    seed : int
    """

    def __init__(self, pairs, scale, size, batch, seed):
        self.pairs = [pair for pair in pairs if min(pair[0].shape[1:]) >= size]
        if not self.pairs:
            raise BadInput(
                f"no picture that is trained on holds a patch, expected one of {scale * size} x {scale * size} pixels "
                "or more; add larger pictures or use smaller patches"
            )
        self.scale, self.size, self.batch, self.seed = scale, size, batch, seed
        areas = np.array([lr.shape[1] * lr.shape[2] for lr, _ in self.pairs], np.float64)
        self.chance = areas / areas.sum()  # every pixel equally likely, not every picture

    def __call__(self, iteration):
        """The batch of one iteration: float32 (B, 3, size, size) and (B, 3, scale size, scale size), in [0, 1]."""
        rng = np.random.default_rng((self.seed, iteration))
        lows, highs = zip(*(self._one(rng) for _ in range(self.batch)), strict=True)
        return np.stack(lows).astype(np.float32) / 255, np.stack(highs).astype(np.float32) / 255

    def _one(self, rng):
        lr, hr = self.pairs[rng.choice(len(self.pairs), p=self.chance)]
        top, left = (int(rng.integers(n - self.size + 1)) for n in lr.shape[1:])
        s, n = self.scale, self.size
        low = lr[:, top : top + n, left : left + n]
        high = hr[:, s * top : s * (top + n), s * left : s * (left + n)]
        turns, flip = int(rng.integers(4)), bool(rng.integers(2))  # the eight symmetries of the square
        low, high = (np.rot90(p, turns, axes=(1, 2)) for p in (low, high))
        return (low[:, :, ::-1], high[:, :, ::-1]) if flip else (low, high)
