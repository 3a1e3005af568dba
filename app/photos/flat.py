"""What is flat stays flat: white stays 255 and black 0, whatever a network makes of them."""

import numpy as np

STRIP = 256  # rows at a time


def keep_flat(y: np.ndarray, x: np.ndarray) -> None:
    """Where a pixel and its eight neighbours are equal, the result takes their value.

    A network gives a flat area its value up to some thousandths, or up to two of 255 levels at black: an error that no
    eye needs and that 16 bits show.

    Parameters
    ----------
    y : ndarray, (N, C, s H, s W)
        What a network made of x; changed in place. Where s is no whole number nothing is.
    x : ndarray, (N, C, H, W)

    Examples
    --------
    >>> y = np.full((1, 1, 6, 6), 0.99)
    >>> keep_flat(y, np.ones((1, 1, 3, 3)))
    >>> bool((y == 1).all())
    True
    """
    height, width = x.shape[2:]
    scale = y.shape[2] // height
    if y.shape[2:] != (scale * height, scale * width):
        return
    for top in range(0, height, STRIP):
        stop = min(height, top + STRIP)
        above, below = min(1, top), min(1, height - stop)
        part = x[:, :, top - above : stop + below]
        flat = _flat(np.pad(part, [(0, 0), (0, 0), (1 - above, 1 - below), (1, 1)], "edge"))
        if flat.any():
            mask = flat.repeat(scale, axis=1).repeat(scale, axis=2)[:, None]  # (N, 1, s rows, s W)
            values = x[:, :, top:stop].repeat(scale, axis=2).repeat(scale, axis=3)
            np.copyto(y[:, :, scale * top : scale * stop], values, where=mask)


def _flat(padded):
    """(N, H, W): whether all colours of the 3 x 3 pixels are equal, of (N, C, H + 2, W + 2)."""
    across = (padded[..., 1:-1] == padded[..., :-2]) & (padded[..., 1:-1] == padded[..., 2:])
    middle = padded[..., 1:-1]
    down = (middle[:, :, 1:-1] == middle[:, :, :-2]) & (middle[:, :, 1:-1] == middle[:, :, 2:])
    return (across[:, :, 1:-1] & across[:, :, :-2] & across[:, :, 2:] & down).all(axis=1)
