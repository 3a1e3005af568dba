"""The one home of every measure of likeness: PSNR and SSIM as the super-resolution literature takes them, and SQNR.

All are computed in float64 whatever comes in; identical data gives infinity, not a made-up ceiling.
"""

import numpy as np

# ITU-R BT.601 luma of R'G'B' in 0..1, on the 16..235 scale of 8-bit video; what MATLAB's rgb2ycbcr computes.
_LUMA = np.array([65.481, 128.553, 24.966])


def luma(image):
    """Y of BT.601 of an RGB image.

    Parameters
    ----------
    image : ndarray, (..., 3, H, W)
        Values in [0, 1].

    Returns
    -------
    ndarray of float64, (..., 1, H, W)
        In [16/255, 235/255].

    References
    ----------
    Recommendation ITU-R BT.601-7, section 2.5.

    Examples
    --------
    >>> float(luma(np.ones((3, 1, 1)))[0, 0, 0] * 255)
    235.0
    """
    image = np.asarray(image, np.float64)
    if image.ndim < 3 or image.shape[-3] != 3:
        raise ValueError(f"luma needs (..., 3, H, W), got shape {image.shape}; move the colour axis to third from last")
    y = (np.tensordot(_LUMA, np.moveaxis(image, -3, 0), axes=1) + 16) / 255  # (..., H, W)
    return y[..., None, :, :]


def crop_border(image, border):
    """Cut ``border`` pixels from every side of the last two axes."""
    if border == 0:
        return image
    if 2 * border >= min(image.shape[-2:]):
        raise ValueError(
            f"a border of {border} leaves nothing of {image.shape[-2]} x {image.shape[-1]} pixels; crop less"
        )
    return image[..., border:-border, border:-border]


def _pair(a, b, border):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape:
        raise ValueError(f"cannot compare shape {a.shape} with {b.shape}; crop or resize one of them first")
    return crop_border(a, border), crop_border(b, border)


def psnr(a, b, peak=1.0, border=0):
    """Peak signal-to-noise ratio in dB.

    Parameters
    ----------
    a, b : array_like, (..., H, W)
        Images on the same scale.
    peak : float
        Largest possible value: 1 for [0, 1], 255 for bytes.
    border : int
        Pixels ignored on every side; SR papers ignore as many as the scale.

    Returns
    -------
    float
        ``10 log10(peak^2 / mean squared error)``, infinity for identical images, -infinity where one overflows.

    Examples
    --------
    >>> psnr(np.zeros((2, 2)), np.full((2, 2), 0.1))
    20.0
    """
    a, b = _pair(a, b, border)
    error = np.mean((a - b) ** 2)
    if error == 0 or np.isinf(error):
        return float("inf") if error == 0 else float("-inf")
    return float(10 * np.log10(peak**2 / error))


def ssim(a, b, peak=1.0, border=0):
    """Structural similarity, mean over pixels and channels.

    An 11 x 11 Gaussian window with sigma 1.5, K1 = 0.01, K2 = 0.03, taken only where the window lies inside the image.

    Parameters
    ----------
    a, b : array_like, (..., H, W)
        At least 11 x 11 pixels after the border is cropped.
    peak : float
        Largest possible value.
    border : int
        Pixels ignored on every side.

    Returns
    -------
    float
        1 for identical images.

    References
    ----------
    Z. Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE Trans. Image
    Processing 13(4), 2004, eq. 13. doi:10.1109/TIP.2003.819861

    Examples
    --------
    >>> ssim(np.eye(16), np.eye(16))
    1.0
    """
    a, b = _pair(a, b, border)
    if min(a.shape[-2:]) < 11:
        raise ValueError(f"SSIM needs 11 x 11 pixels, got {a.shape[-2]} x {a.shape[-1]}; use a larger image")
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    mean_a, mean_b = _gaussian(a), _gaussian(b)
    var_a, var_b = _gaussian(a * a) - mean_a**2, _gaussian(b * b) - mean_b**2
    covariance = _gaussian(a * b) - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * covariance + c2) / (var_a + var_b + c2)
    return float(np.mean(luminance * structure))


def _gaussian(image):
    """Filter the last two axes with the 11-tap Gaussian of sigma 1.5, keeping only whole windows."""
    taps = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    taps /= taps.sum()
    for axis in (-2, -1):
        windows = np.lib.stride_tricks.sliding_window_view(image, 11, axis=axis)
        image = windows @ taps
    return image


def rms(x):
    """Root mean square over the flattened tensor; 0 of nothing.

    Examples
    --------
    >>> rms(np.array([[3.0, 4.0], [0.0, 0.0]]))
    2.5
    """
    return float(np.linalg.norm(x)) / max(x.size, 1) ** 0.5


def decibels(error):
    """The signal-to-quantisation-noise ratio in dB that a relative error (`relative_rms`) means; infinity for none.

    Examples
    --------
    >>> decibels(0.1)
    20.0
    """
    return float(np.inf) if error == 0 else float(-20 * np.log10(error))


def relative_rms(reference, candidate):
    """Root mean square of the difference over that of the reference; the difference itself where the reference is zero.

    Examples
    --------
    >>> relative_rms([3.0, 4.0], [3.0, 4.5])
    0.1
    """
    reference, candidate = _pair(reference, candidate, 0)
    error, size = float(np.linalg.norm(reference - candidate)), float(np.linalg.norm(reference))
    return error / size if size > 0 else error
