"""EXIF corrected where it stands: orientation, sizes and thumbnail; no other byte moves.

Maker notes hold offsets that count from the start of the block, so it must never be taken apart and built again.
Layout and tags: CIPA DC-008 (Exif 3.0), sections 4.5 and 4.6; TIFF 6.0, section 2.
"""

import struct
from dataclasses import dataclass, field

BYTES_OF_TYPE = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1}
SHORT, LONG = 3, 4
WIDTH, HEIGHT, COMPRESSION, ORIENTATION = 0x100, 0x101, 0x103, 0x112
THUMBNAIL, THUMBNAIL_BYTES = 0x201, 0x202
EXIF_IFD, GPS_IFD, INTEROP_IFD = 0x8769, 0x8825, 0xA005
PIXEL_X, PIXEL_Y = 0xA002, 0xA003
RESOLUTION_X, RESOLUTION_Y, RATIONAL = 0x11A, 0x11B, 5
POINTERS = (EXIF_IFD, GPS_IFD, INTEROP_IFD)
SMALLEST_THUMBNAIL = 200  # bytes: a JPEG's tables alone take more


class Damaged(Exception):
    """A place that lies outside the block, or is met a second time."""


@dataclass(frozen=True)
class Entry:
    """One tag: where its 12 bytes stand, and where its value does."""

    tag: int
    type: int
    count: int
    place: int  # of the 12 bytes
    value: int  # of the value: inside the 12 bytes when it takes 4 at most

    @property
    def size(self) -> int:
        """Bytes of the value; 0 for a type that nobody knows."""
        return BYTES_OF_TYPE.get(self.type, 0) * self.count


@dataclass
class Directory:
    """One image file directory."""

    place: int
    entries: list[Entry]
    link: int  # where the offset of the next one stands

    def first(self, tag):
        """Give the first entry of a tag, or None."""
        return next((entry for entry in self.entries if entry.tag == tag), None)


@dataclass
class Block:
    """An EXIF block and the directories in it that could be read."""

    data: bytes
    order: str = "<"
    main: Directory | None = None
    next: int = 0  # what the main directory links to; 0 for nothing, and for a block cut before the link
    thumbnail: Directory | None = None
    nested: dict[int, Directory] = field(default_factory=dict)
    damaged: bool = False

    def number(self, form, place):
        """Read one number in the block's byte order."""
        if place < 0 or place + struct.calcsize(form) > len(self.data):
            raise Damaged
        return struct.unpack_from(self.order + form, self.data, place)[0]

    def integer(self, entry):
        """Read the single SHORT or LONG that an entry holds, or raise Damaged."""
        if entry is None or entry.type not in (SHORT, LONG, 13) or entry.count != 1:
            raise Damaged
        return self.number("H" if entry.type == SHORT else "I", entry.value)

    def directories(self):
        """List all directories that were read."""
        return [d for d in (self.main, *self.nested.values(), self.thumbnail) if d is not None]


def read_block(data):
    """Find the directories of an EXIF block.

    Parameters
    ----------
    data : bytes
        From the byte order mark on.

    Returns
    -------
    Block
        `main` is None when nobody could read it; `damaged` says that some directory could not be read.

    Examples
    --------
    >>> block = read_block(bytes.fromhex("4d4d002a00000008 0001 0112000300000001 00060000 00000000"))
    >>> block.order, block.integer(block.main.first(0x112))
    ('>', 6)
    """
    block = Block(data, {b"II": "<", b"MM": ">"}.get(data[:2], "?"))
    if block.order == "?" or len(data) < 8 or block.number("H", 2) != 42:
        return block
    met: set[int] = set()
    try:
        block.main = _directory(block, block.number("I", 4), met)
    except Damaged:
        return block
    _read_nested(block, block.main, met)
    try:
        block.next = block.number("I", block.main.link)
        block.thumbnail = _directory(block, block.next, met) if block.next else None
    except Damaged:
        block.damaged = True
    return block


def _read_nested(block, directory, met):
    for entry in directory.entries:
        if entry.tag in POINTERS:
            try:
                block.nested[entry.tag] = _directory(block, block.integer(entry), met)
            except Damaged:
                block.damaged = True
                continue
            _read_nested(block, block.nested[entry.tag], met)


def _directory(block, place, met):
    if place < 8 or place in met:
        raise Damaged
    met.add(place)
    count = block.number("H", place)
    if place + 2 + 12 * count > len(block.data):
        raise Damaged
    entries = []
    for here in range(place + 2, place + 2 + 12 * count, 12):
        tag, kind, number = struct.unpack_from(block.order + "HHI", block.data, here)
        entry = Entry(tag, kind, number, here, here + 8)
        if entry.size > 4:
            entry = Entry(tag, kind, number, here, block.number("I", here + 8))
        entries.append(entry)
    return Directory(place, entries, place + 2 + 12 * count)


def turned_exif(data):
    """Exchange XResolution and YResolution in place, for a picture that was turned by a quarter.

    Parameters
    ----------
    data : bytes
        From the byte order mark on.

    Returns
    -------
    bytes
        As long as it was; the same where both say the same.
    """
    block, out = read_block(data), bytearray(data)
    for directory in (block.main, block.thumbnail):
        x, y = (directory.first(tag) if directory else None for tag in (RESOLUTION_X, RESOLUTION_Y))
        if x is None or y is None or not (x.type, x.count) == (y.type, y.count) == (RATIONAL, 1):
            continue
        if abs(x.value - y.value) >= x.size and max(x.value, y.value) + x.size <= len(data):
            for a, b in ((x.value, y.value), (y.value, x.value)):
                out[a : a + x.size] = data[b : b + x.size]
    return bytes(out)


def correct_exif(data, width, height, thumbnail=None):
    """Correct an EXIF block in place for an upright picture of a new size.

    Only these bytes may differ from what came in: type, count and value of Orientation, ImageWidth and ImageLength (in
    the main directory), PixelXDimension and PixelYDimension; the bytes of the thumbnail; its length, its sizes and its
    orientation in the second directory, or the link to that directory when no thumbnail remains.

    Parameters
    ----------
    data : bytes
        From the byte order mark on.
    width, height : int
        Of the result.
    thumbnail : callable, optional
        `thumbnail(limit)` gives (jpeg bytes of `limit` at most, width, height), or None when nothing fits.

    Returns
    -------
    data : bytes or None
        As long as it was. None when no directory can be read: a reader that guesses could turn the picture again.
    notes : tuple of str

    Examples
    --------
    >>> turned = bytes.fromhex("4d4d002a00000008 0001 0112000300000001 00060000 00000000")
    >>> correct_exif(turned, 640, 480)[0].hex(" ", 4)
    '4d4d 002a0000 00080001 01120003 00000001 00010000 00000000'
    """
    block = read_block(data)
    if block.main is None:
        return None, ("the EXIF block cannot be read, so it is left out",)
    out = bytearray(data)
    sizes = {WIDTH: width, HEIGHT: height, PIXEL_X: width, PIXEL_Y: height, ORIENTATION: 1}
    for directory in (block.main, block.nested.get(EXIF_IFD)):
        _set_numbers(out, block, directory, sizes)
    notes = ("a part of the EXIF block is damaged and is kept as it was",) if block.damaged else ()
    if block.next:
        notes += _correct_thumbnail(out, block, thumbnail)
    return bytes(out), notes


def _set_numbers(out, block, directory, values):
    """Overwrite single numbers; one that no longer fits SHORT, or was of a strange type, becomes LONG."""
    for entry in directory.entries if directory else ():
        if entry.tag not in values:
            continue
        value = values[entry.tag]
        short = value < 65536 and (entry.tag == ORIENTATION or (entry.type == SHORT and entry.count == 1))
        kind, form = (SHORT, "HIHH") if short else (LONG, "HII")
        struct.pack_into(block.order + form, out, entry.place + 2, kind, 1, value, *((0,) if short else ()))


def _correct_thumbnail(out, block, thumbnail):
    place, length = _thumbnail_place(block)
    new = thumbnail(length) if thumbnail is not None and length >= SMALLEST_THUMBNAIL else None
    if length:
        out[place : place + length] = bytes(length)  # the old picture must not stay behind, linked or not
    if new is None:
        struct.pack_into(block.order + "I", out, block.main.link, 0)
        return ("the thumbnail in EXIF is left out",)
    jpeg, width, height = new
    out[place : place + len(jpeg)] = jpeg
    _set_numbers(
        out, block, block.thumbnail, {THUMBNAIL_BYTES: len(jpeg), WIDTH: width, HEIGHT: height, ORIENTATION: 1}
    )
    return ()


def _thumbnail_place(block):
    """Find the bytes of a JPEG thumbnail that share none with anything else; (0, 0) when there are none."""
    if block.thumbnail is None:
        return 0, 0
    try:
        place = block.integer(block.thumbnail.first(THUMBNAIL))
        length = block.integer(block.thumbnail.first(THUMBNAIL_BYTES))
    except Damaged:
        return 0, 0
    end = place + length
    inside = place >= 8 and length > 0 and end <= len(block.data)
    taken = [(d.place, d.link + 4) for d in block.directories()]
    taken += [(e.value, e.value + e.size) for d in block.directories() for e in d.entries]
    return (place, length) if inside and all(b <= place or end <= a for a, b in taken) else (0, 0)
