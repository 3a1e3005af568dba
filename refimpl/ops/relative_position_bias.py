"""A learnt bias for every displacement between two tokens of a window."""

import numpy as np


def relative_position_index(window):
    """Row of the bias table for every pair of tokens.

    Parameters
    ----------
    window : int

    Returns
    -------
    ndarray of int, (window^2, window^2)
        ``(dy + window - 1) (2 window - 1) + dx + window - 1`` for the displacement (dy, dx) from key to query.

    References
    ----------
    Z. Liu et al., "Swin Transformer", ICCV 2021, eq. 4. arXiv:2103.14030

    Examples
    --------
    >>> relative_position_index(2)
    array([[4, 3, 1, 0],
           [5, 4, 2, 1],
           [7, 6, 4, 3],
           [8, 7, 5, 4]])
    """
    y, x = np.divmod(np.arange(window * window), window)
    dy, dx = (n[:, None] - n[None, :] + window - 1 for n in (y, x))
    return dy * (2 * window - 1) + dx


def relative_position_bias(table, window):
    """Gather the bias of every head and pair of tokens.

    Parameters
    ----------
    table : ndarray, ((2 window - 1)^2, heads)
    window : int

    Returns
    -------
    ndarray, (heads, window^2, window^2)

    Examples
    --------
    >>> relative_position_bias(np.arange(9.0)[:, None], 2)[0, 0]
    array([4., 3., 1., 0.])
    """
    return table[relative_position_index(window)].transpose(2, 0, 1)
