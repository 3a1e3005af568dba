"""Pixels of 8-bit pictures through Pillow, and the last steps that all families share."""

import io
import warnings
from dataclasses import replace

import numpy as np

from ...refimpl.errors import BadInput
from .density import turned
from .exif_patch import turned_exif
from .found import SWAPPED
from .photo import Photo
from .turn import turn

STRIP = 64  # rows that are computed with at a time: whole pictures of wide numbers would be eight times the result


def pillow_pixels(data, form):
    """The first picture as Pillow decodes it.

    Parameters
    ----------
    data : bytes-like
    form : str
        Pillow's name of the format.

    Returns
    -------
    ndarray of uint8, (H, W, C)
        Grey, RGB, both with alpha, or CMYK as "CMYK of 8 bits, 0 is no ink" when C is 4 and the file has four inks.
    """
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of many pixels and damaged metadata: both are looked at here, not there
        with Image.open(io.BytesIO(data), formats=(form,)) as image:
            image.load()
            mode = image.mode
            if mode in ("P", "PA"):
                image = image.convert("RGBA" if "transparency" in image.info or mode == "PA" else "RGB")
            elif mode in ("1", "YCbCr", "RGBX"):
                image = image.convert("L" if mode == "1" else "RGB")
            if image.mode not in ("L", "LA", "RGB", "RGBA", "CMYK"):
                raise BadInput(f"has pixels of type {mode}, expected grey, RGB or CMYK; convert it first")
            pixels = np.asarray(image)
    return pixels.reshape(*pixels.shape[:2], -1)  # (H, W, C)


def finished(pixels, found):
    """The photo of decoded pixels: as many channels as were announced, turned upright.

    Raises
    ------
    BadInput
        When size or channels are not those of the header.
    """
    if found.channels < pixels.shape[2] and found.channels in (1, 2):  # grey that was decoded as RGB
        pixels = pixels[:, :, [0, -1][: found.channels]]
    expected = (found.height, found.width, found.channels)
    if pixels.shape != expected:
        raise BadInput(f"decodes to {pixels.shape}, expected {expected} as its header says; save it again")
    return Photo(turn(pixels, found.orientation), found.bits, found.format, turned_metadata(found), found.notes)


def turned_metadata(found):
    """Metadata in which the resolution is the upright picture's.

    Parameters
    ----------
    found : Found
    """
    metadata = found.metadata
    if found.orientation not in SWAPPED:
        return metadata
    return replace(metadata, density=turned(metadata.density), exif=metadata.exif and turned_exif(metadata.exif))


def unmultiplied(pixels, most):
    """Colours from which the alpha that was multiplied into them is divided out.

    Parameters
    ----------
    pixels : ndarray of uint8 or uint16, (H, W, C)
        Alpha is the last channel.
    most : int
        The largest value.
    """
    result = pixels.copy()
    for top in range(0, len(pixels), STRIP):
        strip = pixels[top : top + STRIP].astype(np.uint64)  # (STRIP, W, C)
        alpha = strip[..., -1:]
        colors = (strip[..., :-1] * most + alpha // 2) // np.maximum(alpha, 1)
        result[top : top + STRIP, :, :-1] = np.minimum(colors, most)
    return result
