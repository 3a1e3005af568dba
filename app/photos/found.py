"""What a container says before a pixel is decoded, and the limits that hold from then on."""

from dataclasses import dataclass, field
from typing import Any

from ...refimpl.errors import BadInput
from .photo import Header, Metadata

PIXELS = 2**28  # of a picture that is read, unless a caller asks for more: 16384 x 16384, 268 megapixels
METADATA = 2**26  # bytes of one block of metadata, also once it is decompressed
SWAPPED = (5, 6, 7, 8)  # orientations that exchange width and height


@dataclass(frozen=True)
class Found:
    """A file's own words.

    Attributes
    ----------
    format : str
        As `Header` has it.
    width, height : int
        As stored, before the picture is turned.
    channels, bits : int
        Of the photo that will come out; bits is 8, 10, 12 or 16.
    orientation : int
        1 to 8 as EXIF numbers them: how the stored picture has to be turned.
    metadata : Metadata
    notes : tuple of str
    decoded : (int, int) or None
        Width and height of what has to be decoded, where that is another size: a crop's whole, a tile.
    extra : dict
        What the family's own `decode` wants to know.
    """

    format: str
    width: int
    height: int
    channels: int
    bits: int
    orientation: int = 1
    metadata: Metadata = field(default_factory=Metadata)
    notes: tuple[str, ...] = ()
    decoded: tuple[int, int] | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def header(self) -> Header:
        """The same, upright."""
        swapped = self.orientation in SWAPPED
        width, height = (self.height, self.width) if swapped else (self.width, self.height)
        return Header(self.format, width, height, self.channels, self.bits)


def check_found(found, most):
    """Refuse what a file says of its size, before anything is allocated for it: errors as in `check_size`."""
    check_size(found.width, found.height, most)
    if found.decoded:
        check_size(found.decoded[0], found.decoded[1], most)


def check_size(width, height, most):
    """Refuse a picture without pixels or with too many, before anything is allocated for it."""
    if min(width, height) < 1:
        raise BadInput(f"says it is {width} x {height}, expected at least one pixel; save it again")
    if width * height > most:
        raise BadInput(f"says it is {width} x {height}, expected at most {most} pixels; cut it into parts")
