"""A linear layer on the last axis."""


def linear(x, weight, bias=None):
    """y = x W^T + b.

    Parameters
    ----------
    x : ndarray, (..., C)
    weight : ndarray, (O, C)
    bias : ndarray, (O,), optional

    Returns
    -------
    ndarray, (..., O)

    Examples
    --------
    >>> linear(np.array([1.0, 2.0]), np.array([[3.0, 4.0]]), np.array([0.5]))
    array([11.5])
    """
    y = x @ weight.T  # (..., O)
    return y if bias is None else y + bias
