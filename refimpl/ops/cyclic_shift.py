"""The cyclic shift that lets the windows of every second block straddle those of the one before."""

import numpy as np


def cyclic_shift(x, shift):
    """Move an image up and left by ``shift`` pixels; what leaves at one side enters at the other.

    Parameters
    ----------
    x : ndarray, (B, H, W, C)
    shift : int
        Negative to move back.

    Returns
    -------
    ndarray, (B, H, W, C)

    References
    ----------
    Z. Liu et al., "Swin Transformer", ICCV 2021, section 3.2, figure 4. arXiv:2103.14030

    Examples
    --------
    >>> cyclic_shift(np.arange(3).reshape(1, 1, 3, 1), 1)[0, 0, :, 0]
    array([1, 2, 0])
    """
    return np.roll(x, (-shift, -shift), axis=(1, 2))
