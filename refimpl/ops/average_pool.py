"""Average pooling over whole blocks."""


def average_pool(x, factor):
    """Mean of every factor x factor block; what is left over at the right and bottom is dropped.

    Parameters
    ----------
    x : ndarray, (N, C, H, W)
    factor : int

    Returns
    -------
    ndarray, (N, C, H // factor, W // factor)
        In the dtype of ``x``.

    Examples
    --------
    >>> average_pool(np.arange(4.0).reshape(1, 1, 2, 2), 2)
    array([[[[1.5]]]])
    """
    n, c, height, width = x.shape
    h, w = height // factor, width // factor
    blocks = x[:, :, : h * factor, : w * factor].reshape(n, c, h, factor, w, factor)
    return blocks.mean(axis=(3, 5), dtype=x.dtype)
