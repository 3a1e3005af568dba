"""The built-in example: scikit-image's photograph of an astronaut, and its bicubic half."""

import numpy as np

from ..refimpl.ops import resize_bicubic


def photograph():
    """The photograph, uint8, (3, 512, 512): NASA's portrait of Eileen Collins, public domain."""
    from skimage.data import astronaut  # 0.6 s to import, and only this example needs it

    return np.ascontiguousarray(astronaut().transpose(2, 0, 1))


def low_resolution(scale):
    """The photograph shrunk for a network of that scale: float64, (1, 3, H, W) in [0, 1], sides multiples of 4."""
    size = int(512 / scale) // 4 * 4
    return resize_bicubic(photograph(), size=(size, size))[None] / 255
