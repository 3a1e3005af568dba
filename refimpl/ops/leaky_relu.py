"""The leaky rectified linear unit."""

import numpy as np


def leaky_relu(x, slope):
    """x where it is positive, slope x elsewhere.

    Parameters
    ----------
    x : ndarray, any shape
    slope : float
        SwinIR has 0.2 between the three convolutions of a 3conv connection and in its real-world tail, and 0.01
        behind ``conv_before_upsample``.

    Returns
    -------
    ndarray of the same shape and dtype

    Examples
    --------
    >>> leaky_relu(np.array([-2.0, 3.0]), 0.5)
    array([-1.,  3.])
    """
    return np.where(x > 0, x, x * x.dtype.type(slope))
