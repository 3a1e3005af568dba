"""PSNR and SSIM against a ground truth, as `karat.refimpl.protocol` takes them."""

import math

import numpy as np

from ....refimpl.errors import BadInput
from ....refimpl.metrics import luma, psnr, ssim

ROWS = 256  # at a time: float64 of a whole picture would be 24 times its bytes
WINDOW = 11  # of SSIM
GREY = 128  # behind what is transparent


def border_of(before, after):
    """Pixels that are cut from each side: the scale, as papers do it, rounded up.

    Parameters
    ----------
    before, after : tuple of int
        Width and height.

    Examples
    --------
    >>> border_of((100, 50), (200, 100)), border_of((100, 50), (250, 125)), border_of((9, 9), (9, 9))
    (2, 3, 1)
    """
    return max(-(-large // small) for small, large in zip(before, after, strict=True))


def check_truth(truth, before, after):
    """Refuse a ground truth of another size; to be asked before any work is done.

    Parameters
    ----------
    truth, before, after : tuple of int
        Width and height. The truth may be larger than the result by less than the scale: what was shrunk from it was
        cut to a multiple of that at the right and at the bottom (`karat.refimpl.protocol.degrade`).

    Raises
    ------
    BadInput

    Examples
    --------
    >>> check_truth((481, 321), (240, 160), (480, 320))
    >>> check_truth((500, 320), (240, 160), (480, 320))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    karat.refimpl.errors.BadInput: the ground truth has 500 x 320 pixels, expected 480 x 320 as the result; ...
    """
    room = border_of(before, after)
    if any(not size <= found < size + room for found, size in zip(truth, after, strict=True)):
        raise BadInput(
            f"the ground truth has {truth[0]} x {truth[1]} pixels, expected {after[0]} x {after[1]} as the result; "
            "give the picture that the photograph was made smaller from, and its scale"
        )


def likeness(truth, picture, border):
    """PSNR in dB and SSIM of luma.

    Parameters
    ----------
    truth, picture : ndarray of uint8, (H, W, 1 or 3)
        sRGB; grey is red, green and blue alike.
    border : int
        Pixels that are cut from each side.

    Returns
    -------
    tuple of float, or None
        None where fewer than 11 x 11 pixels are left, as SSIM needs.

    Examples
    --------
    >>> likeness(np.zeros((16, 16, 1), np.uint8), np.zeros((16, 16, 3), np.uint8), 2)
    (inf, 1.0)
    """
    height, width = (n - 2 * border for n in truth.shape[:2])
    if min(height, width) < WINDOW:
        return None
    error, alike = 0.0, 0.0
    more = WINDOW - 1  # rows that a band of windows needs beyond its own
    for top in range(0, height, ROWS):
        a, b = (_luma(image, border, top, min(height, top + ROWS + more)) for image in (truth, picture))
        own = min(ROWS, height - top)
        error += own * 10 ** (-psnr(a[..., :own, :], b[..., :own, :]) / 10)
        windows = a.shape[-2] - more
        if windows > 0:
            alike += windows * ssim(a, b)
    level = math.inf if error == 0 else -10 * math.log10(error / height)
    return level, alike / (height - more)


def _luma(image, border, top, bottom):
    """(1, rows, W): of rows of (H, W, C), counted below the border."""
    rows = image[border + top : border + bottom, border : image.shape[1] - border].transpose(2, 0, 1)
    return luma(np.broadcast_to(rows, (3, *rows.shape[1:])) / 255)
