"""What a photograph is while it is worked on: its numbers, and everything else that its file held."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

CHANNELS = {1: "grey", 2: "grey with alpha", 3: "RGB", 4: "RGB with alpha"}


def colours_of(channels: int) -> int:
    """Channels but for alpha, which is the last one where their number is even.

    Examples
    --------
    >>> [colours_of(channels) for channels in CHANNELS]
    [1, 1, 3, 3]
    """
    return channels - (channels % 2 == 0)


@dataclass(frozen=True)
class Metadata:
    """What stands in a file beside the pixels, as the bytes that were found.

    Attributes
    ----------
    exif : bytes or None
        From the byte order mark on ("II*" or "MM*"), without a container's prefix.
    xmp : bytes or None
        The packet.
    iptc : bytes or None
        IIM records, without Photoshop's wrapping.
    icc : bytes or None
        The profile that the pixels are meant in.
    cicp : tuple of int or None
        Primaries, transfer and matrix as numbered in ITU-T H.273, where a file says so instead of a profile.
    texts : tuple of (str, str)
        Keyword and text; a JPEG's comment has the keyword "Comment". Bytes that are no UTF-8 are kept, see
        `texts.text_of`.
    density : (x, y, unit) or None
        Pixels of the upright picture in an "inch" or "cm"; a unit of None: only their proportion is meant.
    more_xmp : tuple of bytes
        A JPEG's pieces of extended XMP (XMP specification part 3, 1.1.3.1): name, length, offset and content of each.
    """

    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    icc: bytes | None = None
    cicp: tuple[int, int, int] | None = None
    texts: tuple[tuple[str, str], ...] = ()
    density: tuple[float, float, str | None] | None = None
    more_xmp: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Header:
    """What a file says of itself before a pixel is decoded.

    Attributes
    ----------
    format : str
        "JPEG", "PNG", "TIFF", "WebP", "AVIF", "HEIC" or "RAW".
    width, height : int
        Upright, as a person sees the picture.
    channels, bits : int
    """

    format: str
    width: int
    height: int
    channels: int
    bits: int


@dataclass(frozen=True)
class Photo:
    """A decoded photograph, upright.

    Attributes
    ----------
    pixels : ndarray of uint8 or uint16, (H, W, C)
        C as in `CHANNELS`; alpha is last and not multiplied into the colours.
    bits : int
        8, 10, 12 or 16: values lie in [0, 2^bits - 1].
    format : str
        Of the file, as `Header` has it.
    metadata : Metadata
        As found, but the resolution is the upright picture's; what no longer holds (orientation, sizes, thumbnail) is
        corrected when the result is written.
    notes : tuple of str
        Sentences about what a person should know: a gain map that is not carried over, CMYK that was converted.
    linear : bool
        Whether values are proportional to light (sensor data), and not encoded for a screen.
    camera : dict
        Of sensor data, what a DNG needs: model, white balance, colour matrix.
    """

    pixels: np.ndarray
    bits: int
    format: str
    metadata: Metadata = Metadata()
    notes: tuple[str, ...] = ()
    linear: bool = False
    camera: dict[str, Any] = field(default_factory=dict)

    @property
    def most(self) -> int:
        """The largest value there can be."""
        return 2**self.bits - 1
