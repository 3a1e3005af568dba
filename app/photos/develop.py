"""Sensor data shown on a screen: white balance, the camera's matrix, sRGB."""

from dataclasses import replace

import numpy as np

from ...refimpl.errors import BadInput
from .color import srgb_profile

XYZ_OF_SRGB = np.array(  # IEC 61966-2-1, D65
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
ROWS = 256  # at a time: a whole picture in between would be six times the result


def develop(photo):
    """Give a linear photograph as 16-bit sRGB, with its profile; nothing is brightened or sharpened.

    Parameters
    ----------
    photo : Photo
        Linear, RGB; `camera` as in `write_dng`.

    Returns
    -------
    photo : Photo
    notes : tuple of str

    Raises
    ------
    BadInput
        When the camera's colours are not known.
    """
    camera = photo.camera
    if camera.get("color_matrix") is None or camera.get("white_balance") is None:
        raise BadInput("the camera's colours are not known, expected a colour matrix; choose DNG instead")
    matrix = camera_to_srgb(np.asarray(camera["color_matrix"], float), np.asarray(camera["white_balance"], float)[:3])
    out = np.empty(photo.pixels.shape, np.uint16)
    for top in range(0, len(out), ROWS):
        light = photo.pixels[top : top + ROWS] / photo.most @ matrix.T
        out[top : top + ROWS] = np.rint(_encoded(np.clip(light, 0, 1)) * 65535)
    metadata = replace(photo.metadata, icc=srgb_profile(), cicp=None)
    made = replace(photo, pixels=out, bits=16, linear=False, metadata=metadata, camera={})
    return made, ("sensor data was developed to sRGB: white balance as shot, the camera's matrix, no other change",)


def camera_to_srgb(color_matrix, white_balance):
    """Give the matrix from camera colours to linear sRGB; the camera's white becomes (1, 1, 1).

    Examples
    --------
    >>> to_camera = np.linalg.inv(XYZ_OF_SRGB)
    >>> (camera_to_srgb(to_camera, np.ones(3)) + 0).round(6).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    from_srgb = color_matrix @ XYZ_OF_SRGB
    from_srgb /= from_srgb.sum(axis=1, keepdims=True)  # white of one is white of the other
    return np.linalg.inv(from_srgb) @ np.diag(white_balance / white_balance.min())


def _encoded(light):
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055)
