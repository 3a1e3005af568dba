"""Pictures inside the page, each of a bounded size."""

import base64
import io

import numpy as np
from PIL import Image

from .crops import SIDE
from .shown import board, over, resized

LONGEST = 1200  # pixels of a whole picture's longer side
WHOLE = 300_000  # bytes of one
QUALITIES = (90, 80, 65, 50)
DETAIL = 3 * SIDE * SIDE + 2 * SIDE + 1000  # bytes of a crop at most: PNG stores what it cannot compress


def whole_pictures(*pictures):
    """Pictures of one size scaled to fit, as JPEGs of one size and quality: the best that stays below `WHOLE` bytes.

    Parameters
    ----------
    *pictures : ndarray of uint8, (H, W, C)

    Returns
    -------
    addresses : list of str
        Data URIs.
    size : tuple of int
        Width and height.
    """
    height, width = pictures[0].shape[:2]
    longest = min(LONGEST, max(height, width))
    while True:
        share = longest / max(height, width)
        size = max(1, round(width * share)), max(1, round(height * share))
        small = [_fitting(picture, *size) for picture in pictures]
        for quality in QUALITIES:
            files = [_file(picture, "JPEG", quality=quality, subsampling=0) for picture in small]
            if max(map(len, files)) <= WHOLE or longest == 1:
                return [_address(file, "jpeg") for file in files], size
        longest = max(1, longest // 2)


def detail(pixels, crop):
    """A part of a picture as a PNG, pixel by pixel, transparency over the checkerboard.

    Parameters
    ----------
    pixels : ndarray of uint8, (H, W, C)
    crop : Crop

    Returns
    -------
    str
        A data URI.
    """
    return _address(_file(_flat(crop.of(pixels)), "PNG", optimize=True), "png")


def _fitting(pixels, width, height):
    if pixels.shape[:2] == (height, width):
        return _flat(pixels)
    return _flat(resized(pixels, width, height, Image.Resampling.LANCZOS))


def _flat(pixels):
    return over(pixels, board(*pixels.shape[:2]))


def _file(pixels, form, **options):
    file = io.BytesIO()
    flat = np.ascontiguousarray(pixels)
    Image.fromarray(flat[..., 0] if flat.shape[2] == 1 else flat).save(file, form, **options)
    return file.getvalue()


def _address(file, kind):
    return f"data:image/{kind};base64," + base64.b64encode(file).decode()
