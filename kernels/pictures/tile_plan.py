"""Whether a picture is computed as a whole or in tiles, and how much memory that takes."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from ...refimpl.errors import BadInput
from .tiling import Progress, Tile, continued, cropped, halo_parts, halo_plan, run_rows, run_tiles

ALIGNMENT = 16  # of exact tiles: kernels compute blocks of 4 x 4 and tiles of transforms, and must find the same ones
HALO = 32  # where there is no exact one, see docs/performance.md
KEPT = 16  # rows of the picture, whose result is held beside a row of tiles while that is corrected
COMFORTABLE = 200 * 10**6  # bytes: larger tiles gain nothing: `python benchmarks/bands.py`
SMALLEST = 32  # pixels a side that a tile keeps at least: smaller ones are all halo


@dataclass(frozen=True)
class Plan:
    """How a picture is computed.

    Attributes
    ----------
    tiles : list of Tile
    memory : int
        Predicted bytes beside the picture, the result included, or what is held of it at a time.
    halo : int
        Pixels around every tile.
    exact : bool
        Whether the result is that of the whole picture.
    """

    tiles: list[Tile]
    memory: int
    halo: int
    exact: bool

    @property
    def line(self) -> str:
        """What people want to know of it."""
        memory = f"about {max(1, round(self.memory / 1e6))} MB"
        if len(self.tiles) == 1:
            return f"whole picture, {memory}"
        rows, columns = self.tiles[0]
        seams = "" if self.exact else "; seams are possible"
        size = f"{rows.stop} x {columns.stop} pixels with a halo of {self.halo}"
        return f"{len(self.tiles)} tiles of {size}, {memory}{seams}"


def plan_tiles(fast, height: int, width: int, max_memory=None, halo=None, held: int | None = None) -> Plan:
    """The whole picture, or where it needs more than ``max_memory`` the tiles that fit with the least work.

    Parameters
    ----------
    fast : Upscaler
        Of `karat.compile`.
    height, width : int
        Of the picture.
    max_memory : int, optional
        Bytes. Without it the whole picture; with ``held`` and a network of a bounded reach, tiles of `COMFORTABLE`
        bytes: they take as long.
    halo : int, optional
        Pixels that a tile of SwinIR reads around what it keeps, rounded up to whole windows. Networks of a bounded
        reach take that.
    held : int, optional
        Of a row of tiles `plan_rows` gives, how many copies whoever takes it holds; the whole result by default.

    Raises
    ------
    BadInput
        When not even the smallest tiles fit.
    """
    config = fast.model.config
    if halo is not None and halo < 0:
        raise BadInput(f"the halo is {halo} pixels, expected 0 or more; leave it out for {HALO}")
    height, width = (-(-n // config.multiple_of) * config.multiple_of for n in (height, width))
    exact = config.radius is not None
    unit = ALIGNMENT * config.multiple_of if exact else config.multiple_of_window
    whole = fast.memory(height, width)
    if max_memory is None and held is not None and exact:
        with suppress(BadInput):  # a picture so wide that no row of tiles fits
            return plan_tiles(fast, height, width, max(COMFORTABLE, whole // 4), halo, held)
    if max_memory is None or whole <= max_memory:
        return Plan(halo_plan(height, width, (height, width), 0), whole, 0, True)
    least = config.radius if exact else HALO if halo is None else halo
    around: int = -(-least // unit) * unit
    line = 4 * config.channels * fast.scale * int(width * fast.scale)  # bytes of the result for each row of the picture

    def result(rows):
        return int(line * (height if held is None else held * min(rows + KEPT, height)))

    fitting = []
    sides = [_sides(size, unit) for size in (height, width)]
    for rows in sides[0]:
        columns = _widest(fast, rows, sides[1], (height, width), around, max_memory - result(rows))
        if columns is not None:
            fitting.append((_reads(height, rows, around) * _reads(width, columns, around), -rows, columns))
    if not fitting:
        least = result(sides[0][-1])
        needed = least + _tile_memory(fast, (sides[0][-1], sides[1][-1]), (height, width), around)
        raise BadInput(
            f"max_memory is {max_memory} bytes and the smallest tiles need {needed}, with {around} pixels around them "
            f"and {least} bytes for the result; raise it"
        )
    _, rows, columns = min(fitting)
    memory = result(-rows) + _tile_memory(fast, (-rows, columns), (height, width), around)
    return Plan(halo_plan(height, width, (-rows, columns), around), memory, around, exact)


def run_plan(fast, x: np.ndarray, plan: Plan, progress: Progress = lambda done, total: None) -> np.ndarray:
    """Upscale a picture as planned; sides that do not suit the network are continued by their last row or column.

    Returns
    -------
    ndarray, (N, C, floor(s H), floor(s W))
    """
    height, width = (parts.stop for parts in plan.tiles[-1])
    one = _counted(fast, len(plan.tiles), progress)
    return cropped(run_tiles(one, continued(x, height, width), plan.tiles, fast.scale), x, fast.scale)


def plan_rows(
    fast, x: np.ndarray, plan: Plan, progress: Progress = lambda done, total: None
) -> Iterator[tuple[int, int, np.ndarray]]:
    """The same, row of tiles by row of tiles.

    Yields
    ------
    start, stop : int
        Rows of x.
    y : ndarray, (N, C, floor(s stop) - floor(s start), floor(s W))
    """
    height, width = (parts.stop for parts in plan.tiles[-1])
    one = _counted(fast, len(plan.tiles), progress)
    for start, stop, y in run_rows(one, continued(x, height, width), plan.tiles, fast.scale):
        stop = min(stop, x.shape[2])
        rows = int(fast.scale * stop) - int(fast.scale * start)
        yield start, stop, y[:, :, :rows, : int(fast.scale * x.shape[3])]


def _counted(fast, tiles, progress):
    """``fast`` that tells of its progress through all tiles."""
    begun = iter(range(tiles))

    def one(part):
        index = next(begun)
        return fast(part, lambda done, total: progress(index + done / total, tiles))

    return one


def _sides(size, unit):
    """Sides that cut an axis into 1, 2, 3 ... parts of whole units, largest first."""
    least = -(-SMALLEST // unit) * unit
    counts = range(1, -(-size // least) + 1)
    return sorted({-(-size // count // unit) * unit if count > 1 else size for count in counts}, reverse=True)


def _widest(fast, rows, columns, size, halo, memory):
    """The first of the columns, largest first, whose tiles fit."""
    low, high = 0, len(columns)
    while low < high:  # memory grows with the side
        middle = (low + high) // 2
        if _tile_memory(fast, (rows, columns[middle]), size, halo) <= memory:
            high = middle
        else:
            low = middle + 1
    return columns[low] if low < len(columns) else None


def _tile_memory(fast, tile, size, halo):
    """Of the largest one."""
    reads = (max(p.last - p.first for p in halo_parts(n, side, halo)) for n, side in zip(size, tile, strict=True))
    return fast.memory(*reads)


def _reads(size, side, halo):
    """Pixels that all tiles along an axis read."""
    return sum(part.last - part.first for part in halo_parts(size, side, halo))
