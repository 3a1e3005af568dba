"""HEIC and AVIF: one container (HEIF), two codecs."""

import struct

import numpy as np

from ...refimpl.errors import BadInput
from .boxes import item_bytes, read_items
from .color_notes import HDR
from .found import Found
from .heif_crop import shown
from .heif_whole import check_whole
from .photo import Metadata, Photo
from .tags import orientation

CODECS = {"hvc1": "HEIC", "av01": "AVIF"}
ALPHA = ("urn:mpeg:hevc:2015:auxid:1", "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", "urn:mpeg:avc:2015:auxid:1")
DEPTH = ("urn:mpeg:hevc:2015:auxid:2", "urn:mpeg:mpegB:cicp:systems:auxiliary:depth", "urn:mpeg:avc:2015:auxid:2")
RDF = ("application/rdf+xml", "application/xmp+xml")


def inspect(data):
    """What a HEIC or AVIF says of itself; parameters and errors as in `jpeg_file.inspect`."""
    try:
        items = read_items(data)
    except struct.error:
        raise BadInput("has boxes that end too early, expected a whole HEIF file; copy or save it again") from None
    toned = items.items[items.primary].kind == "tmap"
    if toned:
        items.primary = _base(items)
    primary = items.items[items.primary]
    coded = _coded(items, items.primary)
    form = CODECS.get(coded.kind)
    if form is None:
        raise BadInput(f"holds pixels coded as {coded.kind!r}, expected HEVC or AV1; convert it first")
    if len(primary.property("ispe")) < 12:
        raise BadInput("does not say its size, expected an ispe property; save it again")
    width, height = struct.unpack_from(">II", primary.property("ispe"), 4)
    crop = shown(primary.properties, width, height)
    channels, bits = _depth(primary, coded)
    alpha = [number for number in items.pointing("auxl", items.primary) if _role(items, number) in ALPHA]
    check_whole(data, items, alpha)
    metadata = _metadata(data, items, primary, coded)
    extra = {
        "crop": crop,
        "turned": bool(_turns(primary)),
        "primary": (items.pitm, items.primary) if toned else None,
        "moving": items.moving or "avis" in items.brands,
    }
    return Found(
        form,
        *((crop[2], crop[3]) if crop else (width, height)),
        channels + bool(alpha),
        bits,
        _orientation(primary, metadata.exif),
        metadata,
        tuple(_notes(items, primary, metadata)),
        (width, height),
        extra,
    )


def _base(items):
    """The picture that a tone map starts from (ISO/IEC 23008-12, 6.6.2.4): decoders refuse a tone map as the first."""
    below = [ends for name, start, ends in items.references if name == "dimg" and start == items.primary and ends]
    if not below or below[0][0] not in items.items:
        raise BadInput("names a tone map as its picture and not what it is made of, expected both; save it again")
    return below[0][0]


def _coded(items, number):
    """The item that holds pixels: itself, or the first tile of a grid."""
    for _ in range(4):
        if items.items[number].kind not in ("grid", "iden", "iovl", "tmap"):
            break
        below = [ends for name, start, ends in items.references if name == "dimg" and start == number and ends]
        if not below or below[0][0] not in items.items:
            break
        number = below[0][0]
    return items.items[number]


def _depth(primary, coded):
    """(colour channels, bits) of the codec's own header, or else of the property "pixi"."""
    hvcc, av1c = coded.property("hvcC"), coded.property("av1C")
    if len(hvcc) > 18:
        return (3 if hvcc[16] & 3 else 1), 8 + (hvcc[17] & 7)
    if len(av1c) > 2:
        return (1 if av1c[2] & 0x10 else 3), (8 if not av1c[2] & 0x40 else 12 if av1c[2] & 0x20 else 10)
    pixi = primary.property("pixi") or coded.property("pixi")
    if len(pixi) > 5:
        return (3 if pixi[4] >= 3 else 1), pixi[5]
    raise BadInput("does not say how many bits its pixels have, expected a hvcC or av1C property; save it again")


def _turns(primary):
    """The turns that the file itself makes, in their order."""
    return [
        (name, content[0] & (3 if name == "irot" else 1))
        for name, content in primary.properties
        if name in ("irot", "imir") and content
    ]


def _orientation(primary, exif):
    """How the picture is turned; EXIF counts only where the file itself says nothing: otherwise it would turn twice."""
    from .turn import composed

    return composed(_turns(primary)) if _turns(primary) else orientation(exif)


def _role(items, number):
    """The name of what an auxiliary picture is for."""
    return items.items[number].property("auxC")[4:].split(b"\0")[0].decode("latin-1") if number in items.items else ""


def _kind(items, number):
    return items.items[number].kind if number in items.items else ""


def _metadata(data, items, primary, coded):
    found, icc, cicp = {}, None, None  # a profile says more than numbers do
    own = {items.primary, *(n for n in items.pointing("dimg", items.primary) if _kind(items, n) == "tmap")}
    for number, item in items.items.items():
        described = [ends for kind, start, ends in items.references if kind == "cdsc" and start == number]
        belongs = any(own & set(ends) for ends in described)
        name = "exif" if item.kind == "Exif" else "xmp" if item.mime in RDF else "iptc" if item.kind == "iptc" else ""
        if name and (belongs or not (described or name in found)):  # old files do not say what an item describes
            content = item_bytes(data, items, number)
            if content and name == "exif":  # its first four bytes say where it begins
                content = content[4 + int.from_bytes(content[:4], "big") :].removeprefix(b"Exif\0\0") or None
            found[name] = content
    for name, content in [*coded.properties, *primary.properties]:
        if name == "colr" and content[:4] in (b"prof", b"rICC"):
            icc = content[4:]
        if name == "colr" and content[:4] == b"nclx" and len(content) >= 10:
            cicp = struct.unpack_from(">HHH", content, 4)
            cicp = None if cicp == (2, 2, 2) else cicp  # "unspecified"
    if icc and cicp and cicp[1] not in HDR:
        cicp = None  # a profile says more than these numbers do, and of HDR less
    return Metadata(**found, icc=icc, cicp=cicp)


def _notes(items, primary, metadata):
    roles = [_role(items, number) for number in items.pointing("auxl", items.primary)]
    toned = "tmap" in items.brands or any(item.kind == "tmap" for item in items.items.values())
    if toned or any("hdrgainmap" in role or "gainmap" in role for role in roles):
        yield "it holds a gain map for HDR screens, which is left out: the result is the standard picture"
    if any(role in DEPTH or "depth" in role or "disparity" in role for role in roles):
        yield "it holds a depth map, which is left out"
    other = [role for role in roles if "matte" in role]
    if other:
        yield f"it holds {len(other)} mattes ({', '.join(role.split(':')[-1] for role in other)}), which are left out"
    if items.pointing("thmb", items.primary):
        yield "it holds a thumbnail, which is left out"
    aside = {start for name, start, _ in items.references if name in ("thmb", "auxl")}
    tiles = {end for name, _, ends in items.references if name == "dimg" for end in ends}
    pictures = [number for number, item in items.items.items()
                if item.kind in ("hvc1", "av01", "grid", "iovl", "iden", "unci") and not item.hidden
                and number not in aside | tiles]  # fmt: skip
    if len(pictures) > 1:
        what = "a spatial photo" if "ster" in items.groups else "a file"
        yield f"it is {what} of {len(pictures)} pictures: the one it names as first is read"
    if items.moving:
        yield "it holds a sequence of pictures: its still picture is read"
    if not _turns(primary) and orientation(metadata.exif) != 1:
        yield "it does not turn its picture itself: it was turned as its EXIF says"


def decode(data, found):
    """Its photo, upright; parameters as in `jpeg_file.decode`."""
    from .pillow_pixels import finished, pillow_pixels

    if found.extra["primary"]:
        (place, size), number = found.extra["primary"]
        data = bytearray(data)
        data[place : place + size] = number.to_bytes(size, "big")
        data = bytes(data)
    if found.format == "HEIC":
        return _decode_heic(data, found)
    if found.bits == 8:
        pixels = pillow_pixels(data, "AVIF")  # libavif turns and crops nothing, and divides alpha out
    elif found.extra["moving"]:  # imagecodecs 2026.3 writes beyond its buffer when it reads one picture of several
        raise BadInput(f"is a sequence of pictures of {found.bits} bits, expected a still picture; take one out of it")
    else:
        import imagecodecs

        pixels = imagecodecs.avif_decode(data, numthreads=2)
        pixels = pixels.reshape(*pixels.shape[:2], -1)  # (H, W, C)
    if found.extra["crop"]:
        left, top, width, height = found.extra["crop"]
        pixels = pixels[top : top + height, left : left + width]
    return finished(pixels, found)


def _decode_heic(data, found):
    import pillow_heif

    from .pillow_pixels import turned_metadata, unmultiplied
    from .turn import turn

    file = pillow_heif.open_heif(data, convert_hdr_to_8bit=False, hdr_to_16bit=False)
    image = file[file.primary_index]
    image.load()
    mode, _, depth = image.mode.partition(";")
    bits = int(depth or 8)
    if bits not in (8, 10, 12, 16):
        raise BadInput(f"has {bits} bits a channel, expected 8, 10, 12 or 16; convert it first")
    pixels = np.asarray(image)
    pixels = pixels.reshape(*pixels.shape[:2], -1)  # (H, W, C)
    if mode == "RGBa":
        pixels = unmultiplied(pixels, 2**bits - 1)
    if found.channels < pixels.shape[2] and found.channels in (1, 2):  # grey that was decoded as RGB
        pixels = pixels[:, :, [0, -1][: found.channels]]
    if not found.extra["turned"]:  # what the file itself asks for, libheif has done
        pixels = turn(pixels, found.orientation)
    return Photo(np.ascontiguousarray(pixels), bits, "HEIC", turned_metadata(found), found.notes)
