"""8-bit PNG and JPEG pictures as arrays in [0, 1], and back."""

import io
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from ..refimpl.errors import BadInput
from .outputs import check_output, write_bytes

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
# a photograph takes half the time of Pillow's level 6, and is 3 % smaller: rows that were filtered repeat little
PNG = {"compress_level": 4, "compress_type": zlib.Z_FILTERED}
OPTIONS = {"PNG": PNG, "JPEG": {"quality": 95, "subsampling": 0}}
STRIP = 256  # rows that are rounded at a time: a whole picture in between would be four times the result


def read_picture(path, dtype: Any = np.float64):
    """Read a picture, upright.

    Parameters
    ----------
    path : path_like
        An 8-bit grey, palette or RGB picture that Pillow reads.
    dtype : floating dtype
        Of the pixels.

    Returns
    -------
    ndarray, (1, 3, H, W)
        In [0, 1]; grey is repeated three times.

    Raises
    ------
    BadInput
        When there is no such picture, or one that would lose something: transparency or more than 8 bits.
    """
    path = Path(path)
    if not path.is_file():
        raise BadInput(f"{path} is no file, expected a PNG or JPEG; check the path")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=tuple(FORMATS.values())) as opened:
                deep = any("16" in str(tile.args) for tile in opened.tile)  # Pillow would cut 16-bit RGB to 8 bits
                image = ImageOps.exif_transpose(opened)
                image.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadInput(
            f"{path.name} cannot be read as a picture ({error}), expected a PNG or JPEG; save it again"
        ) from None
    if "A" in image.getbands() or "transparency" in image.info:
        raise BadInput(f"{path.name} has transparency, expected an opaque picture; flatten it first")
    if deep or image.mode not in ("1", "L", "P", "RGB"):
        kind = "16 bits a channel" if deep else f"type {image.mode}"
        raise BadInput(f"{path.name} has pixels of {kind}, expected 8-bit grey or RGB; convert it first")
    return np.asarray(image.convert("RGB")).transpose(2, 0, 1)[None] / np.asarray(255, dtype)  # (1, 3, H, W)


def write_picture(path, pixels):
    """Write a picture as 8-bit PNG or JPEG, beside its target first, then renamed.

    Parameters
    ----------
    path : path_like
        Ends in .png, .jpg or .jpeg.
    pixels : ndarray, (1, 3, H, W)
        In [0, 1]; clipped, and rounded to the nearest of 256 values.

    Raises
    ------
    BadInput
        When the format is not one of these, or cannot hold so many pixels.
    """
    path = Path(path)
    check_target(path)
    array = np.empty((*pixels.shape[2:], 3), np.uint8)  # (H, W, 3)
    for top in range(0, len(array), STRIP):
        strip = pixels[0, :, top : top + STRIP].transpose(1, 2, 0)
        array[top : top + STRIP] = np.round(np.clip(strip, 0, 1) * 255)
    form = FORMATS[path.suffix.lower()]
    if form == "JPEG" and max(array.shape) > 65500:
        raise BadInput(
            f"{path.name} would be {pixels.shape[3]} x {pixels.shape[2]}, JPEG holds 65500 a side; write a PNG"
        )
    content = io.BytesIO()
    Image.fromarray(array).save(content, form, **OPTIONS[form])
    write_bytes(path, content.getvalue())


def check_target(path, *sources, also=()):
    """As `check_output`, and the name must end as a picture's, or as one of ``also``."""
    path, endings = Path(path), (*FORMATS, *also)
    if path.suffix.lower() not in endings:
        raise BadInput(
            f"{path.name} ends in {path.suffix or 'nothing'}, expected one of {', '.join(endings)}; rename the output"
        )
    check_output(path, *sources)
