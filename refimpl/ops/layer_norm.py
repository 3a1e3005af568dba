"""Layer normalisation over the last axis."""

import numpy as np


def layer_norm(x, weight, bias, eps=1e-5):
    """Normalise every vector along the last axis, then scale and shift it.

    Parameters
    ----------
    x : ndarray, (..., C)
    weight, bias : ndarray, (C,)
    eps : float
        Added to the (biased) variance.

    Returns
    -------
    ndarray, (..., C)

    References
    ----------
    J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer Normalization", 2016, eq. 4. arXiv:1607.06450

    Examples
    --------
    >>> layer_norm(np.array([1.0, 3.0]), np.ones(2), np.zeros(2), eps=0.0)
    array([-1.,  1.])
    """
    centred = x - x.mean(axis=-1, keepdims=True)  # (..., C)
    variance = np.mean(centred * centred, axis=-1, keepdims=True)  # (..., 1)
    return centred / np.sqrt(variance + x.dtype.type(eps)) * weight + bias
