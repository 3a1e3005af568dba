"""High-resolution pictures that quality is measured on: those of a folder, or the built-in photograph."""

from pathlib import Path

import numpy as np

from ..refimpl.errors import BadInput
from ..refimpl.protocol import degrade
from .example import photograph
from .picture import FORMATS, read_picture

BUILT_IN = "the astronaut photograph"


def high_resolution(folder=None):
    """Pictures by name, sorted.

    Parameters
    ----------
    folder : path_like or None
        Its PNG and JPEG files, those of folders inside too; None: the built-in photograph.

    Returns
    -------
    dict of str to ndarray of uint8, (3, H, W)

    Raises
    ------
    BadInput
        When there is no such folder or no picture in it, or one cannot be read.

    Examples
    --------
    >>> {name: picture.shape for name, picture in high_resolution().items()}
    {'the astronaut photograph': (3, 512, 512)}
    """
    if folder is None:
        return {BUILT_IN: photograph()}
    folder = Path(folder)
    if not folder.is_dir():
        raise BadInput(f"{folder} is no folder, expected one of high-resolution PNG or JPEG pictures; check the path")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in FORMATS)
    if not paths:
        raise BadInput(f"{folder} holds no PNG or JPEG, expected high-resolution pictures; name a folder that does")
    bytes_of = {str(path.relative_to(folder)): np.round(255 * read_picture(path)[0]) for path in paths}
    return {name: picture.astype(np.uint8) for name, picture in bytes_of.items()}


def pieces(pictures, scale, side):
    """Small and large pieces of pictures, that fit into memory with the gradients of a network.

    Parameters
    ----------
    pictures : iterable of ndarray of uint8, (3, H, W)
    scale : int
    side : int
        Of a small piece, in pixels; pictures that are smaller are taken whole, what is left over at the borders is not
        taken.

    Returns
    -------
    list of (ndarray, ndarray)
        float32 in [0, 1], (1, 3, h, w) and (1, 3, scale h, scale w).

    Examples
    --------
    >>> large = np.zeros((3, 70, 40), np.uint8)
    >>> [small.shape for small, _ in pieces([large], 2, 16)]
    [(1, 3, 16, 16), (1, 3, 16, 16)]
    """
    found = []
    for picture in pictures:
        small, large = (part[None].astype(np.float32) / 255 for part in degrade(picture, scale))
        height, width = (min(side, n) for n in small.shape[2:])
        for top in range(0, small.shape[2] - height + 1, height):
            for left in range(0, small.shape[3] - width + 1, width):
                below, right = scale * (top + height), scale * (left + width)
                piece = large[:, :, scale * top : below, scale * left : right]
                found.append((small[:, :, top : top + height, left : left + width], piece))
    return found


def middle(picture, side):
    """The middle of a picture, at most ``side`` pixels wide and high.

    Examples
    --------
    >>> middle(np.zeros((3, 70, 40)), 64).shape
    (3, 64, 40)
    """
    top, left = (max(0, n - side) // 2 for n in picture.shape[-2:])
    return picture[..., top : top + side, left : left + side]
