"""The eight orientations of a picture: as EXIF numbers them, and as HEIF composes them."""

import numpy as np

from .found import SWAPPED


def turn(pixels, orientation):
    """A stored picture, upright.

    Parameters
    ----------
    pixels : ndarray, (H, W, ...)
    orientation : int
        EXIF's tag 274, 1 to 8.

    Returns
    -------
    ndarray, (H, W, ...) or (W, H, ...)
        C-contiguous.

    Examples
    --------
    >>> turn(np.array([[1, 2], [3, 4]]), 6)
    array([[3, 1],
           [4, 2]])
    """
    if orientation in SWAPPED:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def composed(steps):
    """The orientation that equals several turns after each other.

    Parameters
    ----------
    steps : sequence of (str, int)
        ("irot", quarter turns anticlockwise) and ("imir", 0 for top and bottom exchanged, 1 for left and right), in the
        order in which they are applied (ISO/IEC 23008-12, 6.5.10 and 6.5.12).

    Returns
    -------
    int

    Examples
    --------
    >>> composed([("irot", 3)])
    6
    """
    probe = np.arange(6).reshape(2, 3)
    result = probe
    for kind, value in steps:
        result = np.rot90(result, value) if kind == "irot" else np.flip(result, value)
    return next(n for n in range(1, 9) if np.array_equal(turn(probe, n), result))
