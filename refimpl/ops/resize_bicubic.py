"""Antialiased bicubic resizing as MATLAB's ``imresize`` does it: what the SR literature calls "bicubic"."""

from fractions import Fraction

import numpy as np


def cubic_kernel(x):
    """Keys' cubic convolution kernel with a = -1/2, zero beyond |x| = 2.

    Parameters
    ----------
    x : array_like
        Distances in source pixels.

    Returns
    -------
    ndarray of float64
        Weights; over all integer shifts of one x they sum to one.

    References
    ----------
    R. Keys, "Cubic convolution interpolation for digital image processing", IEEE Trans. ASSP 29(6), 1981,
    eq. 15. doi:10.1109/TASSP.1981.1163711

    Examples
    --------
    >>> cubic_kernel([0.0, 1.0, 1.5])
    array([ 1.    ,  0.    , -0.0625])
    """
    x = np.abs(np.asarray(x, np.float64))
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


def bicubic_taps(size_in, size_out, scale=None):
    """Source indices and weights of every output sample along one axis.

    Parameters
    ----------
    size_in, size_out : int
        Number of samples before and after.
    scale : Fraction or float, optional
        Output samples per input sample, when it is not size_out / size_in (odd sizes divided by two).

    Returns
    -------
    indices : ndarray of int, (size_out, taps)
        Mirrored at the borders with the edge repeated.
    weights : ndarray of float64, (size_out, taps)
        Every row sums to one.

    Examples
    --------
    >>> indices, weights = bicubic_taps(4, 2)
    >>> weights.sum(axis=1)
    array([1., 1.])
    """
    scale = float(Fraction(size_out, size_in) if scale is None else scale)
    shrink = min(scale, 1.0)  # antialiasing: the kernel is stretched when the image gets smaller
    width = 4.0 / shrink
    centre = (np.arange(size_out) + 0.5) / scale - 0.5  # position of the output sample in source pixels
    first = np.floor(centre - width / 2).astype(np.int64) + 1
    reach = np.arange(int(np.ceil(width)) + 1)
    indices = first[:, None] + reach  # (size_out, taps)
    weights = cubic_kernel((centre[:, None] - indices) * shrink)
    weights /= weights.sum(axis=1, keepdims=True)
    period = np.concatenate([np.arange(size_in), np.arange(size_in)[::-1]])
    return period[indices % (2 * size_in)], weights


def resize_axis(image, axis, size_out, scale=None):
    """Resize one axis; uint8 images are rounded half up and clipped, floating ones are left as they come."""
    indices, weights = bicubic_taps(image.shape[axis], size_out, scale)
    moved = np.moveaxis(image, axis, -1)  # (..., size_in)
    out = np.zeros((*moved.shape[:-1], size_out), np.float64)
    for tap in range(indices.shape[1]):
        out += moved[..., indices[:, tap]] * weights[:, tap]
    if image.dtype == np.uint8:
        out = np.floor(np.clip(out, 0, 255) + 0.5)
    return np.moveaxis(out, -1, axis).astype(image.dtype)


def resize_bicubic(image, scale=None, size=None):
    """Resize the last two axes of an image.

    Vertical first, then horizontal. uint8 images are rounded after **each** pass, as MATLAB does: only so do the
    published low-resolution images of Set5 come out byte for byte.

    Parameters
    ----------
    image : ndarray, (..., H, W)
        uint8 in 0..255, or floating in any range.
    scale : float, optional
        Output size is ceil(size * scale).
    size : tuple of int, optional
        Output (height, width), instead of ``scale``.

    Returns
    -------
    ndarray, (..., H', W')
        In the dtype of ``image``; computed in float64.

    Raises
    ------
    ValueError
        When not exactly one of ``scale`` and ``size`` is given, or the result would be empty.

    Examples
    --------
    >>> resize_bicubic(np.full((1, 6, 4), 7, np.uint8), scale=0.5)[0]
    array([[7, 7],
           [7, 7],
           [7, 7]], dtype=uint8)
    """
    height, width = image.shape[-2:]
    if scale is not None and size is None:
        scale = Fraction(scale).limit_denominator(1000)
        size = (-(-height * scale // 1), -(-width * scale // 1))  # ceil
    elif scale is not None or size is None:
        raise ValueError("resize_bicubic takes exactly one of scale and size")
    if min(size) < 1:
        raise ValueError(f"resizing {height} x {width} would give {size[0]} x {size[1]} pixels; ask for at least 1 x 1")
    image = resize_axis(image, image.ndim - 2, int(size[0]), scale)
    return resize_axis(image, image.ndim - 1, int(size[1]), scale)
