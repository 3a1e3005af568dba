"""How super-resolution papers measure a network: shrink by bicubic, upscale, compare luma without the border."""

import numpy as np

from .metrics import luma, psnr, ssim
from .ops import resize_bicubic


def degrade(hr, scale):
    """Crop a picture to a multiple of ``scale`` and shrink it.

    Parameters
    ----------
    hr : ndarray of uint8, (3, H, W)
    scale : int

    Returns
    -------
    lr, hr : ndarray of uint8, (3, h, w) and (3, scale h, scale w)

    Examples
    --------
    >>> [part.shape for part in degrade(np.zeros((3, 9, 6), np.uint8), 2)]
    [(3, 4, 3), (3, 8, 6)]
    """
    height, width = (n // scale * scale for n in hr.shape[-2:])
    hr = hr[:, :height, :width]
    return resize_bicubic(hr, scale=1 / scale), hr


def score(upscaler, hr, scale):
    """PSNR in dB and SSIM of one picture, on the luma of the 8-bit result, ``scale`` pixels cut from each side.

    Parameters
    ----------
    upscaler : callable
        (1, 3, h, w) float32 in [0, 1] -> (1, 3, scale h, scale w), such as a `Model`.
    hr : ndarray of uint8, (3, H, W)
        The ground truth.
    scale : int

    Returns
    -------
    psnr, ssim : float

    References
    ----------
    The test protocol of EDSR (B. Lim et al., CVPR Workshops 2017, section 4.1. arXiv:1707.02921) and its successors.

    Examples
    --------
    >>> flat = np.full((3, 32, 32), 128, np.uint8)
    >>> score(lambda x: x.repeat(2, axis=2).repeat(2, axis=3), flat, 2)
    (inf, 1.0)
    """
    lr, hr = degrade(hr, scale)
    y = upscaler(lr[None].astype(np.float32) / 255)[0]
    y = np.round(np.clip(y, 0, 1) * 255).astype(np.float64) / 255  # bytes, as a file would hold them
    truth, result = luma(hr / 255), luma(y)
    return psnr(truth, result, border=scale), ssim(truth, result, border=scale)
