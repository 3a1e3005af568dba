"""PNG: its chunks (W3C PNG, third edition) and what they say."""

import struct
import zlib

import numpy as np

from ...refimpl.errors import BadInput
from .density import of_png
from .found import METADATA, Found
from .photo import Metadata
from .photoshop import photoshop_iptc
from .tags import orientation
from .texts import bounded, named, text_of

CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}
PALETTE = 3
XMP_KEY = b"XML:com.adobe.xmp"
KEPT = (b"PLTE", b"tRNS", b"iCCP", b"cICP", b"eXIf", b"gAMA", b"cHRM", b"sRGB", b"acTL", b"pHYs")
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
# the picture itself, and hints about its old pixels that nobody misses; other chunks are named when they are left out
HINTS = (b"IHDR", b"IDAT", b"IEND", b"fcTL", b"fdAT", b"sBIT", b"bKGD", b"hIST", b"sPLT", b"tIME", b"iDOT")
SIGNED = b"caBX"  # of C2PA
PROFILE = b"raw profile type "
READ = {XMP_KEY.lower(), *(PROFILE + kind for kind in (b"exif", b"iptc", b"8bim"))}


def chunks(data):
    """Type and content of every chunk; the pixels' content is left out."""
    place = 8
    while place + 12 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        yield kind, b"" if kind in (b"IDAT", b"fdAT") else bytes(data[place + 8 : place + 8 + min(size, METADATA)])
        if kind == b"IEND":
            return
        place += 12 + size


def bare(data):
    """The file with nothing but its pixels: decoders refuse files for their texts, which are read here."""
    parts, place = [bytes(data[:8])], 8
    while place + 12 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        if kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            parts.append(bytes(data[place : place + 12 + size]))
        place = len(data) if kind == b"IEND" else place + 12 + size
    return b"".join(parts)


def unpacked(content):
    """zlib's content, or None when it is damaged or larger than metadata may be."""
    decompressor = zlib.decompressobj()
    try:
        result = decompressor.decompress(content, METADATA)
    except zlib.error:
        return None
    return result if decompressor.eof else None


def text(kind, content):
    """(keyword, text as bytes or None, whether it says a language) of a textual chunk."""
    key, _, rest = content.partition(b"\0")
    if kind == b"tEXt":
        return key, rest, False
    if kind == b"zTXt":
        return key, unpacked(rest[1:]), False
    packed, parts = rest[:1] == b"\1", rest[2:].split(b"\0", 2)
    return key, unpacked(parts[-1]) if packed else parts[-1], any(parts[:-1])


def raw_profile(content):
    """Bytes that ImageMagick wrote as hexadecimal text with their type and length in front; None when they are not."""
    words = content.split()
    try:
        return bytes.fromhex(b"".join(words[2:]).decode("ascii"))[: int(words[1])]
    except (ValueError, IndexError):
        return None


def inspect(data):
    """What a PNG says of itself; parameters and errors as in `jpeg_file.inspect`."""
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise BadInput("has no IHDR chunk, expected it first; save it again")
    width, height, depth, kind, _, _, _ = struct.unpack_from(">IIBBBBB", data, 16)
    if kind not in CHANNELS or depth not in (1, 2, 4, 8, 16):
        raise BadInput(f"has pixels of type {kind} with {depth} bits, which PNG does not know; save it again")
    kept, texts, others, notes = _read(data)
    exif = _exif(kept, texts)
    metadata = Metadata(
        exif, texts.get(XMP_KEY.lower()), _iptc(texts), _profile(kept), _cicp(kept), others,
        of_png(kept.get(b"pHYs", b"")),
    )  # fmt: skip
    channels = CHANNELS[kind]
    if kind == PALETTE and _grey(kept.get(b"PLTE", b"")) and b"iCCP" not in kept:
        channels = 1
    channels += b"tRNS" in kept and channels in (1, 3)
    extra = {"depth": depth, "kind": kind, "transparent": kept.get(b"tRNS")}
    if not (metadata.icc or metadata.cicp or b"sRGB" in kept):
        extra["colors"] = kept.get(b"cHRM", b""), kept.get(b"gAMA", b"")
    bits = 16 if depth == 16 else 8
    notes = (*_notes(kept), *notes)
    return Found("PNG", width, height, channels, bits, orientation(exif), metadata, notes, extra=extra)


def _read(data):
    """(first chunks by type, texts that hold metadata by keyword, other texts, notes about them)."""
    kept, texts, others, lost, languages, unknown = {}, {}, [], [], [], []
    for name, content in chunks(data):
        if name in KEPT:
            kept.setdefault(name, content)
        elif name in TEXTS:
            key, value, language = text(name, content)
            word, own = key.decode("latin-1"), key.lower() in READ
            if value is None or (key.lower().startswith(PROFILE) and not own):
                lost.append(word)
            elif own:
                texts.setdefault(key.lower(), value)
            else:
                others.append((word, text_of(value) if name == b"iTXt" else value.decode("latin-1")))
                languages += [word] * language
        elif name not in HINTS:
            unknown.append(name)
    others, beyond = bounded(others)
    notes = []
    if lost or beyond:
        notes.append(f"texts of a PNG are left out, damaged, too large or profiles: {named(lost + beyond)}")
    if languages:
        notes.append(f"of texts of a PNG, the language is left out: {named(languages)}")
    if unknown:
        after = " (a signature would no longer hold)" * (SIGNED in unknown)
        notes.append(f"chunks of a PNG are left out: {named(name.decode('latin-1') for name in unknown)}{after}")
    return kept, texts, others, notes


def _exif(kept, texts):
    exif = kept.get(b"eXIf") or raw_profile(texts.get(b"raw profile type exif", b""))
    return exif.removeprefix(b"Exif\0\0") if exif else None


def _iptc(texts):
    block = raw_profile(texts.get(b"raw profile type iptc", b"")) or raw_profile(
        texts.get(b"raw profile type 8bim", b"")
    )
    return (photoshop_iptc(block) if block[:4] == b"8BIM" else block) if block else None


def _profile(kept):
    return unpacked(kept[b"iCCP"].partition(b"\0")[2][1:]) if b"iCCP" in kept else None


def _cicp(kept):
    return tuple(kept[b"cICP"][:3]) if len(kept.get(b"cICP", b"")) == 4 else None


def _grey(palette):
    return len(palette) > 2 and palette[0::3] == palette[1::3] == palette[2::3]


def _notes(kept):
    if b"iCCP" in kept and _profile(kept) is None:
        yield "its ICC profile is damaged: it is left out"
    if len(cicp := kept.get(b"cICP", b"")) == 4 and not cicp[3]:
        yield "its numbers have narrow range (cICP), which is left out: the result says that they have full range"
    if b"acTL" in kept:
        yield "it is animated: its first picture is read"


def decode(data, found):
    """Its photo, upright; parameters as in `jpeg_file.decode`."""
    from .pillow_pixels import finished, pillow_pixels

    if found.bits == 8:
        pixels = pillow_pixels(bare(data), "PNG")
    else:
        import imagecodecs

        pixels = imagecodecs.png_decode(bare(data))
        pixels = pixels.reshape(*pixels.shape[:2], -1)  # (H, W, C)
    if found.extra["kind"] in (0, 2) and found.extra["transparent"] and pixels.shape[2] in (1, 3):
        pixels = _keyed(pixels, found)
    photo = finished(pixels, found)
    if "colors" not in found.extra:
        return photo
    from .png_color import with_png_colors

    return with_png_colors(photo, *found.extra["colors"])


def _keyed(pixels, found):
    """Alpha from the one colour that counts as transparent."""
    depth, colors = found.extra["depth"], pixels.shape[2]
    key = np.frombuffer(found.extra["transparent"][: 2 * colors], ">u2").astype(np.uint32) & (2**depth - 1)
    if len(key) < colors:
        raise BadInput("has a tRNS chunk that is too short, expected one value a channel; save it again")
    key = key * (255 // (2**depth - 1)) if depth < 8 else key  # grey of fewer bits was spread over 0 to 255
    alpha = np.where((pixels == key).all(axis=2, keepdims=True), 0, 2**found.bits - 1)
    return np.concatenate([pixels, alpha.astype(pixels.dtype)], axis=2)  # (H, W, C + 1)
