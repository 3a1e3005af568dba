"""TIFF: one picture of it, in the layouts that photographs come in."""

import logging

import numpy as np

from ...refimpl.errors import BadInput
from .density import of_tiff
from .exif_block import DESCRIPTIVE, INTEROP, exif_block, exif_notes
from .found import Found
from .photo import Metadata
from .photoshop import photoshop_iptc, photoshop_notes
from .tags import (
    BITS,
    COMPRESSION,
    EXIF,
    GPS,
    ICC,
    IPTC,
    LENGTH,
    ORIENTATION,
    PHOTOMETRIC,
    PHOTOSHOP,
    SAMPLES,
    STORAGE,
    SUBFILE,
    WIDTH,
    XMP,
    Tags,
)  # fmt: skip
from .texts import named

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
COLORS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3}
RESULT = {CMYK: 3, PALETTE: 3}
JPEG_COMPRESSION = (6, 7)
EXTRA, FORMAT, TILE_WIDTH, TILE_LENGTH, INKS = 338, 339, 322, 323, 332
OFFSETS, COUNTS = (273, 324), (279, 325)
MULTIPLIED, STRAIGHT = 1, 2
CARRIED = {*DESCRIPTIVE, XMP, IPTC, PHOTOSHOP, EXIF, GPS, INTEROP, ICC}
DEPTHS = {1: 8, 2: 8, 4: 8, 8: 8, 10: 10, 12: 12, 14: 16, 16: 16}

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what it complains of is raised as well, or harmless


def inspect(data):
    """What a TIFF says of itself; parameters and errors as in `jpeg_file.inspect`."""
    tags = Tags(data)
    index = next((i for i, page in enumerate(tags.chained) if not tags.number(SUBFILE, 0, page) & 1), 0)
    page = tags.chained[index]

    def number(code, default):
        return int(tags.number(code, default, page))

    kind, samples = number(PHOTOMETRIC, -1), number(SAMPLES, 1)
    colors, depth = _layout(page, kind, samples, number)
    extra = page[EXTRA].numbers if EXTRA in page else []
    alpha = extra[0] if extra and samples > colors and extra[0] in (MULTIPLIED, STRAIGHT) else 0
    _check_places(page, len(data))
    facts = {"index": index, "kind": kind, "colors": colors, "alpha": alpha, "depth": depth}
    notes = []
    if len([p for p in tags.chained if not tags.number(SUBFILE, 0, p) & 1]) > 1:
        notes.append(f"it has {len(tags.chained)} pages: the first picture is read")
    kept = metadata(tags, page)
    notes += exif_notes(tags, kept.exif)
    notes += left_out(page, STORAGE)
    if samples > colors + bool(alpha):
        notes.append(f"{samples - colors - bool(alpha)} further channels that are not transparency are left out")
    turned = number(ORIENTATION, 1)
    return Found(
        "TIFF", number(WIDTH, 0), number(LENGTH, 0), RESULT.get(kind, colors) + bool(alpha), DEPTHS[depth],
        turned if turned in range(1, 9) else 1, kept, tuple(notes),
        (max(1, number(TILE_WIDTH, 1)), max(1, number(TILE_LENGTH, 1))), facts,
    )  # fmt: skip


def _layout(page, kind, samples, number):
    """(colour channels, bits) of a layout that can be read."""
    if kind not in COLORS or samples < COLORS[kind]:
        raise BadInput(f"has {samples} channels of type {kind}, expected grey, palette, RGB or CMYK; convert it first")
    if kind == YCBCR and number(COMPRESSION, 1) not in JPEG_COMPRESSION:
        raise BadInput("has YCbCr without JPEG compression, expected RGB; convert it first")
    if kind == CMYK and number(INKS, 1) != 1:
        raise BadInput("has inks other than CMYK, expected CMYK; convert it first")
    depths = {int(bits) for bits in (page[BITS].numbers[:samples] if BITS in page else [1])}
    formats = set(page[FORMAT].numbers[:samples]) if FORMAT in page else {1}
    depth = min(depths)
    if len(depths) > 1 or depth not in DEPTHS or formats - {1, 4}:
        what = "floating-point or signed" if formats - {1, 4} else f"{', '.join(map(str, sorted(depths)))}-bit"
        raise BadInput(f"has {what} pixels, expected unsigned ones of 8 or 16 bits; convert it first")
    return COLORS[kind], depth


def _check_places(page, size):
    """Strips or tiles have to lie in the file."""
    offsets = next((page[code].numbers for code in OFFSETS if code in page), [])
    counts = next((page[code].numbers for code in COUNTS if code in page), [])
    if not offsets or len(offsets) != len(counts):
        raise BadInput("does not say where its pixels lie, expected strips or tiles; save it again")
    if any(count < 1 or offset + count > size for offset, count in zip(offsets, counts, strict=True)):
        raise BadInput("ends before its pixels do, expected a whole file; copy or save it again")


def metadata(tags, page):
    """What a TIFF or a raw file built like one keeps beside its pixels."""
    kept = {code: page.get(code) or tags.first.get(code) for code in (XMP, IPTC, ICC, PHOTOSHOP)}
    xmp, iptc, icc, photoshop = (tag.data if tag else None for tag in kept.values())
    iptc = iptc or (photoshop and photoshop_iptc(photoshop)) or None
    return Metadata(exif_block(tags), xmp, iptc, icc, density=of_tiff(page))


def left_out(page, pixels):
    """Sentences about what stands beside the pixels and is not carried.

    Parameters
    ----------
    page : dict of int to Tag
    pixels : set of int
        Tags that say how the file's pixels are stored.
    """
    if PHOTOSHOP in page:
        yield from photoshop_notes(page[PHOTOSHOP].data)
    others = sorted(code for code in page if code not in CARRIED | pixels)
    if others:
        yield f"tags of the old file alone, or of other applications, are left out: {named(map(str, others))}"


def decode(data, found):
    """Its photo, upright; parameters as in `jpeg_file.decode`."""
    from dataclasses import replace

    from .pillow_pixels import finished, unmultiplied

    facts, most = found.extra, 2**found.bits - 1
    pixels, page = _stored(data, facts["index"])
    pixels = pixels[..., : facts["colors"] + bool(facts["alpha"])]
    if facts["kind"] == PALETTE:
        pixels = np.concatenate([_through_palette(pixels[..., 0], page.colormap), pixels[..., 1:]], axis=2)
    elif facts["depth"] not in (found.bits,):
        pixels = _spread(pixels, facts["depth"], found.bits)
    if facts["kind"] == WHITE_IS_ZERO:
        pixels = np.concatenate([most - pixels[..., :1], pixels[..., 1:]], axis=2).astype(pixels.dtype)
    if facts["alpha"] == MULTIPLIED:
        pixels = unmultiplied(pixels, most)
    if facts["kind"] != CMYK:
        return finished(pixels, found)
    from .cmyk import cmyk_to_srgb

    colors, kept, note = cmyk_to_srgb(np.ascontiguousarray(pixels[..., :4]), most, found.metadata)
    pixels = np.concatenate([colors, pixels[..., 4:]], axis=2)
    return finished(pixels, replace(found, metadata=kept, notes=(*found.notes, note)))


def _stored(data, index):
    """The numbers of one page, (H, W, C), and tifffile's page."""
    import io

    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[index]
        pixels = page.asarray(squeeze=False, maxworkers=2)  # (planes, depth, H, W, C)
        if pixels.ndim != 5 or pixels.shape[1] != 1 or pixels.dtype not in (np.uint8, np.uint16, np.bool_):
            raise BadInput(f"decodes to {pixels.dtype} of shape {pixels.shape}, expected one picture; convert it first")
    planes = pixels[:, 0]  # (planes, H, W, C)
    return (np.moveaxis(planes[..., 0], 0, -1) if len(planes) > 1 else planes[0]), page


def _through_palette(indices, colormap):
    """RGB of indices; the palette has 16 bits, of which the upper 8 count unless only the lower ones are used."""
    palette = np.asarray(colormap).T  # (2^bits, 3)
    palette = palette >> 8 if palette.max() > 255 else palette
    return palette.astype(np.uint8)[indices.astype(np.intp)]


def _spread(pixels, depth, bits):
    """Values of fewer bits over the whole range of more."""
    low, high = 2**depth - 1, 2**bits - 1
    return ((pixels.astype(np.uint32) * high + low // 2) // low).astype(np.uint8 if bits == 8 else np.uint16)
