"""Shadows keep their mean: near black a network adds a tint that 16 bits show, and a clip keeps it there."""

import numpy as np

STRIP = 256  # rows at a time
RADIUS = 4  # pixels around, of the mean that is kept
FULL, NONE = (
    4 / 255,
    8 / 255,
)  # mean of the brightest colour up to which the whole error is taken off, and none any more


def keep_shadows(y: np.ndarray, x: np.ndarray) -> None:
    """Where a picture is nearly black, take off what the network adds to the mean of 9 x 9 pixels.

    One step of back projection, of the lowest frequencies only. Brighter pixels stay bit for bit.

    Parameters
    ----------
    y : ndarray, (N, C, s H, s W)
        What a network made of x; changed in place. Where s is no whole number nothing is.
    x : ndarray, (N, C, H, W)
        In [0, 1].

    References
    ----------
    M. Irani, S. Peleg, "Improving Resolution by Image Registration", CVGIP 53 (1991). doi:10.1016/1049-9652(91)90045-L

    Examples
    --------
    >>> y = np.full((1, 1, 4, 4), 0.01)
    >>> keep_shadows(y, np.full((1, 1, 2, 2), 0.002))
    >>> bool(np.allclose(y, 0.002))
    True
    """
    height, width = x.shape[2], x.shape[3]
    scale = y.shape[2] // height
    if y.shape[2:] != (scale * height, scale * width):
        return
    above = None  # errors of the rows above, where they were taken off
    for top in range(0, height, STRIP):
        stop, first = min(height, top + STRIP), max(0, top - RADIUS)
        rows = slice(first, min(height, stop + RADIUS))
        inner = slice(top - first, stop - first)
        share = _share(x[:, :, rows])[:, :, inner]
        if not share.any():
            above = None
            continue
        error = _error(y, x, scale, rows)
        if above is not None:
            error[:, :, : top - first] = above
        above = error[:, :, inner][:, :, -RADIUS:].copy()
        mean = _box(error)[:, :, inner] * share  # (N, C, rows, W)
        y[:, :, scale * top : scale * stop] -= mean.repeat(scale, axis=2).repeat(scale, axis=3)


def _error(y, x, scale, rows):
    """By how much each pixel's block lies above it, (N, C, rows, W)."""
    part = y[:, :, scale * rows.start : scale * rows.stop]
    blocks = part.reshape(*part.shape[:2], rows.stop - rows.start, scale, -1, scale)
    return blocks.mean(axis=(3, 5)) - x[:, :, rows]


def _share(x):
    """How much of the error is taken off, (N, 1, rows, W)."""
    brightest = x.max(axis=1, keepdims=True)
    if brightest.min() >= NONE:
        return np.zeros_like(brightest)
    return np.clip((NONE - _box(brightest)) / np.float32(NONE - FULL), 0, 1)


def _box(values):
    """Mean of the pixels that there are within `RADIUS`; sums in one order, so that rows may be given in parts."""
    for axis in (2, 3):
        size, reach = values.shape[axis], [(RADIUS, RADIUS) if i == axis else (0, 0) for i in range(4)]
        padded = np.pad(values, reach)
        total = np.zeros_like(values)
        for shift in range(2 * RADIUS + 1):
            total += padded[(slice(None),) * axis + (slice(shift, shift + size),)]
        near = np.minimum(np.arange(size), RADIUS) + np.minimum(np.arange(size)[::-1], RADIUS) + 1
        values = total / near.reshape([-1 if i == axis else 1 for i in range(4)]).astype(values.dtype)
    return values
