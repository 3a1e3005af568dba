"""JPEG: its segments (ISO/IEC 10918-1, annex B), and what applications keep in them."""

import struct
from dataclasses import replace

from ...refimpl.errors import BadInput
from .density import JFIF, of_jfif
from .found import METADATA, Found
from .photo import Metadata
from .photoshop import photoshop_iptc, photoshop_notes
from .tags import orientation
from .texts import COMMENT as KEYWORD
from .texts import bounded, named, text_of

EXIF, XMP, MORE_XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
ICC, PHOTOSHOP, ADOBE = b"ICC_PROFILE\0", b"Photoshop 3.0\0", b"Adobe"
PICTURES, GAIN_MAP = b"MPF\0", b"urn:iso:std:iso:ts:21496:-1\0"
FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
LOSSLESS = {0xC3, 0xC7, 0xCB, 0xCF}
COMMENT = 0xFE
APPLICATIONS = range(0xE0, 0xF0)  # APP0 to APP15
# what XMP says of the rest of a file: Adobe's and Apple's gain maps, Google's containers
GAIN_WORDS = (b"hdrgm:Version", b"HDRGainMap", b'Semantic="GainMap"', b"Semantic>GainMap<")
FILM_WORDS = (b'MotionPhoto="1"', b"MotionPhoto>1<", b'MicroVideo="1"', b"MicroVideo>1<")
DEPTH_WORDS = (b"GDepth:Data", b"GDepth:Mime", b'Semantic="Depth"', b'Semantic="DepthMap"', b"depthmap")
JFXX, LEAST_JFIF = b"JFXX\0", 14  # bytes of JFIF's segment without a thumbnail
PIXELS = {0xE0: 14, 0xEE: 12}  # JFIF and Adobe say what the numbers mean, in so many bytes at least
SIGNED = b"jumb"  # a box of C2PA (ISO/IEC 19566-5)
PIECE = 40  # bytes in front of a piece of extended XMP: name, length, offset


def segments(data):
    """Marker and content of every segment up to the first scan."""
    for marker, place, end in _places(data):
        yield marker, bytes(data[place + 4 : end])


def bare(data):
    """The file with nothing but its pixels: decoders refuse files for their metadata, which is read here."""
    parts, rest = [bytes(data[:2])], 2
    for marker, place, end in _places(data):
        least = PIXELS.get(marker, 2**16) if marker in APPLICATIONS else 0
        if marker != COMMENT and end - place - 4 >= least:
            parts.append(bytes(data[place:end]))
        rest = end
    return b"".join(parts) + bytes(data[rest:])


def _places(data):
    """Marker, place and end of every segment up to the first scan."""
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
        yield marker, place, place + 2 + length
        place += 2 + length


def joined_profile(pieces):
    """The ICC profile of numbered pieces, each with its number and how many there are; None when one is missing."""
    pieces = sorted(piece for piece in pieces if len(piece) > 2)
    numbers = [piece[0] for piece in pieces]
    whole = pieces and numbers == list(range(1, len(pieces) + 1)) and pieces[0][1] == len(pieces)
    return b"".join(piece[2:] for piece in pieces) if whole else None


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
    frame, kind, density, thumbnail, comments, unknown = b"", 0, None, False, [], []
    for marker, content in segments(data):
        if marker in FRAMES and not frame:
            frame, kind = content, marker
        thumbnail |= marker == 0xE0 and _holds_thumbnail(content)
        if marker == COMMENT:
            comments.append((KEYWORD, text_of(content)))
        mark = next((mark for mark in kept if marker in (0xE1, 0xE2, 0xED) and content.startswith(mark)), None)
        if mark:
            kept[mark].append(content[len(mark) :])
        elif marker == 0xE0 and content.startswith(JFIF):
            density = density or of_jfif(content)
        elif marker in APPLICATIONS and not (marker in (0xE0, 0xEE) and content.startswith((JFXX, ADOBE))):
            unknown.append((marker - 0xE0, content))
    if len(frame) < 6:
        raise BadInput("has no frame header, expected one before the scan; save it again")
    bits, height, width, channels = struct.unpack_from(">BHHB", frame)
    if bits not in (8, 12) or channels not in (1, 3, 4) or kind in LOSSLESS:
        what = "lossless coding" if kind in LOSSLESS else f"{channels} channels of {bits} bits"
        raise BadInput(f"is a JPEG with {what}, expected 1, 3 or 4 channels of 8 bits; convert it first")
    exif = kept[EXIF][0] if kept[EXIF] else None
    profile = joined_profile(kept[ICC])
    texts, beyond = bounded(comments)
    more = kept[MORE_XMP] if sum(PIECE + len(piece) for piece in kept[MORE_XMP]) <= METADATA else []
    metadata = Metadata(
        exif, kept[XMP][0] if kept[XMP] else None, photoshop_iptc(b"".join(kept[PHOTOSHOP])) or None, profile,
        texts=texts, density=density, more_xmp=tuple(more),
    )  # fmt: skip
    notes = tuple(_notes(kept, profile, more, unknown, thumbnail, len(beyond)))
    extra = {"cmyk": channels == 4}
    return Found("JPEG", width, height, min(channels, 3), bits, orientation(exif), metadata, notes, extra=extra)


def _holds_thumbnail(content):
    """Whether JFIF's segment, or the one that extends it, holds a small picture."""
    return content.startswith(JFXX) or (content.startswith(JFIF) and len(content) > LEAST_JFIF and all(content[12:14]))


def extended(pieces):
    """A sentence's beginning about pieces of extended XMP."""
    return f"extended XMP of {sum(max(0, len(piece) - PIECE) for piece in pieces)} bytes is left out"


def _unknown(segments):
    """The sentence about segments of other applications; their names are what stands before the first zero byte."""
    names = []
    for number, content in segments:
        name = content[:32].split(b"\0")[0].decode("latin-1")
        after = " (a signature would no longer hold)" * (number == 11 and SIGNED in content[:64])
        named_so = f" '{name}'" if name and name.isascii() and name.isprintable() else ""
        names.append(f"APP{number}{named_so}{after}")
    return f"segments of other applications are left out: {named(names)}"


def _notes(kept, profile, more, unknown, thumbnail, comments):
    if kept[ICC] and profile is None:
        yield "pieces of its ICC profile are missing: it is left out"
    if kept[MORE_XMP] and not more:
        yield extended(kept[MORE_XMP])
    yield from photoshop_notes(b"".join(kept[PHOTOSHOP]))
    if unknown:
        yield _unknown(unknown)
    packets = b"".join([*kept[XMP], *more])
    if kept[GAIN_MAP] or any(word in packets for word in GAIN_WORDS):
        yield "it holds a gain map for HDR screens, which is left out: the result is the standard picture"
    elif kept[PICTURES]:
        yield "it holds further pictures (such as a preview or a second view), which are left out"
    if any(word in packets for word in FILM_WORDS):
        yield "it is a moving photo: the film behind the picture is left out"
    if any(word in packets for word in DEPTH_WORDS):
        yield "it holds a depth map, which is left out"
    if thumbnail:
        yield "its JFIF thumbnail is left out: it shows the small picture"
    if comments:
        yield f"{comments} comments are left out"


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

        pixels = imagecodecs.jpeg8_decode(bare(data))
        pixels = pixels.reshape(*pixels.shape[:2], -1)  # (H, W, C)
    else:
        pixels = pillow_pixels(bare(data), "JPEG")
    if not found.extra["cmyk"]:
        return finished(pixels, found)
    from .cmyk import cmyk_to_srgb

    pixels, metadata, note = cmyk_to_srgb(pixels, 2**found.bits - 1, found.metadata)
    return finished(pixels, replace(found, metadata=metadata, notes=(*found.notes, note)))
