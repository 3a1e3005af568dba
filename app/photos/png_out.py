"""A PNG file: pixels by Pillow or, at 16 bits, by libpng; metadata as chunks of our own.

Chunks: Portable Network Graphics, third edition (W3C, 2025), section 11.
"""

import io
import struct
import zlib

from .color import UNSAID
from .density import of_exif, phys, said, same
from .texts import named, png_text

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEAD = 33  # bytes of the signature and the first chunk
# a photograph takes half the time of Pillow's level 6, and is 3 % smaller: rows that were filtered repeat little
FAST = {"compress_level": 4, "compress_type": zlib.Z_FILTERED}


def write_png(file, photo, quality=None):
    """Write a PNG: grey, grey with alpha, RGB or RGB with alpha, at 8 or 16 bits; always lossless.

    Parameters
    ----------
    file : binary file
    photo : Photo
        At 8 or 16 bits; its metadata corrected.
    quality
        Not used: there is nothing to lose.

    Returns
    -------
    tuple of str
        What was left out.
    """
    content = memoryview(_encode8(photo.pixels) if photo.bits == 8 else _encode16(photo.pixels))
    chunks, notes = _chunks(photo.metadata)
    for part in (content[:HEAD], *chunks, content[HEAD:]):
        file.write(part)
    return notes


def _encode8(pixels):
    from PIL import Image

    coded = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(coded, "PNG", **FAST)
    return coded.getbuffer()


def _encode16(pixels):
    import imagecodecs

    return imagecodecs.png_encode(pixels, level=4)


def _chunks(metadata):
    """Give the chunks that hold the metadata, those that must stand before the pixels first."""
    chunks: list[bytes] = []
    notes: tuple[str, ...] = ()
    if metadata.icc:
        chunks.append(_chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata.icc)))
    if metadata.cicp and metadata.cicp[:2] != UNSAID:
        primaries, transfer, _ = metadata.cicp
        chunks.append(_chunk(b"cICP", bytes([primaries, transfer, 0, 1])))  # the numbers of a PNG are RGB, full range
    if metadata.exif:
        chunks.append(_chunk(b"eXIf", metadata.exif))
    if metadata.xmp:
        packet = metadata.xmp.rstrip(b"\0")  # some programs end it so; a PNG's text has no zero byte
        if _is_text(packet):
            chunks.append(_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet))
        else:
            notes += ("the XMP packet is left out: it is not UTF-8 text, which a PNG asks for",)
    if metadata.iptc:
        chunks.append(_chunk(b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(_raw_profile(metadata.iptc))))
    if metadata.density:
        content = phys(metadata.density)
        if content:
            chunks.append(_chunk(b"pHYs", content))
        elif not same(metadata.density, of_exif(metadata.exif)):
            notes += (f"the resolution of {said(metadata.density)} is left out: a PNG has no numbers for it",)
    texts = [(key, png_text(key, text)) for key, text in metadata.texts]
    chunks += [_chunk(*found) for _, found in texts if found]
    lost = [key for key, found in texts if not found]
    if lost:
        notes += (f"texts are left out, those of a PNG hold no zero byte: {named(lost)}",)
    return chunks, notes


def _chunk(kind, content):
    check = zlib.crc32(content, zlib.crc32(kind))
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def _is_text(packet):
    try:
        return "\0" not in packet.decode()
    except UnicodeDecodeError:
        return False


def _raw_profile(records):
    """Write IPTC records in hexadecimal, as ImageMagick began and ExifTool reads."""
    from .jpeg_out import photoshop

    content = photoshop(records)
    lines = "\n".join(content[start : start + 36].hex() for start in range(0, len(content), 36))
    return f"\niptc\n{len(content):8d}\n{lines}\n".encode()
