"""Sensor data shown on a screen: white balance, the camera's matrix, sRGB."""

from dataclasses import replace

import numpy as np

from .camera import XYZ_OF_SRGB, camera_colors
from .color import srgb_profile

ROWS = 256  # at a time: a whole picture in between would be six times the result


def develop(photo):
    """Give a linear photograph as 16-bit sRGB, with its profile; nothing is brightened or sharpened.

    Parameters
    ----------
    photo : Photo
        Linear, RGB or grey; `camera` as in `camera_colors`.

    Returns
    -------
    photo : Photo
    notes : tuple of str
    """
    grey = photo.pixels.shape[2] == 1
    matrix, notes = np.eye(1), ("sensor data was developed to a grey picture with sRGB's curve, nothing else changed",)
    if not grey:
        colors = camera_colors(photo.camera)
        matrix = camera_to_srgb(colors.matrix, colors.neutral)
        notes = ("sensor data was developed to sRGB: white balance as shot, the camera's matrix, nothing else changed",)
        notes += colors.notes
    out = np.empty(photo.pixels.shape, np.uint16)
    for top in range(0, len(out), ROWS):
        light = photo.pixels[top : top + ROWS] / photo.most @ matrix.T  # (rows, W, C)
        out[top : top + ROWS] = np.rint(encoded(np.clip(light, 0, 1)) * 65535)
    metadata = replace(photo.metadata, icc=None if grey else srgb_profile(), cicp=None)
    return replace(photo, pixels=out, bits=16, linear=False, metadata=metadata, camera={}), notes


def camera_to_srgb(matrix, neutral):
    """Give the matrix from camera colours to linear sRGB.

    What the camera sees of white becomes white, and so does its largest value: no highlight is tinted.

    Examples
    --------
    >>> camera_to_srgb(np.linalg.inv(XYZ_OF_SRGB), np.ones(3)).round(6).astype(int).tolist()
    [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    """
    from_srgb = matrix @ XYZ_OF_SRGB
    from_srgb /= from_srgb.sum(axis=1, keepdims=True)  # white of one is white of the other
    return np.linalg.inv(from_srgb) @ np.diag(1 / neutral)


def encoded(light):
    """Give sRGB's numbers in [0, 1] for light in [0, 1] (IEC 61966-2-1)."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055)
