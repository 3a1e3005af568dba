"""Pictures in tiles: where memory is short, and as a package does that takes one size only.

A tile with a halo of the network's reach gives what the whole picture gives: the sums are the same ones in the same
order. SwinIR has no such reach: its windows attend to one another through all layers, so that what lies outside a tile
is missed inside. Its tiles begin at whole windows, the halo is a choice, and `seam` measures what remains.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np

from ...refimpl.errors import BadInput

Progress = Callable[[float, int], None]


class Part(NamedTuple):
    """A tile along one axis, in pixels of the picture: [first, last) is read, [start, stop) is kept."""

    first: int
    last: int
    start: int
    stop: int


class Tile(NamedTuple):
    """What one run of a network reads and what of its result is kept."""

    rows: Part
    columns: Part


def halo_plan(height: int, width: int, tile: tuple[int, int], halo: int) -> list[Tile]:
    """Tiles that keep (height, width) of ``tile`` and read ``halo`` pixels around, none beyond the picture.

    Examples
    --------
    >>> [tile.rows for tile in halo_plan(20, 8, (16, 8), 4)]
    [Part(first=0, last=20, start=0, stop=16), Part(first=12, last=20, start=16, stop=20)]
    """
    rows, columns = (halo_parts(size, side, halo) for size, side in zip((height, width), tile, strict=True))
    return [Tile(row, column) for row in rows for column in columns]


def halo_parts(size: int, side: int, halo: int) -> list[Part]:
    """`halo_plan` along one axis."""
    starts = range(0, size, side)
    return [Part(max(0, n - halo), min(size, n + side + halo), n, min(size, n + side)) for n in starts]


def check_tile(tile: tuple[int, int], overlap: int, scale: float) -> None:
    """To be asked before any work is done: tiles can be of one size and overlap so.

    Parameters
    ----------
    tile : tuple of int
        (height, width) in pixels.
    overlap : int
        Pixels that neighbours share at least.
    scale : float
        Of the network: tiles begin at whole pixels of the result.

    Raises
    ------
    BadInput

    Examples
    --------
    >>> check_tile((64, 64), 16, 2)
    """
    _check_tile(tile, overlap, _step(scale))


def _step(scale):
    return Fraction(scale).limit_denominator(64).denominator


def fixed_plan(height: int, width: int, tile: tuple[int, int], overlap: int, step: int = 1) -> list[Tile]:
    """Tiles of one size, as a package of that size is run over a picture.

    They begin at every ``tile - overlap`` pixels; the last ones are moved inwards, so that they overlap more and no
    pixel is invented. Between two neighbours the picture changes over in the middle of what both see. A script on a
    device that follows these numbers computes the same picture, see `fixed_tiles`.

    Parameters
    ----------
    height, width : int
        Multiples of ``step``, and not smaller than the tile: `fixed_tiles` repeats the edge of smaller pictures.
    tile : tuple of int
        (height, width) in pixels.
    overlap : int
        Pixels that neighbours share at least.
    step : int
        Tiles begin and change over at multiples of it: 2 for a network that makes 3 pixels of 2.

    Raises
    ------
    BadInput

    Examples
    --------
    >>> [tile.columns for tile in fixed_plan(8, 20, (8, 8), 2)]  # doctest: +NORMALIZE_WHITESPACE
    [Part(first=0, last=8, start=0, stop=7), Part(first=6, last=14, start=7, stop=13),
     Part(first=12, last=20, start=13, stop=20)]
    """
    _check_tile(tile, overlap, step)
    rows, columns = (_fixed_parts(size, side, overlap, step) for size, side in zip((height, width), tile, strict=True))
    return [Tile(row, column) for row in rows for column in columns]


def _check_tile(tile, overlap, step):
    if min(tile) < 1 or not 0 <= overlap < min(tile):
        raise BadInput(
            f"tiles of {tile[0]} x {tile[1]} pixels overlap by {overlap}, expected 0 or more and less than a side; "
            "choose another overlap"
        )
    if any(n % step for n in (*tile, overlap)):
        raise BadInput(
            f"tiles of {tile[0]} x {tile[1]} pixels overlap by {overlap}, expected multiples of {step}, because the "
            "network's scale is no whole number; choose others"
        )


def _fixed_parts(size, tile, overlap, step):
    firsts = [*range(0, size - tile, tile - overlap), size - tile]
    cuts = [(a + tile + b) // 2 // step * step for a, b in pairwise(firsts)]
    bounds = zip(firsts, [0, *cuts], [*cuts, size], strict=True)
    return [Part(first, first + tile, start, stop) for first, start, stop in bounds]


def run_tiles(run, x: np.ndarray, tiles: list[Tile], scale: float) -> np.ndarray:
    """Call ``run`` for what every tile reads, and put together what they keep.

    Parameters
    ----------
    run : callable
        From (N, C, h, w) to (N, C, s h, s w).
    x : ndarray, (N, C, H, W)
    tiles : list of Tile
    scale : float
        Times everything that a tile begins or ends at, a whole number.

    Returns
    -------
    ndarray, (N, C, s H, s W)
        Of one tile: what ``run`` returned.
    """
    y = None
    for tile in tiles:
        part = _kept(run, x, tile, scale)
        if len(tiles) == 1:
            return part
        if y is None:
            y = np.empty((*x.shape[:2], *(_scaled(n, scale) for n in x.shape[2:])), part.dtype)
        rows, columns = (slice(_scaled(p.start, scale), _scaled(p.stop, scale)) for p in tile)
        y[:, :, rows, columns] = part
    assert y is not None
    return y


def run_rows(run, x: np.ndarray, tiles: list[Tile], scale: float) -> Iterator[tuple[int, int, np.ndarray]]:
    """The same, row of tiles by row of tiles, so that nobody need hold the whole result.

    Yields
    ------
    start, stop : int
        Rows of x.
    y : ndarray, (N, C, s (stop - start), s W)
    """
    for rows, several in groupby(tiles, key=lambda tile: tile.rows):
        yield rows.start, rows.stop, _beside(run, x, several, scale)


def _beside(run, x, tiles, scale):
    """What the tiles of one row keep."""
    parts = [_kept(run, x, tile, scale) for tile in tiles]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=3)


def _kept(run, x, tile, scale):
    """What a tile keeps of its result."""
    rows, columns = tile
    y = run(x[:, :, rows.first : rows.last, columns.first : columns.last])  # (N, C, s h, s w)
    inside = [slice(_scaled(p.start - p.first, scale), _scaled(p.stop - p.first, scale)) for p in tile]
    return y[:, :, inside[0], inside[1]]


def _scaled(pixels, scale):
    return int(pixels * Fraction(scale).limit_denominator(64))


def fixed_tiles(run, x: np.ndarray, tile, overlap: int, scale: float, progress: Progress = lambda done, total: None):
    """The picture that a package of one size gives, tile by tile.

    Parameters
    ----------
    run : callable
        From (N, C, h, w) of the tile's size to (N, C, s h, s w): a compiled network, the golden reference, or a
        package, ``lambda x: program.predict({"x": x})["y"]``.
    x : ndarray, (N, C, H, W)
        A side that is smaller than the tile is continued by its last row or column.
    tile : int or tuple of int
        Side, or (height, width).
    overlap : int
    scale : float
    progress : callable
        Called with tiles done and tiles in all.

    Returns
    -------
    ndarray, (N, C, floor(s H), floor(s W))
        A tile of the picture's size gives what ``run`` gives.

    Raises
    ------
    BadInput
        When the tiles do not suit the network's scale or one another.

    Examples
    --------
    >>> twice = lambda x: x.repeat(2, axis=2).repeat(2, axis=3)
    >>> fixed_tiles(twice, np.zeros((1, 3, 5, 20)), tile=8, overlap=2, scale=2).shape
    (1, 3, 10, 40)
    """
    tile = (tile, tile) if isinstance(tile, int) else tuple(tile)
    step = _step(scale)
    height, width = (max(side, -(-n // step) * step) for n, side in zip(x.shape[2:], tile, strict=True))
    tiles = fixed_plan(height, width, tile, overlap, step)
    done = iter(range(1, len(tiles) + 1))

    def one(part):
        part = run(part)
        progress(next(done), len(tiles))
        return part

    return cropped(run_tiles(one, continued(x, height, width), tiles, scale), x, scale)


def continued(x, height, width):
    """The picture with its last row and column repeated up to a size."""
    below, right = height - x.shape[2], width - x.shape[3]
    return np.pad(x, ((0, 0), (0, 0), (0, below), (0, right)), mode="edge") if below or right else x


def cropped(y, x, scale):
    """The part of y that x became."""
    return y[:, :, : int(scale * x.shape[2]), : int(scale * x.shape[3])]
