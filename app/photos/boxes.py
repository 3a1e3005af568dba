"""The boxes of HEIF and AVIF (ISO/IEC 23008-12): which items there are, what describes them, where their bytes lie."""

import struct
from dataclasses import dataclass, field

from ...refimpl.errors import BadInput
from .found import METADATA

MOST = 65536  # boxes, items, references: a damaged count must not cost minutes


@dataclass
class Item:
    """One item of a `meta` box; properties are (type, content) in the order in which they apply."""

    kind: str
    hidden: bool = False
    mime: str = ""
    properties: list[tuple[str, bytes]] = field(default_factory=list)
    method: int = 0
    extents: list[tuple[int, int]] = field(default_factory=list)

    def property(self, kind):
        """The content of its first property of a type, or b""."""
        return next((content for name, content in self.properties if name == kind), b"")


@dataclass
class Items:
    """A file's items.

    Attributes
    ----------
    brands : set of str
    primary : int
        Its number.
    pitm : (int, int)
        Where the file says that number, and in how many bytes.
    items : dict of int to Item
    references : list of (str, int, list of int)
        Type, from and to, such as ("thmb", 5, [1]): 5 is a thumbnail of 1.
    groups : list of str
        Types of entity groups, such as "ster".
    moving : bool
        Whether there is a film or burst beside the items.
    """

    brands: set[str]
    primary: int = 0
    items: dict[int, Item] = field(default_factory=dict)
    references: list[tuple[str, int, list[int]]] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    moving: bool = False
    idat: tuple[int, int] = (0, 0)
    pitm: tuple[int, int] = (0, 0)

    def pointing(self, kind, target):
        """Numbers of the items that refer to another so."""
        return [start for name, start, ends in self.references if name == kind and target in ends]


class Reader:
    """Big-endian numbers one after the other; struct.error where there are no more."""

    def __init__(self, data, place, end):
        self.data, self.place, self.end = data, place, min(end, len(data))

    def number(self, size):
        """The next unsigned number of 0 to 8 bytes."""
        if self.place + size > self.end:
            raise struct.error("a box ends too early")
        self.place += size
        return int.from_bytes(self.data[self.place - size : self.place], "big")

    def text(self):
        """The next text up to its zero byte."""
        end = self.data.find(b"\0", self.place, self.end)
        end = self.end if end < 0 else end
        value = bytes(self.data[self.place : min(end, self.place + 256)]).decode("latin-1")
        self.place = end + 1
        return value


def boxes(data, place, end):
    """(type, first byte of the content, end) of every box in a range."""
    for _ in range(MOST):
        if place + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", data, place)
        start = place + 8
        if size == 1 and place + 16 <= end:
            size, start = struct.unpack_from(">Q", data, start)[0], place + 16
        stop = end if size == 0 else place + size
        if stop < start or stop > end:
            return  # a damaged size: nothing behind it can be found
        yield kind.decode("latin-1"), start, stop
        place = stop


def read_items(data):
    """The items of a HEIF or AVIF file.

    Parameters
    ----------
    data : bytes-like with find

    Returns
    -------
    Items

    Raises
    ------
    BadInput
        When there is no primary item.
    struct.error
        When a box ends too early.
    """
    head = struct.unpack_from(">I", data)[0]
    brand = bytes(data[8 : min(head, 1024)])
    result = Items({brand[i : i + 4].decode("latin-1") for i in range(0, len(brand), 4) if i != 4})
    for kind, start, end in boxes(data, 0, len(data)):
        result.moving |= kind == "moov"
        if kind == "meta" and not result.items:
            for name, first, last in boxes(data, start + 4, end):
                if name in READ:
                    READ[name](result, data, first, last)
    if result.primary not in result.items:
        raise BadInput("names no picture of its own as the first, expected a primary item; save it again")
    return result


def _item(result, number):
    if number not in result.items and len(result.items) < MOST:
        result.items[number] = Item("")
    return result.items.get(number, Item(""))


def _pitm(result, data, start, end):
    reader = Reader(data, start, end)
    size = 2 if reader.number(4) >> 24 == 0 else 4
    result.pitm = reader.place, size
    result.primary = reader.number(size)


def _iinf(result, data, start, end):
    reader = Reader(data, start, end)
    reader.number(2 if reader.number(4) >> 24 == 0 else 4)
    for kind, first, last in boxes(data, reader.place, end):
        if kind == "infe":
            reader = Reader(data, first, last)
            version, flags = divmod(reader.number(4), 2**24)
            item = _item(result, reader.number(4 if version >= 3 else 2))
            reader.number(2)
            item.kind, item.hidden = reader.number(4).to_bytes(4, "big").decode("latin-1"), bool(flags & 1)
            reader.text()
            item.mime = reader.text() if item.kind == "mime" else ""


def _iref(result, data, start, end):
    version = data[start]
    wide = 4 if version else 2
    for kind, first, last in boxes(data, start + 4, end):
        reader = Reader(data, first, last)
        source, count = reader.number(wide), reader.number(2)
        if len(result.references) < MOST:
            result.references.append((kind, source, [reader.number(wide) for _ in range(count)]))


def _iprp(result, data, start, end):
    properties, links = [], []
    for kind, first, last in boxes(data, start, end):
        if kind == "ipco":
            properties = [(name, (a, b)) for name, a, b in boxes(data, first, last)]
        if kind == "ipma":
            links.append((first, last))
    for first, last in links:
        reader = Reader(data, first, last)
        version, flags = divmod(reader.number(4), 2**24)
        for _ in range(min(reader.number(4), MOST)):
            item = _item(result, reader.number(4 if version else 2))
            for _ in range(reader.number(1)):
                index = reader.number(2) & 0x7FFF if flags & 1 else reader.number(1) & 0x7F
                if 0 < index <= len(properties) and len(item.properties) < 256:
                    name, (a, b) = properties[index - 1]
                    item.properties.append((name, bytes(data[a : min(b, a + METADATA)])))


def _iloc(result, data, start, end):
    reader = Reader(data, start, end)
    version = reader.number(4) >> 24
    sizes = reader.number(2)
    offset, length, base, index = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    for _ in range(min(reader.number(4 if version == 2 else 2), MOST)):
        item = _item(result, reader.number(4 if version == 2 else 2))
        item.method = reader.number(2) & 15 if version else 0
        reader.number(2)
        origin = reader.number(base)
        for _ in range(reader.number(2)):
            reader.number(index if version else 0)
            item.extents.append((origin + reader.number(offset), reader.number(length)))


def _idat(result, data, start, end):
    result.idat = (start, end)


def _grpl(result, data, start, end):
    result.groups = [kind for kind, _, _ in boxes(data, start, end)]


READ = {"pitm": _pitm, "iinf": _iinf, "iref": _iref, "iprp": _iprp, "iloc": _iloc, "idat": _idat, "grpl": _grpl}


def item_bytes(data, items, number):
    """What an item holds, or None when that lies elsewhere or is larger than metadata may be."""
    item = items.items[number]
    start, end = {0: (0, len(data)), 1: items.idat}.get(item.method, (0, 0))
    parts, total = [], 0
    for offset, length in item.extents[:256]:
        last = min(end, start + offset + length) if length else end
        total += max(0, last - start - offset)
        if total > METADATA:
            return None
        parts.append(bytes(data[start + offset : last]))
    return b"".join(parts) or None
