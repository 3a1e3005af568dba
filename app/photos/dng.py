"""A linear DNG: sensor data after the mosaic was undone, as the camera's red, green and blue.

Tags: Digital Negative specification 1.7.1 (Adobe, 2023), chapters 4 and 6.
"""

import numpy as np

from ...refimpl.errors import BadInput
from .tiff_out import ASCII, BYTE, LONG, NO_COMPRESSION, RATIONAL, SHORT, SRATIONAL, write_directory

LINEAR_RAW = 34892
D65 = 21  # a light source of Exif
DENOMINATOR = 1_000_000


def write_dng(file, photo, quality=None):
    """Write a linear DNG of 16 bits, upright, black at 0 and white at 65535.

    Parameters
    ----------
    file : binary file
        Empty, and able to seek.
    photo : Photo
        Linear, RGB, 16 bits; `camera` has "model", "white_balance" (three factors for red, green and blue, not yet
        in the pixels) and "color_matrix" (3, 3), from XYZ to the camera's colours under D65; "make" if it is known.
    quality
        Not used: there is nothing to lose.

    Returns
    -------
    tuple of str
        What was left out.

    Raises
    ------
    BadInput
        When the camera's colours are not known.
    """
    camera = photo.camera
    missing = [key for key in ("model", "white_balance", "color_matrix") if camera.get(key) is None]
    if missing:
        raise BadInput(
            f"the camera's {' and '.join(missing)} are not known, expected them for a linear DNG; choose TIFF instead"
        )
    neutral = 1 / np.asarray(camera["white_balance"], float)[:3]
    neutral /= neutral.max()
    model = str(camera["model"]).encode("ascii", "replace") + b"\0"
    tags = {
        262: (SHORT, [LINEAR_RAW]),
        272: (ASCII, model),
        50706: (BYTE, bytes([1, 4, 0, 0])),  # DNGVersion
        50707: (BYTE, bytes([1, 1, 0, 0])),  # DNGBackwardVersion
        50708: (ASCII, model),  # UniqueCameraModel
        50714: (SHORT, [0] * 3),  # BlackLevel
        50717: (LONG, [65535] * 3),  # WhiteLevel
        50721: (SRATIONAL, _fractions(np.asarray(camera["color_matrix"], float).ravel())),  # ColorMatrix1
        50728: (RATIONAL, _fractions(neutral)),  # AsShotNeutral
        50778: (SHORT, [D65]),  # CalibrationIlluminant1
    }
    if camera.get("make"):
        tags[271] = (ASCII, str(camera["make"]).encode("ascii", "replace") + b"\0")
    return write_directory(file, photo, tags, NO_COMPRESSION)


def _fractions(values):
    return [number for value in values for number in (round(float(value) * DENOMINATOR), DENOMINATOR)]
