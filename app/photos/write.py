"""Photographs written: whole or not at all, with everything that their file held and the format can hold."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...refimpl.errors import BadInput
from ..outputs import replacing
from .avif_out import write_avif
from .color import check_color, to_srgb, with_profile
from .depth import change_bits
from .develop import develop
from .dng import write_dng
from .heif_out import write_heic
from .jpeg_out import write_jpeg
from .limits import check_dng_color, check_format, file_bits, name, suffix_format
from .metadata import carried, without_place
from .png_out import write_png
from .tiff_out import write_tiff
from .webp_out import write_webp

WRITERS = {
    "JPEG": write_jpeg,
    "PNG": write_png,
    "TIFF": write_tiff,
    "WebP": write_webp,
    "AVIF": write_avif,
    "HEIC": write_heic,
    "RAW": write_dng,
}
NO_CICP = ("JPEG", "TIFF", "WebP")
QUALITY = {"JPEG": 95, "WebP": 95, "AVIF": 90, "HEIC": 90}  # of formats that can lose something
DEEP_AVIF = 95  # of 10 and 12 bits: below it, libaom gives flat white of 10 bits as 1022


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes
    ----------
    format : str
    bits : int
        In the file.
    notes : tuple of str
        Sentences about what a person should know: what the format cannot hold, what was rounded.
    """

    format: str
    bits: int
    notes: tuple[str, ...]


def write_photo(path, photo, format=None, quality=None, bits="auto", metadata="keep", color="keep"):
    """Write a photograph to a temporary file beside its target, then rename it.

    Parameters
    ----------
    path : path_like
    photo : Photo
        Its pixels are final: they are written as they stand.
    format : str, optional
        As in `Header`; "RAW" is a linear DNG. The path's suffix says it otherwise.
    quality : int, optional
        From 1 to 100; 100 loses nothing in WebP, AVIF and HEIC. Otherwise `QUALITY`, and `DEEP_AVIF`.
    bits : {"auto", 8, 10, 12, 16}
        "auto" is the smallest depth of the format that loses nothing, or its largest.
    metadata : {"keep", "strip"}
    color : {"keep", "srgb"}
        Keep the numbers and their profile, or convert both to sRGB.

    Returns
    -------
    Written

    Raises
    ------
    BadInput
    """
    format = format or suffix_format(path)
    height, width, channels = photo.pixels.shape
    check_format(format, width, height, channels, bits, photo.linear)
    with replacing(Path(path)) as file:
        return encode(photo, file, format, quality, bits, metadata, color)


def encode(photo, file, format, quality=None, bits="auto", metadata="keep", color="keep"):
    """Write a photograph into an open file.

    Parameters
    ----------
    file : binary file
        Empty, able to read and seek.
    photo, format, quality, bits, metadata, color
        As in `write_photo`.

    Returns
    -------
    Written

    Raises
    ------
    BadInput

    Examples
    --------
    >>> import io, numpy
    >>> from karat.app.photos.photo import Photo
    >>> encode(Photo(numpy.zeros((2, 3, 1), numpy.uint16), 10, "HEIC"), io.BytesIO(), "PNG")
    Written(format='PNG', bits=16, notes=('10 bits were widened to 16: v * 65535 / 1023, to the nearest',))
    """
    height, width, channels = photo.pixels.shape
    check_format(format, width, height, channels, bits, photo.linear)
    photo, notes = _in_color(photo, format, color)
    wanted = file_bits(format, photo.bits, bits)
    if quality is not None and format not in QUALITY:
        notes += (f"the quality of {quality} is not used: {name(format)} loses nothing",)
    quality = _quality(format, quality, wanted)
    if wanted != photo.bits:
        verb = "widened" if wanted > photo.bits else "rounded"
        notes += (f"{photo.bits} bits were {verb} to {wanted}: v * {2**wanted - 1} / {photo.most}, to the nearest",)
    kept = carried(photo, metadata, thumbnail=format not in ("TIFF", "RAW"))
    pixels = np.ascontiguousarray(change_bits(photo.pixels, photo.bits, wanted))
    final = replace(photo, pixels=pixels, bits=wanted, metadata=kept.metadata)
    left_out = _written(format, file, final, quality)
    if format in ("WebP", "AVIF") and channels in (2, 4) and (photo.pixels[..., -1] == photo.most).all():
        left_out += ("alpha is left out: it is opaque everywhere",)  # their encoders do that
    return Written(format, wanted, notes + kept.notes + without_place(kept.metadata, format) + left_out)


def _written(format, file, photo, quality):
    """Call the format's writer; what its library complains of becomes a sentence, what the disk does is passed on."""
    try:
        return WRITERS[format](file, photo, quality)
    except (RuntimeError, ValueError, SyntaxError, MemoryError, OSError) as error:
        if isinstance(error, BadInput) or getattr(error, "errno", None):
            raise
        height, width, _ = photo.pixels.shape
        what = f"{width} x {height} pixels cannot be encoded as {format} ({error or 'out of memory'})"
        raise BadInput(f"{what}, expected the encoder to take them; choose TIFF") from None


def _quality(format, quality, bits):
    if quality is None:
        return DEEP_AVIF if format == "AVIF" and bits > 8 else QUALITY.get(format)
    if isinstance(quality, bool) or not isinstance(quality, int) or not 1 <= quality <= 100:
        raise BadInput(f"quality is {quality!r}, expected a whole number from 1 to 100; choose one")
    return quality


def _in_color(photo, format, color):
    """Give the photograph in the colours that are to be written."""
    check_color(color)
    if format == "RAW":
        check_dng_color(color)
        return photo, ()
    if photo.linear:
        return develop(photo)
    grey_profile = (photo.metadata.icc or b"")[16:20] == b"GRAY"
    if color == "srgb" or (format == "WebP" and grey_profile):  # there is no grey for which the profile would hold
        return to_srgb(photo)
    one_only = format == "HEIC" and photo.metadata.icc  # libheif writes a profile or numbers
    return with_profile(photo) if format in NO_CICP or one_only else (photo, ())
