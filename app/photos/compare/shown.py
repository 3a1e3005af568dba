"""What a browser can show of a photograph: 8 bits of sRGB, transparency over a background."""

import io
from dataclasses import replace

import numpy as np
from PIL import Image

from ....refimpl.errors import BadInput
from ..color import to_srgb
from ..curve import encoded
from ..depth import change_bits
from ..develop import develop
from ..photo import colours_of

ROWS = 512  # at a time: 16 bits in between would be twice the picture
SQUARE, LIGHT, DARK = 8, 255, 204  # of the checkerboard: pixels a side, and its two greys


def shown(photo) -> tuple[np.ndarray, tuple[str, ...]]:
    """The pixels as 8-bit sRGB, and what was done to them.

    Parameters
    ----------
    photo : Photo

    Returns
    -------
    pixels : ndarray of uint8, (H, W, C)
        The channels of the photograph.
    notes : tuple of str
        Sentences without a subject; empty where the file's own numbers are shown.
    """
    pixels = np.empty(photo.pixels.shape, np.uint8)
    notes, moved = {}, False
    for top in range(0, len(pixels), ROWS):
        part, said, changed = _strip(replace(photo, pixels=photo.pixels[top : top + ROWS]))
        pixels[top : top + ROWS], moved = part, moved or changed
        notes |= dict.fromkeys(said)
    if moved:
        notes[f"colours converted from {_space(photo.metadata)} to sRGB"] = None
    if photo.bits > 8:
        notes[f"{photo.bits} bits shown as 8"] = None
    if photo.pixels.shape[2] % 2 == 0 and not (pixels[..., -1] == 255).all():
        notes["transparency shown on a checkerboard"] = None
    return pixels, tuple(notes)


def _strip(photo):
    """Some rows as 8-bit sRGB, what is to be said of it, and whether a profile moved a colour by more than rounding."""
    channels = photo.pixels.shape[2]
    colours = colours_of(channels)
    found, notes, moved = replace(photo, pixels=photo.pixels[..., :colours]), (), False
    if photo.linear:
        found, notes = _from_light(found)
    else:
        found = replace(found, pixels=change_bits(found.pixels, found.bits, 8), bits=8)
        try:
            plain, (found, _) = found.pixels, to_srgb(found)
            moved = bool(np.abs(found.pixels - plain.astype(np.int16)).max(initial=0) > 1)
        except BadInput as error:
            notes = (f"colours shown as if they were sRGB's, since {str(error).split(', expected')[0]}",)
    alpha = photo.pixels[..., colours:]
    parts = [change_bits(found.pixels, found.bits, 8), change_bits(alpha, photo.bits, 8)]
    return np.concatenate(parts, axis=2), notes, moved


def _from_light(photo):
    """Sensor data: developed where the camera is known, else sRGB's curve alone."""
    if photo.camera:
        return develop(photo)
    coded = np.rint(encoded(photo.pixels / photo.most) * 65535).astype(np.uint16)
    return replace(photo, pixels=coded, bits=16, linear=False), ("light shown through sRGB's curve",)


def _space(metadata):
    """The name of a colour space, as its file has it."""
    if metadata.icc is None:
        return f"the colour space in CICP numbers {metadata.cicp}"
    from PIL import ImageCms

    try:
        return ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(metadata.icc))).strip()[:80]
    except (ImageCms.PyCMSError, OSError, ValueError):
        return "the file's profile"


def resized(pixels, width, height, kind=Image.Resampling.BICUBIC):
    """Another size, as a viewer enlarges a picture; transparent colours do not bleed into their surroundings.

    Parameters
    ----------
    pixels : ndarray of uint8, (H, W, C)
    width, height : int
    kind : Image.Resampling
        Bicubic with a = -1/2, as `karat.refimpl.ops.resize_bicubic`, by default.

    Returns
    -------
    ndarray of uint8, (height, width, C)

    Examples
    --------
    >>> resized(np.full((2, 3, 1), 7, np.uint8), 6, 4)[..., 0].tolist()[0]
    [7, 7, 7, 7, 7, 7]
    """
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    return np.asarray(image.resize((width, height), kind)).reshape(height, width, pixels.shape[2])


def over(pixels, background):
    """Colours laid over a background where they are transparent.

    Parameters
    ----------
    pixels : ndarray of uint8, (H, W, C)
    background : int or ndarray of uint8, (H, W, 1)

    Returns
    -------
    ndarray of uint8, (H, W, 1 or 3)

    Examples
    --------
    >>> over(np.array([[[10, 255], [10, 0]]], np.uint8), 128).tolist()
    [[[10], [128]]]
    """
    if pixels.shape[2] % 2:
        return pixels
    alpha = pixels[..., -1:].astype(np.uint16)
    return ((pixels[..., :-1] * alpha + np.uint16(255 - alpha) * background + 127) // 255).astype(np.uint8)


def board(height, width):
    """A checkerboard.

    Returns
    -------
    ndarray of uint8, (height, width, 1)

    Examples
    --------
    >>> board(1, 17)[0, ::8, 0].tolist()
    [255, 204, 255]
    """
    dark = (np.arange(height)[:, None] // SQUARE + np.arange(width) // SQUARE) % 2  # (height, width)
    return np.where(dark, DARK, LIGHT).astype(np.uint8)[..., None]
