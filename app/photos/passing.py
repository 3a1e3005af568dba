"""Through the network, as often and in as many parts as a picture needs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...kernels.pictures.tile_plan import plan_tiles, run_plan
from ...kernels.pictures.tiling import fixed_tiles
from .bands import HELD, correct, corrected_bands


@dataclass
class Passing:
    """Passes through the network: grey as three equal colours, colours one by one where it knows only grey.

    Attributes
    ----------
    fast : Upscaler
    runs : int
        In all passes, for the progress.
    max_memory, halo, fixed, progress
        See `enlarge`.
    done : int
        Runs so far.
    """

    fast: Any
    runs: int
    max_memory: int | None
    halo: int | None
    fixed: tuple[tuple[int, int], int] | None
    progress: Callable | None
    done: int = 0

    def whole(self, x):
        """(1, C, s H, s W), of (1, C, H, W)."""
        parts = [self._run_whole(part, merge) for _, part, merge in self._asked(x)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def bands(self, x):
        """Yield channels, the first row, and those rows of the result."""
        for channels, part, merge in self._asked(x):
            for top, y in self._run_bands(part):
                yield channels, top, merge(np.clip(y, 0, 1, out=y))

    def _asked(self, x):
        """(channels, what the network is given, what makes these channels of its answer)."""
        known, count = self.fast.model.config.channels, x.shape[1]
        if known == count:
            return [(slice(0, count), x, lambda y: y)]
        if known == 1:
            return [(slice(c, c + 1), x[:, c : c + 1], lambda y: y) for c in range(count)]
        return [(slice(0, 1), np.repeat(x, 3, axis=1), lambda y: y.mean(axis=1, keepdims=True))]

    def _run_whole(self, x, merge):
        if self.fixed:
            y = self._in_fixed_tiles(x, *self.fixed)
        else:
            plan = plan_tiles(self.fast, x.shape[2], x.shape[3], self.max_memory, self.halo)
            y = run_plan(self.fast, x, plan, self._tell)
            correct(y, x)
        self.done += 1
        return merge(np.clip(y, 0, 1, out=y))

    def _run_bands(self, x):
        if self.fixed:
            yield 0, self._in_fixed_tiles(x, *self.fixed)
        else:
            plan = plan_tiles(self.fast, x.shape[2], x.shape[3], self.max_memory, self.halo, HELD)
            yield from corrected_bands(self.fast, x, plan, self._tell)
        self.done += 1

    def _in_fixed_tiles(self, x, tile, overlap):
        """As a package does, which knows nothing of what is flat."""
        return fixed_tiles(self.fast, x, tile, overlap, self.fast.scale, self._tell)

    def _tell(self, done, total):
        if self.progress:
            self.progress(self.done + done / total, self.runs)
