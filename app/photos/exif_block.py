"""An EXIF block made of a TIFF's or a raw file's tags: those files keep them among the tags of their pixels."""

import struct

from .tags import EXIF, GPS, INTEROP
from .texts import named

# of the first folder, those that describe the photograph and not how its pixels are stored; TIFF/EP (ISO 12234-2) has
# some there that EXIF has in its own folder
DESCRIPTIVE = {
    269, 270, 271, 272, 274, 282, 283, 285, 296, 305, 306, 315, 316, 318, 319, 531, 18246, 18249, 33432, 33434, 33437,
    34850, 34852, 34855, 36867, 36868, *range(37377, 37388), *range(37393, 37399), 37510, *range(40091, 40096), 50341,
}  # fmt: skip
POINTERS = (EXIF, GPS, INTEROP)
MAKER_NOTE = 37500
FURTHEST = 65_000  # bytes of a block that a maker note keeps its place for: a JPEG holds no more
WIDE = 16  # types from here on are BigTIFF's


def exif_block(tags):
    """The descriptive tags of a structure with the EXIF, GPS and interoperability folders, as a block of their own.

    Types, counts and values are copied byte by byte; only the places where values stand change. A maker note stays
    where it stood, so that places in it that it names still hold, unless that is too far behind for a JPEG.

    Parameters
    ----------
    tags : Tags

    Returns
    -------
    bytes or None
        From the byte order mark on; None when there is nothing to say.
    """
    folders = {code: _copied(folder) for code, folder in _folders(tags).items()}
    folders = {code: folder for code, folder in folders.items() if folder or code == 0}
    if INTEROP in folders:
        folders.setdefault(EXIF, {})
    if len(folders) == 1 and not folders[0]:
        return None
    block = None
    if note := _note(tags):
        block = _laid_out(folders, tags.order, (note.start, note.start + len(note.data)))
    return block if block is not None and len(block) <= FURTHEST else _laid_out(folders, tags.order)


def exif_notes(tags, block):
    """Sentences about what such a block cannot carry.

    Parameters
    ----------
    tags : Tags
    block : bytes or None
        Of `exif_block`.
    """
    note = _note(tags)
    if note and block[note.start : note.start + len(note.data)] == note.data:
        yield "its maker note keeps its place; what it may name elsewhere in the old file is not carried"
    elif note:
        yield "its maker note is copied, but places in the old file that it may name no longer hold"
    lost = [code for folder in _folders(tags).values() for code, tag in folder.items() if tag.type >= WIDE]
    lost += [code for place in _places(tags) for code in tags.missing(place)]
    if lost:
        yield f"tags that are damaged or of unknown types are left out: {named(map(str, sorted(lost)))}"


def _places(tags):
    """Where the folders of a photograph stand; 0 for those that there are not."""
    below = tags.folder(tags.number(EXIF)) or {}
    return [tags.begin, tags.number(EXIF), tags.number(GPS), tags.number(INTEROP, 0, below)]


def _folders(tags):
    first = {code: tag for code, tag in tags.first.items() if code in DESCRIPTIVE}
    below = [tags.folder(place) or {} for place in _places(tags)[1:]]
    return dict(zip((0, *POINTERS), (first, *below), strict=True))


def _copied(folder):
    return {code: tag for code, tag in folder.items() if code not in POINTERS and tag.type < WIDE}


def _note(tags):
    """The maker note's tag, where it is more than the four bytes of an entry."""
    note = _folders(tags)[EXIF].get(MAKER_NOTE)
    return note if note and note.type < WIDE and len(note.data) > 4 else None


def _laid_out(folders, order, hole=(0, 0)):
    """A block of folders; a maker note stands in the hole, everything else around it."""
    places, here = {}, 8
    inside = {0: (EXIF, GPS), EXIF: (INTEROP,)}
    rows = {code: sorted({*folder, *(p for p in inside.get(code, ()) if p in folders)})
            for code, folder in folders.items()}  # fmt: skip
    sizes = {}
    for code, folder in folders.items():
        sizes[code, None] = 2 + 12 * len(rows[code]) + 4
        sizes |= {(code, key): len(tag.data) for key, tag in folder.items() if len(tag.data) > 4}
    for piece, size in sizes.items():
        if hole[1] and piece == (EXIF, MAKER_NOTE):
            places[piece] = hole[0]
            continue
        if here < hole[1] and here + size > hole[0]:
            here = hole[1] + hole[1] % 2
        places[piece], here = here, here + size + size % 2
    block = bytearray(max(here, hole[1]))
    struct.pack_into(f"{order}2sHI", block, 0, b"II" if order == "<" else b"MM", 42, places[0, None])
    for code, folder in folders.items():
        _put(block, rows[code], folder, code, places, order)
    return bytes(block)


def _put(block, rows, folder, code, places, order):
    """Write a folder and its values."""
    place = places[code, None]
    struct.pack_into(f"{order}H", block, place, len(rows))
    for number, key in enumerate(rows):
        entry = place + 2 + 12 * number
        if key in POINTERS:
            struct.pack_into(f"{order}HHII", block, entry, key, 4, 1, places[key, None])
            continue
        tag, content = folder[key], folder[key].data
        struct.pack_into(f"{order}HHI", block, entry, key, tag.type, tag.count)
        start = entry + 8
        if len(content) > 4:
            start = places[code, key]
            struct.pack_into(f"{order}I", block, entry + 8, start)
        block[start : start + len(content)] = content
