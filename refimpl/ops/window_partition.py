"""Cut an image into windows, and put them back."""


def window_partition(x, window):
    """Cut an image into window x window pieces, row by row.

    Parameters
    ----------
    x : ndarray, (B, H, W, C)
        H and W are multiples of ``window``.
    window : int

    Returns
    -------
    ndarray, (B nW, window^2, C)
        nW = H W / window^2 windows of an image, the tokens of each in row-major order.

    Raises
    ------
    ValueError
        When a side is no multiple of the window.

    References
    ----------
    Z. Liu et al., "Swin Transformer", ICCV 2021, section 3.2. arXiv:2103.14030

    Examples
    --------
    >>> window_partition(np.arange(8).reshape(1, 2, 4, 1), 2)[..., 0]
    array([[0, 1, 4, 5],
           [2, 3, 6, 7]])
    """
    b, h, w, c = x.shape
    if h % window or w % window:
        raise ValueError(f"{h} x {w} tokens are no whole number of {window} x {window} windows; pad the image first")
    x = x.reshape(b, h // window, window, w // window, window, c)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(-1, window * window, c)  # (B nW, window^2, C)


def window_reverse(windows, height, width):
    """The inverse of `window_partition`.

    Parameters
    ----------
    windows : ndarray, (B nW, window^2, C)
    height, width : int
        Of the image.

    Returns
    -------
    ndarray, (B, H, W, C)

    Examples
    --------
    >>> window_reverse(np.array([[0, 1, 4, 5], [2, 3, 6, 7]])[..., None], 2, 4)[0, ..., 0]
    array([[0, 1, 2, 3],
           [4, 5, 6, 7]])
    """
    window, c = round(windows.shape[1] ** 0.5), windows.shape[2]
    x = windows.reshape(-1, height // window, width // window, window, window, c)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(-1, height, width, c)  # (B, H, W, C)
