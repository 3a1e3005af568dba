"""A TIFF file that begins with the source's EXIF block, so that every offset in it still holds.

An EXIF block is a TIFF file without pixels. Written at the very start of ours, only the offset of its first directory
changes: the new one, behind the pixels, takes over the old one's tags as they stand and adds those of the picture.
Layout: TIFF 6.0 (Adobe, 1992), section 2; Deflate and the predictor: Adobe Photoshop TIFF technical notes (2002);
BigTIFF: libtiff's design (2004); ICC: ICC.1 annex B.3.
"""

import struct
import zlib

import numpy as np

from .density import of_exif, said, same, tiff_tags
from .exif_patch import read_block
from .tags import ICC, IPTC, ORIENTATION, STORAGE, XMP

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SRATIONAL, LONG8 = 1, 2, 3, 4, 5, 7, 10, 16
FORMS = {BYTE: "B", SHORT: "H", LONG: "I", RATIONAL: "I", SRATIONAL: "i", LONG8: "Q"}
LARGEST = 2**32 - 1  # offsets of a classic TIFF
STRIP_BYTES = 1 << 20
NO_COMPRESSION, DEFLATE = 1, 8
GREY, RGB = 1, 2
# what describes the pixels of the file a block came from, or is written anew; the rest of its tags is taken over
OWN = STORAGE | {XMP, IPTC, ICC, ORIENTATION}
DNG_TAGS = range(50706, 52560)  # of a raw file: they describe its sensor data


def write_tiff(file, photo, quality=None):
    """Write a TIFF: grey or RGB, alpha if there is one, at 8 or 16 bits; always lossless.

    Parameters
    ----------
    file : binary file
        Empty, and able to seek.
    photo : Photo
        At 8 or 16 bits; its metadata corrected, without a thumbnail.
    quality
        Not used: there is nothing to lose.

    Returns
    -------
    tuple of str
        What was left out.
    """
    tags = {262: (SHORT, [GREY if photo.pixels.shape[2] < 3 else RGB])}
    return write_directory(file, photo, tags, DEFLATE)


def write_directory(file, photo, tags, compression):
    """Write pixels and one directory: what `write_tiff` and a DNG have in common.

    Parameters
    ----------
    file, photo
        As in `write_tiff`.
    tags : dict of int to (type, values)
        Beside those that any picture has; values are bytes, or a list of numbers (two for each rational).
    compression : int

    Returns
    -------
    tuple of str
    """
    pixels, metadata = photo.pixels, photo.metadata
    block = read_block(metadata.exif or b"")
    base, inherited, notes = b"", {}, ()
    big = pixels.nbytes * 1.01 + 2**20 > LARGEST
    if block.main is not None and big:
        notes = ("EXIF is left out: its offsets do not hold in a TIFF of more than 4 GB",)
    elif block.main is not None:
        base = block.data
        own = OWN | set(tags) | set(DNG_TAGS)
        inherited = {e.tag: base[e.place : e.place + 12] for e in block.main.entries if e.tag not in own}
    writer = _Writer(file, ">" if block.order == ">" else "<", big)
    writer.start(base)
    rows = max(1, STRIP_BYTES // (pixels.shape[1] * pixels.shape[2] * pixels.itemsize))
    strips = [writer.strip(pixels[top : top + rows], compression) for top in range(0, len(pixels), rows)]
    common = _common_tags(pixels, photo.bits, compression, rows, strips, writer.offset_type)
    for tag, content in ((XMP, metadata.xmp), (IPTC, metadata.iptc), (ICC, metadata.icc)):
        if content:
            common[tag] = (BYTE if tag == XMP else UNDEFINED, content)
    if 282 in inherited:
        if metadata.density and not same(metadata.density, of_exif(metadata.exif)):
            notes += (f"the resolution of {said(metadata.density)} is left out: EXIF says another",)
    else:
        common |= tiff_tags(metadata.density)
        inherited = {tag: entry for tag, entry in inherited.items() if tag not in (283, 296)}
    writer.directory({**common, **tags}, inherited)
    return notes


def _common_tags(pixels, bits, compression, rows, strips, offset_type):
    height, width, channels = pixels.shape
    tags = {
        254: (LONG, [0]),
        256: (LONG, [width]),
        257: (LONG, [height]),
        258: (SHORT, [bits] * channels),
        259: (SHORT, [compression]),
        273: (offset_type, [place for place, _ in strips]),
        274: (SHORT, [1]),
        277: (SHORT, [channels]),
        278: (LONG, [rows]),
        279: (offset_type, [length for _, length in strips]),
        284: (SHORT, [1]),
    }
    if compression == DEFLATE:
        tags[317] = (SHORT, [2])
    if channels in (2, 4):
        tags[338] = (SHORT, [2])  # alpha that is not multiplied into the colours
    return tags


class _Writer:
    """The parts of a TIFF file in the order in which they are written."""

    def __init__(self, file, order, big):
        self.file, self.order, self.big = file, order, big
        self.offset_type = LONG8 if big else LONG
        self.offset_form = order + ("Q" if big else "I")

    def start(self, base):
        """Write the header, or a block that begins with one."""
        mark = b"II" if self.order == "<" else b"MM"
        if self.big:
            head = mark + struct.pack(self.order + "HHHQ", 43, 8, 0, 0)
        else:
            head = base or mark + struct.pack(self.order + "HI", 42, 0)
        self.file.write(head + bytes(len(head) % 2))

    def strip(self, part, compression):
        """Write some rows; gives their place and length."""
        place = self.file.tell()
        if compression == DEFLATE:
            part = np.concatenate([part[:, :1], np.diff(part, axis=1)], axis=1)  # wraps, as the predictor wants
        content = part.astype(part.dtype.newbyteorder(self.order), copy=False).tobytes()
        if compression == DEFLATE:
            content = zlib.compress(content, 4)
        self.file.write(content + bytes(len(content) % 2))
        return place, len(content)

    def directory(self, tags, inherited):
        """Write the values that do not fit into their entries, the directory, and its offset into the header."""
        entries = {**inherited, **{tag: self._entry(tag, *value) for tag, value in tags.items()}}
        place = self.file.tell()
        count = struct.pack(self.order + ("Q" if self.big else "H"), len(entries))
        rows = b"".join(entries[tag] for tag in sorted(entries))
        self.file.write(count + rows + struct.pack(self.offset_form, 0))
        self.file.seek(8 if self.big else 4)
        self.file.write(struct.pack(self.offset_form, place))

    def _entry(self, tag, kind, values):
        content = values
        if not isinstance(values, bytes):
            content = struct.pack(f"{self.order}{len(values)}{FORMS[kind]}", *values)
        count = len(values) // 2 if kind in (RATIONAL, SRATIONAL) else len(values)
        room = 8 if self.big else 4
        if len(content) > room:
            place = self.file.tell()
            self.file.write(content + bytes(len(content) % 2))
            content = struct.pack(self.offset_form, place)
        return struct.pack(self.order + ("HHQ" if self.big else "HHI"), tag, kind, count) + content.ljust(room, b"\0")
