"""Photoshop's image resources ("Photoshop File Formats", Adobe), which JPEG, TIFF and PNG carry IPTC in."""

import struct

IPTC = 0x0404
DERIVED = (0x03ED, 0x0409, 0x040C, 0x040F, 0x0422, 0x0423, 0x0424, 0x0425)  # resolution, thumbnails, and what stands
# elsewhere in a file once more: ICC, EXIF, XMP, a hash of IPTC


def resources(block):
    """Number and content of every resource, up to the first that is damaged.

    Examples
    --------
    >>> list(resources(b"8BIM" + bytes.fromhex("0404 0000 00000003 1c0205 00")))
    [(1028, b'\\x1c\\x02\\x05')]
    """
    place = 0
    while place + 12 <= len(block) and block[place : place + 4] == b"8BIM":
        number, named = struct.unpack_from(">HB", block, place + 4)
        place += 6 + (named + 2) // 2 * 2  # a name has its length in front and is filled to an even length
        if place + 4 > len(block):
            return
        size = struct.unpack_from(">I", block, place)[0]
        yield number, block[place + 4 : place + 4 + size]
        place += 4 + size + size % 2


def photoshop_iptc(block):
    """The IIM records, or None."""
    return next((content for number, content in resources(block) if number == IPTC), None)


def photoshop_notes(block):
    """A sentence about the resources that are not carried, where there are any."""
    others = sorted({number for number, _ in resources(block or b"")} - {IPTC, *DERIVED})
    if others:
        named = ", ".join(map(str, others[:5])) + (" and others" if len(others) > 5 else "")
        yield f"resources of Photoshop (such as paths) are left out: {named}"
