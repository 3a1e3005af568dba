"""Two-dimensional convolution as the networks mean it: cross-correlation with zero padding."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

BAND = 16  # output rows at a time: all windows at once would take kh kw times the memory of the image


def conv2d(x, weight, bias=None, stride=1, padding=0):
    """Cross-correlate images with a bank of kernels.

    Parameters
    ----------
    x : ndarray, (N, C, H, W)
    weight : ndarray, (O, C, kh, kw)
    bias : ndarray, (O,), optional
    stride : int
    padding : int
        Zeros added on all four sides.

    Returns
    -------
    ndarray, (N, O, H', W')
        ``y[n, o, i, j] = bias[o] + sum_{c, p, q} weight[o, c, p, q] padded[n, c, stride i + p, stride j + q]``
        in the common dtype of ``x`` and ``weight``.

    Raises
    ------
    ValueError
        When the channels of ``x`` and ``weight`` differ or a kernel does not fit.

    References
    ----------
    V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", 2016, section 2. arXiv:1603.07285

    Examples
    --------
    >>> conv2d(np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3)), padding=1)[0, 0]
    array([[4., 6., 4.],
           [6., 9., 6.],
           [4., 6., 4.]])
    """
    out_channels, channels, kh, kw = weight.shape
    if x.shape[1] != channels:
        raise ValueError(f"the input has {x.shape[1]} channels and the kernels have {channels}; they must be equal")
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    batch, _, padded_h, padded_w = x.shape
    height, width = (padded_h - kh) // stride + 1, (padded_w - kw) // stride + 1
    if min(height, width) < 1:
        raise ValueError(
            f"a {kh} x {kw} kernel does not fit into {padded_h} x {padded_w} padded pixels; use a larger image"
        )
    kernels = weight.reshape(out_channels, -1)  # (O, C kh kw)
    y = np.empty((batch, out_channels, height, width), np.result_type(x, weight))
    for top in range(0, height, BAND):
        n = min(BAND, height - top)
        rows = x[:, :, stride * top : stride * (top + n - 1) + kh]
        windows = sliding_window_view(sliding_window_view(rows, kh, axis=2), kw, axis=3)[:, :, ::stride, ::stride]
        columns = windows.transpose(0, 1, 4, 5, 2, 3).reshape(batch, -1, n * width)  # (N, C kh kw, n W')
        y[:, :, top : top + n] = (kernels @ columns).reshape(batch, out_channels, n, width)
    return y if bias is None else y + bias[:, None, None]
