"""Reflect padding at the bottom and right, up to a whole number of windows."""

import numpy as np


def reflect_pad(x, multiple_of):
    """Mirror the picture (without its edge) at the bottom and right until both sides are multiples.

    Parameters
    ----------
    x : ndarray, (N, C, H, W)
    multiple_of : int

    Returns
    -------
    ndarray, (N, C, H', W')
        Where a side is shorter than what is missing, the mirror image is mirrored again, as ``numpy.pad`` does.
        PyTorch refuses there.

    Examples
    --------
    >>> reflect_pad(np.arange(3).reshape(1, 1, 1, 3), 5)[0, 0, 0]
    array([0, 1, 2, 1, 0])
    """
    below, right = (-n % multiple_of for n in x.shape[2:])
    return np.pad(x, ((0, 0), (0, 0), (0, below), (0, right)), mode="reflect")
