"""HEIF files box by box (ISO/IEC 14496-12 and 23008-12): what telephones write and pillow-heif does not."""

import struct
from dataclasses import dataclass, field

import numpy as np
from photo_files import heic

from karat.app.photos.boxes import item_bytes, read_items

APPLE_GAIN = "urn:com:apple:photo:2020:aux:hdrgainmap"


def box(kind, *parts):
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), kind.encode()) + content


def full(kind, version, flags, *parts):
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


@dataclass
class Item:
    """One item: properties are (type, content); hidden ones are no pictures of their own."""

    kind: str
    data: bytes
    properties: list = field(default_factory=list)
    hidden: bool = False
    mime: str = ""


def coded(pixels, bits=8, more=(), **options):
    """An item of HEVC, lossless unless options say other."""
    data = heic(pixels, bits, **options)
    items = read_items(data)
    first = items.items[items.primary]
    kept = [p for p in first.properties if p[0] in ("hvcC", "ispe", "pixi", "colr")]
    return Item("hvc1", item_bytes(data, items, items.primary), [*kept, *more])


def aux(role):
    return ("auxC", bytes(4) + role.encode() + b"\0")


def nclx(primaries, transfer, matrix, full_range=1):
    return ("colr", b"nclx" + struct.pack(">HHHB", primaries, transfer, matrix, full_range << 7))


def ispe(width, height):
    return ("ispe", struct.pack(">III", 0, width, height))


def compose(items, references=(), groups=(), primary=1, brands=("mif1", "heic"), extra=b""):
    """A file; items are numbered from 1, references are (type, from, [to]), groups are (type, number, [items])."""
    properties = list(dict.fromkeys(p for item in items for p in item.properties))
    ipco = box("ipco", *(box(kind, content) for kind, content in properties))
    rows = b""
    for number, item in enumerate(items, 1):
        indices = [
            properties.index(p) + 1 | (0x80 if p[0] in ("hvcC", "irot", "imir", "clap") else 0) for p in item.properties
        ]
        rows += struct.pack(">HB", number, len(indices)) + bytes(indices)
    ipma = full("ipma", 0, 0, struct.pack(">I", len(items)), rows)
    infe = []
    for n, item in enumerate(items, 1):
        name = b"\0" + (item.mime.encode() + b"\0" if item.kind == "mime" else b"")
        infe.append(full("infe", 2, int(item.hidden), struct.pack(">HH4s", n, 0, item.kind.encode()), name))
    iref = full("iref", 0, 0, *(box(kind, struct.pack(f">HH{len(ends)}H", start, len(ends), *ends))
                                for kind, start, ends in references))  # fmt: skip
    grpl = box("grpl", *(full(kind, 0, 0, struct.pack(f">II{len(ids)}I", number, len(ids), *ids))
                         for kind, number, ids in groups))  # fmt: skip
    parts = [full("hdlr", 0, 0, bytes(4), b"pict", bytes(13)), full("pitm", 0, 0, struct.pack(">H", primary)),
             full("iinf", 0, 0, struct.pack(">H", len(items)), *infe), *([iref] if references else []),
             box("iprp", ipco, ipma), *([grpl] if groups else []), extra]  # fmt: skip
    ftyp = box("ftyp", brands[0].encode(), bytes(4), *(brand.encode() for brand in brands))
    size = 8 + 2 + 2 + 14 * len(items) + 4
    here = len(ftyp) + 12 + sum(map(len, parts)) + size + 8
    places = b""
    for number, item in enumerate(items, 1):
        places += struct.pack(">HHHII", number, 0, 1, here, len(item.data))
        here += len(item.data)
    iloc = full("iloc", 0, 0, b"\x44\x00", struct.pack(">H", len(items)), places)
    return ftyp + full("meta", 0, 0, *parts, iloc) + box("mdat", *(item.data for item in items))


def grid(rows, columns, width, height):
    """The content of an item of tiles."""
    return struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)


def tone_map():
    """The content of an ISO 21496-1 tone map item, one channel: all numbers are fractions, gain 0 to 1 stop."""
    one, zero = struct.pack(">iI", 1, 1), struct.pack(">iI", 0, 1)
    return b"\0" + struct.pack(">HH", 0, 0) + b"\0" + zero + one + zero + one + one + zero + zero


def half(pixels):
    """A grey picture of half the size."""
    return np.ascontiguousarray(pixels[::2, ::2, :1])
