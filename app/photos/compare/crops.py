"""Where before and after differ most."""

from dataclasses import dataclass

import numpy as np

SIDE, COUNT = 320, 3  # pixels of a crop at most, and crops of a picture
LEAST = 128  # pixels: a smaller one would show nothing
BLOCK = 16  # pixels: crops start at multiples of it, or end where the picture does
STRIP = 16  # rows of blocks at a time


@dataclass(frozen=True)
class Crop:
    """A part of a picture.

    Attributes
    ----------
    top, left, height, width : int
        In pixels.
    rms : float
        Root mean square of the difference in it, in levels of 255.
    """

    top: int
    left: int
    height: int
    width: int
    rms: float

    def of(self, pixels):
        """This part of (H, W, C)."""
        return pixels[self.top : self.top + self.height, self.left : self.left + self.width]


def side_of(height, width):
    """Pixels of a crop: a third of the shorter side, so that it shows more than the whole picture does.

    Examples
    --------
    >>> side_of(3000, 4000), side_of(512, 512), side_of(300, 450), side_of(40, 30)
    (320, 160, 128, 128)
    """
    return min(SIDE, max(LEAST, min(height, width) // (3 * BLOCK) * BLOCK))


def find_crops(before, after, side=None, count=COUNT):
    """Parts with the largest sums of squared differences, none over another.

    Parameters
    ----------
    before, after : ndarray of uint8, (H, W, 1 or 3)
        One of them may be grey.
    side : int, optional
        Pixels, a multiple of `BLOCK`; cut where the picture is smaller. `side_of` the picture by default.
    count : int
        At most so many: fewer where there is no room, or no difference; one at least.

    Returns
    -------
    list of Crop
        The largest sum first. The first holds as much as any part of this size that starts at multiples of `BLOCK`.

    Examples
    --------
    >>> before = np.zeros((64, 64, 1), np.uint8)
    >>> after = before.copy()
    >>> after[40, 50] = 255
    >>> found, = find_crops(before, after, side=32)
    >>> found.top <= 40 < found.top + 32 and found.left <= 50 < found.left + 32
    True
    """
    height, width = before.shape[:2]
    side = side or side_of(height, width)
    tall, wide = min(side, height), min(side, width)
    blocks = block_sums(before, after)
    sums = _window_sums(blocks, -(-tall // BLOCK), -(-wide // BLOCK))
    tops = np.minimum(BLOCK * np.arange(sums.shape[0]), height - tall)
    lefts = np.minimum(BLOCK * np.arange(sums.shape[1]), width - wide)
    found = []
    while len(found) < count:
        i, j = np.unravel_index(np.argmax(sums), sums.shape)
        if found and sums[i, j] <= 0:  # no difference is left, or no room
            break
        top, left = int(tops[i]), int(lefts[j])
        found.append(_crop(before, after, top, left, tall, wide))
        sums[np.ix_(np.abs(tops - top) < tall, np.abs(lefts - left) < wide)] = -1
    return found


def _crop(before, after, top, left, height, width):
    part = Crop(top, left, height, width, 0.0)
    difference = part.of(before) - part.of(after).astype(np.float64)
    return Crop(top, left, height, width, float(np.sqrt(np.mean(difference**2))))


def block_sums(before, after):
    """Sums of squared differences of every `BLOCK` x `BLOCK` pixels, those at the far edges smaller.

    Returns
    -------
    ndarray of float64, (ceil(H / BLOCK), ceil(W / BLOCK))
    """
    height, width = before.shape[:2]
    columns, rows = np.arange(0, width, BLOCK), []
    for top in range(0, height, BLOCK * STRIP):
        part = slice(top, top + BLOCK * STRIP)
        squares = ((before[part].astype(np.int32) - after[part]) ** 2).sum(axis=2)  # (rows, W)
        across = np.add.reduceat(squares, columns, axis=1, dtype=np.float64)
        rows.append(np.add.reduceat(across, np.arange(0, len(squares), BLOCK), axis=0))
    return np.concatenate(rows)


def _window_sums(blocks, tall, wide):
    """Sums of all tall x wide windows; of integers, so that none is rounded."""
    sums = np.pad(blocks.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    return sums[tall:, wide:] - sums[:-tall, wide:] - sums[tall:, :-wide] + sums[:-tall, :-wide]
