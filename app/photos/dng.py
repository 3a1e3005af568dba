"""A linear DNG: sensor data after the mosaic was undone, as the camera's red, green and blue.

Tags: Digital Negative specification 1.7.1 (Adobe, 2023), chapters 4 and 6.
"""

from .camera import camera_colors
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
        Linear, RGB or grey, 16 bits, not yet balanced; `camera` as in `camera_colors`, with "make" and "model".
    quality
        Not used: there is nothing to lose.

    Returns
    -------
    tuple of str
        What was left out or taken for granted.
    """
    channels = photo.pixels.shape[2]
    model = _text(photo.camera.get("model") or "unknown")
    tags = {
        262: (SHORT, [LINEAR_RAW]),
        272: (ASCII, model),
        50706: (BYTE, bytes([1, 4, 0, 0])),  # DNGVersion
        50707: (BYTE, bytes([1, 1, 0, 0])),  # DNGBackwardVersion
        50708: (ASCII, model),  # UniqueCameraModel
        50714: (SHORT, [0] * channels),  # BlackLevel
        50717: (LONG, [65535] * channels),  # WhiteLevel
    }
    if photo.camera.get("make"):
        tags[271] = (ASCII, _text(photo.camera["make"]))
    notes: tuple[str, ...] = ()
    if channels == 3:
        colors = camera_colors(photo.camera)
        notes = colors.notes
        tags[50721] = (SRATIONAL, _fractions(colors.matrix.ravel()))  # ColorMatrix1
        tags[50728] = (RATIONAL, _fractions(colors.neutral))  # AsShotNeutral
        tags[50778] = (SHORT, [D65])  # CalibrationIlluminant1
    return notes + write_directory(file, photo, tags, NO_COMPRESSION)


def _text(text):
    return str(text).strip("\0 ").encode("ascii", "replace") + b"\0"


def _fractions(values):
    return [number for value in values for number in (round(float(value) * DENOMINATOR), DENOMINATOR)]
