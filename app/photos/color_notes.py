"""What a person should know about a photo's colours: a wide gamut, HDR, a profile that cannot be meant."""

import struct
from dataclasses import replace

from ...refimpl.errors import BadInput
from .tags import EXIF, INTEROP, Tags

WIDE = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}  # primaries as H.273 numbers them
HDR = {16: "PQ", 18: "HLG"}  # transfer functions
SRGB_XY = ((0.6484, 0.3309), (0.3212, 0.5979), (0.1559, 0.0660))  # adapted to D50, as profiles hold them
# Adobe RGB and Display P3, the next wider spaces in use, have 1.35 times sRGB's area: this is the middle, sqrt(1.35)
WIDER = 1.16
MOST_TAGS = 100  # of a profile
UNNAMED = "RGB built-in"  # what LittleCMS calls a profile that was made of primaries


def with_color_notes(photo):
    """A photo with notes about its colours, and without a profile that describes other channels.

    Parameters
    ----------
    photo : Photo

    Returns
    -------
    Photo
    """
    icc, cicp, notes = photo.metadata.icc, photo.metadata.cicp, list(photo.notes)
    space = icc[16:20] if icc and len(icc) >= 132 else b""
    if icc and (space not in (b"RGB ", b"GRAY") or (space == b"GRAY" and photo.pixels.shape[2] > 2)):
        kind = space.decode("latin-1").strip() if space.isalnum() or space.strip().isalnum() else "unknown"
        notes.append(f"its ICC profile is for {kind} colours, which its pixels are not: it is left out")
        icc = None
    cicp = (icc and profile_cicp(icc)) or cicp
    known = profile_name(icc).replace(UNNAMED, "") if icc else ""
    name = f"'{known}'" if known else "its profile"
    if icc and _area(icc) > WIDER * _triangle(SRGB_XY):
        notes.append(f"its colours are those of {name}, a gamut wider than sRGB")
    elif cicp and cicp[0] in WIDE:
        notes.append(f"its colours are those of {WIDE[cicp[0]]}, a gamut wider than sRGB")
    elif not icc and not cicp and _says_adobe_rgb(photo.metadata.exif):
        notes.append("its EXIF says that its colours are Adobe RGB, and it holds no profile that says so")
    if cicp and cicp[1] in HDR:
        notes.append(f"its brightness is coded for HDR screens ({HDR[cicp[1]]})")
    return replace(photo, notes=tuple(notes), metadata=replace(photo.metadata, icc=icc))


def profile_tag(icc, wanted):
    """The content of a profile's tag (ICC.1:2022, 7.3), or b""."""
    for place in range(132, 132 + 12 * min(MOST_TAGS, int.from_bytes(icc[128:132], "big")), 12):
        if icc[place : place + 4] == wanted and place + 12 <= len(icc):
            offset, size = struct.unpack_from(">II", icc, place + 4)
            return icc[offset : offset + size]
    return b""


def profile_name(icc):
    """A profile's description, or "".

    Parameters
    ----------
    icc : bytes
    """
    content = profile_tag(icc, b"desc")
    if content[:4] == b"desc":
        text = content[12 : 12 + int.from_bytes(content[8:12], "big")].split(b"\0")[0].decode("latin-1")
    elif content[:4] == b"mluc" and len(content) >= 28:
        size, offset = struct.unpack_from(">II", content, 20)
        text = content[offset : offset + size].decode("utf-16-be", "replace").split("\0")[0]
    else:
        return ""
    return "".join(c for c in text if c.isprintable())[:80]


def profile_cicp(icc):
    """A profile's CICP numbers (ICC.1:2022, 9.2.17), or None.

    Parameters
    ----------
    icc : bytes
    """
    content = profile_tag(icc, b"cicp")
    return tuple(content[8:11]) if len(content) >= 12 else None


def _area(icc):
    """Of the triangle of a profile's primaries in the plane of x and y; 0 when it has none."""
    points = []
    for name in (b"rXYZ", b"gXYZ", b"bXYZ"):
        content = profile_tag(icc, name)
        if len(content) < 20:
            return 0.0
        x, y, z = struct.unpack_from(">iii", content, 8)
        if x + y + z <= 0:
            return 0.0
        points.append((x / (x + y + z), y / (x + y + z)))
    return _triangle(points)


def _triangle(points):
    (x1, y1), (x2, y2), (x3, y3) = points
    return abs((x2 - x1) * (y3 - y1) - (x3 - x1) * (y2 - y1)) / 2


def _says_adobe_rgb(exif):
    """Whether EXIF names the interoperability rule "R03", which stands for Adobe RGB (DCF 2.0)."""
    try:
        tags = Tags(exif or b"")
        below = tags.folder(tags.number(EXIF)) or {}
        rule = (tags.folder(tags.number(INTEROP, 0, below)) or {}).get(1)
    except (BadInput, struct.error):
        return False
    return rule is not None and rule.text == "R03"
