"""Metadata added to an AVIF file that an encoder has written without.

Boxes: ISO/IEC 14496-12 (ISO base media file format), 4.2 and 8.11; items and properties: ISO/IEC 23008-12 (HEIF), 6.5
and annex A. Only what libavif writes is understood: the input is our own encoder's, never a stranger's.
"""

import struct


def add_items(content, exif=None, xmp=None, icc=None):
    """Give the parts of a file with EXIF and XMP as items, and a profile as a property of the primary item.

    Parameters
    ----------
    content : bytes
        An AVIF file: one `meta` box, item places of 4 bytes in the file itself.
    exif : bytes, optional
        From the byte order mark on.
    xmp, icc : bytes, optional

    Returns
    -------
    list of bytes
    """
    top = _boxes(content, 0, len(content))
    start, end = next((start, end) for kind, start, end in top if kind == b"meta")
    parts = {kind: content[a:b] for kind, a, b in _boxes(content, start + 12, end)}  # whole boxes, in their order
    primary = struct.unpack_from(">H", parts[b"pitm"], 12)[0]
    new = [(kind, data) for kind, data in ((b"Exif", exif and bytes(4) + exif), (b"mime", xmp)) if data]
    first = 1 + max(item for item, _ in _places(parts[b"iloc"]))
    names = {first + number: kind for number, (kind, _) in enumerate(new)}
    parts[b"iinf"] = _with_names(parts[b"iinf"], names)
    if names:
        parts[b"iref"] = _with_references(parts.get(b"iref"), names, primary)
    if icc:
        parts[b"iprp"] = _with_profile(parts[b"iprp"], icc, primary)
    places = dict(_places(parts[b"iloc"]))
    size = 12 + sum(len(part) for kind, part in parts.items() if kind != b"iloc") + 16 + 14 * (len(places) + len(new))
    moved = size - (end - start)
    places = {item: [(a + moved if a >= end else a, length) for a, length in found] for item, found in places.items()}
    here = len(content) + moved + 8
    for item, (_, data) in zip(names, new, strict=True):
        places[item] = [(here, len(data))]
        here += len(data)
    parts[b"iloc"] = _location_box(places)
    meta = _box(b"meta", bytes(4) + b"".join(parts.values()))
    added = [_box(b"mdat", b"".join(data for _, data in new))] if new else []
    return [content[:start], meta, content[end:], *added]


def _box(kind, content):
    return struct.pack(">I", 8 + len(content)) + kind + content


def _boxes(content, start, end):
    found = []
    while start < end:
        size, kind = struct.unpack_from(">I4s", content, start)
        if size == 1:
            size = struct.unpack_from(">Q", content, start + 8)[0]
        size = size or end - start
        found.append((kind, start, start + size))
        start += size
    return found


def _places(box):
    """Give (item, [(offset, length), ...]) of an item location box of version 0 with 4-byte offsets and lengths."""
    version, sizes, bases, count = box[8], box[12], box[13], struct.unpack_from(">H", box, 14)[0]
    if (version, sizes, bases) != (0, 0x44, 0):
        raise ValueError(f"an item location box of version {version} with sizes {sizes:x} {bases:x}")
    items, here = [], 16
    for _ in range(count):
        item, _, extents = struct.unpack_from(">HHH", box, here)
        pairs = struct.unpack_from(f">{2 * extents}I", box, here + 6)
        items.append((item, list(zip(pairs[::2], pairs[1::2], strict=True))))
        here += 6 + 8 * extents
    return items


def _location_box(places):
    rows = b""
    for item, extents in places.items():
        rows += struct.pack(">HHH", item, 0, len(extents)) + b"".join(struct.pack(">II", *pair) for pair in extents)
    return _box(b"iloc", bytes(4) + b"\x44\x00" + struct.pack(">H", len(places)) + rows)


def _with_names(box, names):
    count = struct.unpack_from(">H", box, 12)[0] + len(names)
    rows = b""
    for item, kind in names.items():
        text = b"\0application/rdf+xml\0\0" if kind == b"mime" else b"\0"
        rows += _box(b"infe", struct.pack(">IHH4s", 2 << 24, item, 0, kind) + text[: None if kind == b"mime" else 1])
    return _box(b"iinf", box[8:12] + struct.pack(">H", count) + box[14:] + rows)


def _with_references(box, names, primary):
    """Say of each new item that it describes the primary one."""
    rows = b"".join(_box(b"cdsc", struct.pack(">HHH", item, 1, primary)) for item in names)
    return _box(b"iref", (box[8:] if box else bytes(4)) + rows)


def _with_profile(box, icc, primary):
    """Add a colour profile to the properties, and tie it to the primary item."""
    (_, a, b), (_, c, d) = _boxes(box, 8, len(box))
    container, ties = box[a:b], box[c:d]
    index = 1 + len(_boxes(container, 8, len(container)))
    container = _box(b"ipco", container[8:] + _box(b"colr", b"prof" + icc))
    return _box(b"iprp", container + _with_tie(ties, index, primary))


def _with_tie(box, index, primary):
    """Add a property of 127 at most to an association box of version 0 with 1-byte indices."""
    if box[8] != 0 or box[11] & 1:
        raise ValueError("a property association box with large numbers")
    count, here = struct.unpack_from(">I", box, 12)[0], 16
    for _ in range(count):
        item, ties = struct.unpack_from(">HB", box, here)
        if item == primary:
            new = struct.pack(">HB", item, ties + 1) + box[here + 3 : here + 3 + ties] + bytes([index])
            return _box(b"ipma", box[8:here] + new + box[here + 3 + ties :])
        here += 3 + ties
    raise ValueError("the primary item has no properties")
