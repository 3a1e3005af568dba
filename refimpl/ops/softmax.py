"""Softmax over the last axis."""

import numpy as np


def softmax(x):
    """exp(x) / sum exp(x) along the last axis, shifted by the maximum so that nothing overflows.

    Parameters
    ----------
    x : ndarray, (..., N)

    Returns
    -------
    ndarray, (..., N)
        Every row is positive and sums to one.

    References
    ----------
    N. Higham, P. Blanchard, D. Higham, "Accurately computing the log-sum-exp and softmax functions", IMA J. Numerical
    Analysis 41(4), 2021, eq. 1.2b and section 5. doi:10.1093/imanum/draa038

    Examples
    --------
    >>> softmax(np.array([0.0, np.log(3.0)]))
    array([0.25, 0.75])
    """
    y = np.exp(x - x.max(axis=-1, keepdims=True))  # (..., N)
    return y / y.sum(axis=-1, keepdims=True)
