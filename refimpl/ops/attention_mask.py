"""The mask that keeps pixels apart which only the cyclic shift has made neighbours."""

import numpy as np

from .window_partition import window_partition

APART = -100.0  # added to a score; exp(-100) is 4e-44, and -1e9 would be -inf in half precision


def attention_mask(height, width, window, shift):
    """0 between tokens of the same region of the shifted image, -100 between others.

    The shifted image falls into nine regions: each axis is cut at ``-window`` and at ``-shift``.

    Parameters
    ----------
    height, width : int
        Multiples of ``window``.
    window, shift : int
        0 < shift < window.

    Returns
    -------
    ndarray of float64, (nW, window^2, window^2)

    References
    ----------
    Z. Liu et al., "Swin Transformer", ICCV 2021, section 3.2. arXiv:2103.14030

    Examples
    --------
    >>> attention_mask(2, 2, 2, 1)[0]
    array([[   0., -100., -100., -100.],
           [-100.,    0., -100., -100.],
           [-100., -100.,    0., -100.],
           [-100., -100., -100.,    0.]])
    """
    rows, columns = (_region(size, window, shift) for size in (height, width))
    region = 3 * rows[:, None] + columns  # (H, W)
    tokens = window_partition(region[None, :, :, None], window)[..., 0]  # (nW, window^2)
    return np.where(tokens[:, :, None] == tokens[:, None, :], 0.0, APART)


def _region(size, window, shift):
    """0, 1 or 2 for every position along an axis."""
    position = np.arange(size)
    return np.where(position < size - window, 0, np.where(position < size - shift, 1, 2))
