"""WebP: its RIFF chunks (RFC 9649)."""

import struct

from ...refimpl.errors import BadInput
from .found import METADATA, Found
from .photo import Metadata
from .tags import orientation

ALPHA, ANIMATED = 0x10, 0x02  # flags of VP8X


def chunks(data):
    """Type and content of every chunk; of pixels the first bytes only."""
    place = 12
    while place + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, place)
        yield (
            kind,
            bytes(data[place + 8 : place + 8 + min(size, METADATA if kind in (b"ICCP", b"EXIF", b"XMP ") else 16)]),
        )
        place += 8 + size + size % 2


def inspect(data):
    """What a WebP says of itself; parameters and errors as in `jpeg_file.inspect`."""
    kept = {}
    for name, content in chunks(data):
        kept.setdefault(name, content)
    width, height, alpha, animated = _size(kept)
    exif = (kept.get(b"EXIF") or b"").removeprefix(b"Exif\0\0") or None
    metadata = Metadata(exif, kept.get(b"XMP "), None, kept.get(b"ICCP"))
    notes = ("it is animated: its first picture is read",) if animated else ()
    return Found("WebP", width, height, 3 + alpha, 8, orientation(exif), metadata, notes)


def _size(kept):
    """(width, height, has alpha, is animated) of the first chunk that says it."""
    content = kept.get(b"VP8X", b"")
    if len(content) >= 10:
        width, height = (int.from_bytes(content[i : i + 3], "little") + 1 for i in (4, 7))
        return width, height, bool(content[0] & ALPHA), bool(content[0] & ANIMATED)
    content = kept.get(b"VP8L", b"")
    if len(content) >= 5 and content[0] == 0x2F:
        packed = int.from_bytes(content[1:5], "little")
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1, bool(packed >> 28 & 1), False
    content = kept.get(b"VP8 ", b"")
    if len(content) >= 10 and content[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", content, 6)
        return width & 0x3FFF, height & 0x3FFF, False, False
    raise BadInput("has no chunk that says its size, expected VP8, VP8L or VP8X; save it again")


def decode(data, found):
    """Its photo, upright; parameters as in `jpeg_file.decode`."""
    from .pillow_pixels import finished, pillow_pixels

    return finished(pillow_pixels(data, "WEBP"), found)
