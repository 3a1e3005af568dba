"""What each format can hold, known before any work is done."""

from dataclasses import dataclass

from ...refimpl.errors import BadInput
from .photo import CHANNELS

SUFFIXES = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WebP",
    ".avif": "AVIF",
    ".heic": "HEIC",
    ".heif": "HEIC",
    ".hif": "HEIC",
    ".dng": "RAW",
}


@dataclass(frozen=True)
class Limits:
    """What a format holds.

    Attributes
    ----------
    side : int
        Pixels in a row or a column.
    bits, channels : tuple of int
    pixels : int or None
        In all.
    least : int
        Pixels in a row or a column.
    """

    side: int
    bits: tuple[int, ...]
    channels: tuple[int, ...] = (1, 2, 3, 4)
    pixels: int | None = None
    least: int = 1


# what the libraries write AND read again, found by trying; the formats themselves allow more
LIMITS = {
    "JPEG": Limits(65500, (8,), (1, 3)),
    "PNG": Limits(1_000_000, (8, 16)),
    "TIFF": Limits(2**31 - 1, (8, 16)),
    "WebP": Limits(16383, (8,)),
    "AVIF": Limits(32768, (8, 10, 12), pixels=2**28),
    "HEIC": Limits(32768, (8, 10, 12), pixels=2**30),
    "RAW": Limits(64000, (16,), (1, 3), pixels=2**28 - 2**22, least=22),  # LibRaw takes 2 GB, with margins
}


def suffix_format(path):
    """Give the format that a file's name stands for.

    Raises
    ------
    BadInput

    Examples
    --------
    >>> suffix_format("holiday.JPG")
    'JPEG'
    """
    from pathlib import Path

    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        found = f'ends in "{suffix}"' if suffix else "has no suffix"
        raise BadInput(f"{Path(path).name} {found}, expected one of {', '.join(SUFFIXES)}; rename it or give a format")
    return SUFFIXES[suffix]


def check_format(format, width, height, channels, bits="auto", linear=None):
    """To be asked before any work is done: the format can hold such a picture.

    Parameters
    ----------
    format : str
        As in `Header`; "RAW" is a linear DNG.
    width, height, channels : int
        Of the result.
    bits : int or "auto"
        Wanted in the file.
    linear : bool, optional
        Whether the picture is sensor data; not checked when it is not said.

    Raises
    ------
    BadInput

    Examples
    --------
    >>> check_format("WebP", 20000, 100, 3)
    Traceback (most recent call last):
        ...
    karat.refimpl.errors.BadInput: the result has 20000 x 100 pixels, expected 16383 a side at most in WebP; \
choose a smaller size or TIFF
    """
    limits = limits_of(format)
    if min(width, height) < limits.least:
        raise BadInput(
            f"the result has {width} x {height} pixels, expected {limits.least} a side at least in {name(format)}; "
            "choose a larger size or TIFF"
        )
    if max(width, height) > limits.side:
        raise BadInput(
            f"the result has {width} x {height} pixels, expected {limits.side} a side at most in {name(format)}; "
            "choose a smaller size or TIFF"
        )
    if limits.pixels and width * height > limits.pixels:
        raise BadInput(
            f"the result has {width * height} pixels, expected {limits.pixels} at most in {name(format)}; "
            "choose a smaller size or TIFF"
        )
    if format == "HEIC" and channels in (2, 4) and max(width, height) > 4096 and min(width, height) < 32:
        raise BadInput(
            f"the result has {width} x {height} pixels with alpha, expected 32 a side at least in so long a HEIC; "
            "choose TIFF"
        )
    if channels not in limits.channels:
        raise BadInput(_wrong_channels(format, channels, limits))
    if format == "RAW" and linear is False:
        raise BadInput("the picture is no sensor data, expected it for a linear DNG; choose TIFF or PNG")
    file_bits(format, 8, bits)


def check_dng_color(color):
    """Refuse other colours than the camera's in a linear DNG.

    Raises
    ------
    BadInput
    """
    if color != "keep":
        raise BadInput("a linear DNG holds the camera's colours, expected color to be kept; choose TIFF for sRGB")


def _wrong_channels(format, channels, limits):
    found = CHANNELS.get(channels, f"{channels} channels")
    expected = " or ".join(CHANNELS[number] for number in limits.channels)
    has_alpha = channels in (2, 4) and format == "JPEG"
    advice = "flatten it first, or choose PNG, TIFF, WebP, AVIF or HEIC" if has_alpha else "choose TIFF"
    return f"the picture is {found}, expected {expected} in {name(format)}; {advice}"


def file_bits(format, bits, wanted="auto"):
    """Give the bit depth of the file: the smallest that loses nothing, or else the largest there is.

    Parameters
    ----------
    format : str
    bits : int
        Of the picture.
    wanted : int or "auto"

    Raises
    ------
    BadInput

    Examples
    --------
    >>> file_bits("PNG", 10), file_bits("AVIF", 10), file_bits("HEIC", 16), file_bits("TIFF", 16, 8)
    (16, 10, 12, 8)
    """
    choices = limits_of(format).bits
    if wanted == "auto":
        return next((choice for choice in choices if choice >= bits), choices[-1])
    if wanted not in choices:
        expected = " or ".join(str(choice) for choice in choices)
        raise BadInput(f'bits is {wanted!r}, expected {expected} in {name(format)}; choose one, or "auto"')
    return wanted


def limits_of(format):
    """Give a format's limits.

    Raises
    ------
    BadInput
    """
    if format not in LIMITS:
        raise BadInput(f"the format is {format!r}, expected one of {', '.join(LIMITS)}; choose one of them")
    return LIMITS[format]


def name(format):
    """Give a format's name for a sentence."""
    return "a linear DNG" if format == "RAW" else format
