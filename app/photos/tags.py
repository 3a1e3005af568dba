"""TIFF structures: the tags of EXIF blocks, TIFF files and the raw files that are built like them."""

import struct
from dataclasses import dataclass
from typing import Any

from ...refimpl.errors import BadInput
from .found import METADATA

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
CODES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I", 16: "Q", 17: "q", 18: "Q"}
CLASSIC, BIG = (b"II*\0", b"MM\0*"), (b"II+\0", b"MM\0+")
VARIANTS = (b"IIRO", b"IIRS", b"MMOR", b"IIU\0")  # Olympus and Panasonic number the same structure otherwise
MOST_TAGS, MOST_FOLDERS = 4096, 64  # more than any camera writes; a damaged count must not cost minutes

WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, MAKE, MODEL, ORIENTATION, SAMPLES = (
    256,
    257,
    258,
    259,
    262,
    271,
    272,
    274,
    277,
)
SUBFILE, SUBIFDS, EXIF, GPS, INTEROP, XMP, IPTC, PHOTOSHOP, ICC = (
    254,
    330,
    34665,
    34853,
    40965,
    700,
    33723,
    34377,
    34675,
)
# how pixels are stored: TIFF 6.0, its supplements 1 and 2 (Adobe), ISO 12639, libtiff
STORAGE = {
    254, 255, *range(256, 260), 262, *range(263, 267), 273, *range(277, 282), 284, *range(288, 294), 301, 317, 320,
    *range(322, 326), 330, 332, 334, 336, *range(338, 344), 347, *range(512, 522), 529, 530, 532, 32995, 32996,
}  # fmt: skip


@dataclass(frozen=True)
class Tag:
    """One entry: its type, and where its bytes stand; they are copied when they are asked for."""

    type: int
    count: int
    whole: Any
    start: int
    order: str

    @property
    def data(self) -> bytes:
        """The bytes as they stand in the file."""
        return bytes(self.whole[self.start : self.start + SIZES[self.type] * self.count])

    @property
    def numbers(self) -> list[Any]:
        """The values; a rational is a pair's quotient."""
        if self.type in (5, 10):
            pairs = struct.unpack(f"{self.order}{2 * self.count}{'I' if self.type == 5 else 'i'}", self.data)
            return [a / b if b else 0.0 for a, b in zip(pairs[::2], pairs[1::2], strict=True)]
        if self.type not in CODES:
            return list(self.data)
        return list(struct.unpack(f"{self.order}{self.count}{CODES[self.type]}", self.data))

    @property
    def text(self) -> str:
        """What stands before the first zero byte."""
        return self.data.split(b"\0")[0].decode("utf-8", "replace").strip()


class Tags:
    """A TIFF structure.

    Parameters
    ----------
    data : bytes-like
        From the byte order mark on.

    Attributes
    ----------
    first : dict of int to Tag
        The first folder ("IFD").
    begin : int
        Where the first folder stands.
    folders : list of dict
        All of them: those in the chain and those below (tag 330), in the order found.

    Raises
    ------
    BadInput
        When not even the first folder can be read.

    Examples
    --------
    >>> Tags(b"II*\\0\\x08\\0\\0\\0" + b"\\1\\0" + b"\\x12\\1\\3\\0\\1\\0\\0\\0\\6\\0\\0\\0" + b"\\0" * 4).number(274)
    6
    """

    def __init__(self, data):
        self.data, mark = data, bytes(data[:4])
        if mark not in CLASSIC + BIG + VARIANTS:
            raise BadInput("holds no TIFF structure, expected its byte order mark; save it again")
        self.order, self.big = "<" if mark[:2] == b"II" else ">", mark in BIG
        offset = self._unpack("Q", 8) if self.big else self._unpack("I", 4)
        self.begin, first = offset, self.folder(offset)
        if first is None:
            raise BadInput(f"has no folder of tags at byte {offset}, expected one; save it again")
        self.first: dict[int, Tag] = first
        self.chained, self.folders = self._all(offset)

    def _unpack(self, code, offset):
        return (
            struct.unpack_from(self.order + code, self.data, offset)[0]
            if offset + struct.calcsize(code) <= len(self.data)
            else -1
        )

    def folder(self, offset):
        """The tags at an offset, or None when none can stand there; entries that point outside are left out."""
        places = self._entries(offset)
        if places is None:
            return None
        tags = {}
        for place in places:
            code, kind = self._unpack("H", place), self._unpack("H", place + 2)
            amount = self._unpack("Q" if self.big else "I", place + 4)
            size = SIZES.get(kind, 0) * amount
            value = place + (12 if self.big else 8)
            if size > (8 if self.big else 4):
                value = self._unpack("Q" if self.big else "I", value)
            if 0 < size <= METADATA and value + size <= len(self.data):
                tags.setdefault(code, Tag(kind, amount, self.data, value, self.order))
        return tags

    def missing(self, offset):
        """Codes of entries at an offset that are not among the tags there: of unknown types, or pointing outside."""
        tags = self.folder(offset) or {}
        codes = (self._unpack("H", place) for place in self._entries(offset) or ())
        return [code for code in codes if code not in tags]

    def _entries(self, offset):
        """Where the entries of a folder stand, or None when none can be there."""
        count = self._unpack("Q" if self.big else "H", offset)
        entry, start = (20, offset + 8) if self.big else (12, offset + 2)
        if offset < 8 or not 0 <= count <= MOST_TAGS or start + entry * count > len(self.data):
            return None
        return range(start, start + entry * count, entry)

    def _all(self, offset):
        """Folders in the chain, and those with the ones below them; each place is visited once."""
        chained, folders, seen, waiting = [], [], set(), [(offset, True)]
        while waiting and len(folders) < MOST_FOLDERS:
            offset, in_chain = waiting.pop(0)
            folder = None if offset in seen else self.folder(offset)
            seen.add(offset)
            if folder is None:
                continue
            folders.append(folder)
            if in_chain:
                chained.append(folder)
                count = self._unpack("Q" if self.big else "H", offset)
                after = offset + (8 + 20 * count if self.big else 2 + 12 * count)
                waiting.append((self._unpack("Q" if self.big else "I", after), True))
            if SUBIFDS in folder:
                waiting += [(below, False) for below in folder[SUBIFDS].numbers[:MOST_FOLDERS]]
        return chained, folders

    def number(self, code, default=0, folder=None):
        """The first value of a tag of the first (or a given) folder."""
        tag = (self.first if folder is None else folder).get(code)
        return tag.numbers[0] if tag and tag.numbers else default

    def text(self, code):
        """A tag of the first folder as text, or ""."""
        return self.first[code].text if code in self.first else ""


def orientation(exif):
    """How an EXIF block says the picture has to be turned: 1 to 8, and 1 when it does not say.

    Parameters
    ----------
    exif : bytes or None
    """
    if not exif:
        return 1
    try:
        value = Tags(exif).number(ORIENTATION, 1)
    except (BadInput, struct.error):
        return 1
    return int(value) if value in range(1, 9) else 1
