"""A JPEG file: pixels by libjpeg, metadata as segments of our own.

Segments: ITU-T T.81 annex B; EXIF: CIPA DC-008 4.7; XMP: XMP specification part 3, 1.1.3; ICC: ICC.1 annex B.4;
IPTC: Photoshop's image resource 0x0404.
"""

import hashlib
import io
import struct

from .density import METRES, PLACE, of_exif, said, same
from .density import jfif as jfif_numbers
from .jpeg_file import COMMENT, extended
from .texts import COMMENT as KEYWORD
from .texts import bytes_of, named

LARGEST = 65533  # bytes in a segment, beside its marker and its length
EXIF, XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
EXTENSION, ICC, IPTC = b"http://ns.adobe.com/xmp/extension/\0", b"ICC_PROFILE\0", b"Photoshop 3.0\0"
MOST_PROFILES = 255  # segments of one profile: they are numbered in a byte
STUB = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="%s"/></rdf:RDF></x:xmpmeta>'
    b'<?xpacket end="w"?>'
)


def write_jpeg(file, photo, quality):
    """Write a JPEG: every colour sample is kept (4:4:4), grey stays grey.

    Parameters
    ----------
    file : binary file
    photo : Photo
        At 8 bits; its metadata corrected.
    quality : int
        From 1 to 100.

    Returns
    -------
    tuple of str
        What was left out.
    """
    from PIL import Image

    pixels, coded = photo.pixels, io.BytesIO()
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    image.save(coded, "JPEG", quality=quality, subsampling=0)
    content = coded.getbuffer()
    start = 4 + struct.unpack_from(">H", content, 4)[0]  # behind SOI and JFIF's segment
    head, said_density = _with_density(content[:start], photo.metadata)
    segments, notes = _segments(photo.metadata)
    comments, said_texts = _comments(photo.metadata.texts)
    for part in (head, *segments, *comments, content[start:]):
        file.write(part)
    return notes + said_density + said_texts


def _with_density(head, metadata):
    """Give the beginning of a file with the picture's resolution in it, and what is to be said of it."""
    wanted, head = metadata.density, bytearray(head)
    if wanted is None:
        return head, ()
    numbers, spare = jfif_numbers(wanted), same(wanted, of_exif(metadata.exif))
    if numbers is None:
        return head, () if spare else (f"the resolution of {said(wanted)} is left out: a JPEG has no numbers for it",)
    struct.pack_into(">BHH", head, PLACE, *numbers)
    written = (*numbers[1:], (None, *METRES)[numbers[0]])
    if spare or wanted[2] is None or same(wanted, written):
        return head, ()
    return head, (f"the resolution of {said(wanted)} was rounded to {said(written)}: a JPEG holds whole numbers",)


def _comments(texts):
    """Give segments of comments, and a sentence about the texts that are none or too long."""
    parts = [(key, bytes_of(text) if key == KEYWORD else None) for key, text in texts]
    fits = [part for _, part in parts if part is not None and len(part) <= LARGEST]
    lost = [key for key, part in parts if part is None or len(part) > LARGEST]
    notes = (f"texts are left out, a JPEG has a place for comments up to {LARGEST} bytes: {named(lost)}",)
    return [_segment(COMMENT, part) for part in fits], notes if lost else ()


def _segments(metadata):
    """Give the segments that hold the metadata, and sentences about those that cannot."""
    segments: list[bytes] = []
    notes: list[str] = []
    if metadata.exif:
        if len(EXIF + metadata.exif) > LARGEST:
            notes.append(f"EXIF of {len(metadata.exif)} bytes is left out: a JPEG holds {LARGEST - len(EXIF)}")
        else:
            segments.append(_segment(0xE1, EXIF + metadata.exif))
    if metadata.xmp:
        segments += _xmp_segments(metadata.xmp)
    if metadata.more_xmp and metadata.xmp and len(XMP + metadata.xmp) <= LARGEST:
        segments += [_segment(0xE1, EXTENSION + piece) for piece in metadata.more_xmp]
    elif metadata.more_xmp:
        why = "takes its place" if metadata.xmp else "is not there, and without it nobody would read it"
        notes.append(f"{extended(metadata.more_xmp)}: the packet that it belongs to {why}")
    if metadata.iptc:
        wrapped = IPTC + photoshop(metadata.iptc)
        if len(wrapped) > LARGEST:
            notes.append(f"IPTC of {len(metadata.iptc)} bytes is left out: a JPEG's segment holds {LARGEST}")
        else:
            segments.append(_segment(0xED, wrapped))
    if metadata.icc:
        step = LARGEST - len(ICC) - 2
        parts = [metadata.icc[start : start + step] for start in range(0, len(metadata.icc), step)]
        if len(parts) > MOST_PROFILES:
            notes.append(f"ICC of {len(metadata.icc)} bytes is left out: a JPEG holds {MOST_PROFILES * step}")
        else:
            segments += [_segment(0xE2, ICC + bytes([i, len(parts)]) + part) for i, part in enumerate(parts, 1)]
    return segments, tuple(notes)


def _segment(marker, content):
    return struct.pack(">BBH", 0xFF, marker, 2 + len(content)) + content


def _xmp_segments(packet):
    """Give one segment; or, of a long packet, a stub that names the packet and the packet itself in parts."""
    if len(XMP + packet) <= LARGEST:
        return [_segment(0xE1, XMP + packet)]
    name = hashlib.md5(packet, usedforsecurity=False).hexdigest().upper().encode()  # the specification says MD5
    step = LARGEST - len(EXTENSION) - 40
    parts = [_segment(0xE1, XMP + STUB % name)]
    for start in range(0, len(packet), step):
        head = EXTENSION + name + struct.pack(">II", len(packet), start)
        parts.append(_segment(0xE1, head + packet[start : start + step]))
    return parts


def photoshop(records):
    """Wrap IPTC records as Photoshop's image resource.

    Examples
    --------
    >>> photoshop(bytes.fromhex("1c0205"))
    b'8BIM\\x04\\x04\\x00\\x00\\x00\\x00\\x00\\x03\\x1c\\x02\\x05\\x00'
    """
    return b"8BIM\x04\x04\0\0" + struct.pack(">I", len(records)) + records + bytes(len(records) % 2)
