"""An EXIF block made of a TIFF's or a raw file's tags: those files keep them among the tags of their pixels."""

import struct

from .tags import EXIF, GPS, INTEROP

# of the first folder, those that describe the photograph and not how its pixels are stored
DESCRIPTIVE = {
    269, 270, 271, 272, 274, 282, 283, 285, 296, 305, 306, 315, 316, 318, 319, 18246, 18249, 33432, 36867, 40091, 40092,
    40093, 40094, 40095,
}  # fmt: skip
POINTERS = (EXIF, GPS, INTEROP)


def exif_block(tags):
    """The descriptive tags of a structure with the EXIF, GPS and interoperability folders, as a block of their own.

    Values are copied byte by byte; only the places where they stand change. What a maker note says about places within
    the old file no longer holds.

    Parameters
    ----------
    tags : Tags

    Returns
    -------
    bytes or None
        From the byte order mark on; None when there is nothing to say.
    """
    first = {code: tag for code, tag in tags.first.items() if code in DESCRIPTIVE}
    below = {code: _below(tags, tags.first, code) for code in (EXIF, GPS)}
    below[INTEROP] = _below(tags, below[EXIF], INTEROP)
    if not first and not any(below.values()):
        return None
    block = bytearray((b"II*\0" if tags.order == "<" else b"MM\0*") + struct.pack(f"{tags.order}I", 8))
    places = {}
    for code, folder in ((0, first), (EXIF, below[EXIF]), (GPS, below[GPS]), (INTEROP, below[INTEROP])):
        if folder or code == 0:
            here = {0: (EXIF, GPS), EXIF: (INTEROP,)}.get(code, ())
            places[code] = len(block)
            _append(block, folder, [pointer for pointer in here if below[pointer]], tags.order)
    for code, folder in ((EXIF, 0), (GPS, 0), (INTEROP, EXIF)):
        if code in places:
            _point(block, places[folder], code, places[code], tags.order)
    return bytes(block)


def _below(tags, folder, code):
    place = tags.number(code, 0, folder)
    return {key: tag for key, tag in (tags.folder(place) or {}).items() if key not in POINTERS or key == INTEROP}


def _append(block, folder, pointers, order):
    """A folder with its values behind it; pointers are entries that are filled in later."""
    codes = sorted({*(code for code in folder if code not in POINTERS and folder[code].type < 16), *pointers})
    values = len(block) + 2 + 12 * len(codes) + 4
    later = bytearray()
    block += struct.pack(f"{order}H", len(codes))
    for code in codes:
        if code in pointers:
            block += struct.pack(f"{order}HHII", code, 4, 1, 0)
            continue
        tag = folder[code]
        block += struct.pack(f"{order}HHI", code, tag.type, tag.count)
        content = tag.data
        if len(content) <= 4:
            block += content.ljust(4, b"\0")
        else:
            block += struct.pack(f"{order}I", values + len(later))
            later += content + b"\0" * (len(content) % 2)
    block += struct.pack(f"{order}I", 0) + later


def _point(block, folder, code, place, order):
    count = struct.unpack_from(f"{order}H", block, folder)[0]
    for entry in range(folder + 2, folder + 2 + 12 * count, 12):
        if struct.unpack_from(f"{order}H", block, entry)[0] == code:
            struct.pack_into(f"{order}I", block, entry + 8, place)
