"""JPEG: its segments (ISO/IEC 10918-1, annex B), and what applications keep in them."""

import struct
from dataclasses import replace

from ...refimpl.errors import BadInput
from .found import Found
from .photo import Metadata
from .tags import orientation

EXIF, XMP, MORE_XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
ICC, PHOTOSHOP, ADOBE = b"ICC_PROFILE\0", b"Photoshop 3.0\0", b"Adobe"
PICTURES, GAIN_MAP = b"MPF\0", b"urn:iso:std:iso:ts:21496:-1\0"
FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
LOSSLESS = {0xC3, 0xC7, 0xCB, 0xCF}
COMMENT = 0xFE


def segments(data):
    """Marker and content of every segment up to the first scan."""
    place = 2
    while place + 4 <= len(data):
        if data[place] != 0xFF:
            return
        marker = data[place + 1]
        if marker == 0xFF:  # fill byte
            place += 1
            continue
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:  # they have no content
            place += 2
            continue
        length = struct.unpack_from(">H", data, place + 2)[0]
        if marker in (0xD9, 0xDA) or length < 2:
            return
        yield marker, bytes(data[place + 4 : place + 2 + length])
        place += 2 + length


def joined_profile(pieces):
    """The ICC profile of numbered pieces, each with its number and how many there are; None when one is missing."""
    pieces = sorted(piece for piece in pieces if len(piece) > 2)
    numbers = [piece[0] for piece in pieces]
    whole = pieces and numbers == list(range(1, len(pieces) + 1)) and pieces[0][1] == len(pieces)
    return b"".join(piece[2:] for piece in pieces) if whole else None


def photoshop_iptc(block):
    """The IIM records in Photoshop's image resources (number 0x0404), or None."""
    place = 0
    while place + 12 <= len(block) and block[place : place + 4] == b"8BIM":
        number, named = struct.unpack_from(">HB", block, place + 4)
        place += 6 + (named + 2) // 2 * 2  # a name has its length in front and is filled to an even length
        if place + 4 > len(block):
            return None
        size = struct.unpack_from(">I", block, place)[0]
        if number == 0x0404:
            return block[place + 4 : place + 4 + size]
        place += 4 + size + size % 2
    return None


def inspect(data):
    """What a JPEG says of itself.

    Parameters
    ----------
    data : bytes-like

    Returns
    -------
    Found

    Raises
    ------
    BadInput
    """
    kept = {mark: [] for mark in (EXIF, XMP, MORE_XMP, ICC, PHOTOSHOP, PICTURES, GAIN_MAP)}
    frame, kind, comment = b"", 0, False
    for marker, content in segments(data):
        if marker in FRAMES and not frame:
            frame, kind = content, marker
        comment |= marker == COMMENT and bool(content.strip(b"\0 "))
        for mark, found in kept.items():
            if marker in (0xE1, 0xE2, 0xED) and content.startswith(mark):
                found.append(content[len(mark) :])
    if len(frame) < 6:
        raise BadInput("has no frame header, expected one before the scan; save it again")
    bits, height, width, channels = struct.unpack_from(">BHHB", frame)
    if bits not in (8, 12) or channels not in (1, 3, 4) or kind in LOSSLESS:
        what = "lossless coding" if kind in LOSSLESS else f"{channels} channels of {bits} bits"
        raise BadInput(f"is a JPEG with {what}, expected 1, 3 or 4 channels of 8 bits; convert it first")
    exif = kept[EXIF][0] if kept[EXIF] else None
    profile = joined_profile(kept[ICC])
    metadata = Metadata(
        exif, kept[XMP][0] if kept[XMP] else None, photoshop_iptc(b"".join(kept[PHOTOSHOP])) or None, profile
    )
    notes = (*_notes(kept, profile), *(("its comment is left out",) if comment else ()))
    extra = {"cmyk": channels == 4}
    return Found("JPEG", width, height, min(channels, 3), bits, orientation(exif), metadata, notes, extra=extra)


def _notes(kept, profile):
    if kept[ICC] and profile is None:
        yield "pieces of its ICC profile are missing: it is left out"
    if kept[MORE_XMP]:
        yield f"extended XMP of {sum(max(0, len(piece) - 40) for piece in kept[MORE_XMP])} bytes is left out"
    if kept[GAIN_MAP] or any(b"hdrgm:Version" in packet or b"HDRGainMap" in packet for packet in kept[XMP]):
        yield "it holds a gain map for HDR screens, which is left out: the result is the standard picture"
    elif kept[PICTURES]:
        yield "it holds further pictures (such as a preview or a second view), which are left out"


def decode(data, found):
    """Its photo, upright.

    Parameters
    ----------
    data : bytes-like
    found : Found
        Of `inspect`.

    Returns
    -------
    Photo
    """
    from .pillow_pixels import finished, pillow_pixels

    if found.bits == 12:
        import imagecodecs

        pixels = imagecodecs.jpeg8_decode(data)
        pixels = pixels.reshape(*pixels.shape[:2], -1)  # (H, W, C)
    else:
        pixels = pillow_pixels(data, "JPEG")
    if not found.extra["cmyk"]:
        return finished(pixels, found)
    from .cmyk import cmyk_to_srgb

    pixels, metadata, note = cmyk_to_srgb(pixels, 2**found.bits - 1, found.metadata)
    return finished(pixels, replace(found, metadata=metadata, notes=(*found.notes, note)))
