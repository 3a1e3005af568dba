"""The Gaussian error linear unit, exact."""

import math

from ..numerics.erf import erf


def gelu(x):
    """x Phi(x) with the normal distribution function Phi, by the error function (no tanh approximation).

    Parameters
    ----------
    x : ndarray, any shape

    Returns
    -------
    ndarray of the same shape and dtype

    References
    ----------
    D. Hendrycks, K. Gimpel, "Gaussian Error Linear Units (GELUs)", 2016, section 2. arXiv:1606.08415

    Examples
    --------
    >>> gelu(np.array([-1.0, 0.0, 1.0])).round(6)
    array([-0.158655,  0.      ,  0.841345])
    """
    return x * (0.5 * (1 + erf(x / math.sqrt(2)))).astype(x.dtype)
