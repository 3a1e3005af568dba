"""ReLU1, the clip to [0, 1] that QuickSRNet uses for every activation."""

import numpy as np


def relu1(x):
    """Clip to [0, 1]: min(max(x, 0), 1).

    Parameters
    ----------
    x : ndarray, any shape

    Returns
    -------
    ndarray of the same shape and dtype

    References
    ----------
    G. Berger et al., "QuickSRNet", CVPR Workshops 2023, section 3.1. arXiv:2303.04336

    Examples
    --------
    >>> relu1(np.array([-0.5, 0.25, 2.0]))
    array([0.  , 0.25, 1.  ])
    """
    return np.clip(x, 0, 1)
