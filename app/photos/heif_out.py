"""A HEIC file, by pillow-heif (libheif and x265).

Container: ISO/IEC 23008-12 (HEIF) and ISO/IEC 23000-22 (MIAF).
"""

import io

from ...refimpl.errors import BadInput

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
UNSAID, BT601, GBR = 2, 6, 0  # numbers of H.273
# what H.265 allows a decoder in hardware (annex A, level 6.2); beyond it the picture is cut into tiles, as phones do
LARGEST_SIDE, LARGEST_PIXELS = 8192, 35_651_584
ONE_PICTURE = 2**21  # pixels: libde265 refuses a picture of more than 16 MB, which a few million pixels can take
READABLE = 2**24  # bytes; alpha cannot be cut into tiles
PRESET = "medium"  # half the time of libheif's choice, files 2 % larger
MOST_TILES = 900  # of the 1000 items that libheif reads in a file


def write_heic(file, photo, quality):
    """Write a HEIC: every colour sample is kept (4:4:4), grey is monochrome, numbers have full range.

    Parameters
    ----------
    file : binary file
    photo : Photo
        At 8, 10 or 12 bits; its metadata corrected.
    quality : int
        From 1 to 100; 100 is lossless.

    Returns
    -------
    tuple of str
        Nothing is left out.
    """
    import pillow_heif

    metadata, bits = photo.metadata, photo.bits
    height, width, channels = photo.pixels.shape
    primaries, transfer, _ = metadata.cicp or (UNSAID, UNSAID, 0)
    lossless = quality == 100
    others = {"icc_profile": metadata.icc} if metadata.icc else {}
    if metadata.iptc:
        others["metadata"] = [{"type": "iptc", "content_type": "", "data": metadata.iptc}]
    coded = io.BytesIO()
    pillow_heif.encode(
        MODES[channels] if bits == 8 else f"{MODES[channels]};{bits}",
        (width, height),
        photo.pixels.tobytes(),
        coded,
        quality=-1 if lossless else quality,
        chroma=444,
        enc_params={"preset": PRESET},
        bit_depth=bits,
        color_primaries=primaries,
        transfer_characteristics=transfer,
        matrix_coefficients=GBR if lossless and channels > 2 else BT601,
        full_range_flag=1,
        exif=metadata.exif,
        xmp=metadata.xmp,
        tile_size=_tile(width, height, channels),
        **others,
    )
    if channels in (2, 4) and coded.tell() > READABLE:
        size = f"{width} x {height} pixels with alpha take {coded.tell()} bytes as HEIC"
        raise BadInput(f"{size}, expected {READABLE} at most for readers to take them; choose PNG or a lower quality")
    file.write(coded.getbuffer())
    return ()


def _tile(width, height, channels):
    """Give the side of the tiles that a picture is cut into, or 0; x265 refuses long strips."""
    longest = LARGEST_SIDE if min(width, height) >= 32 else 4096
    if max(width, height) <= longest and width * height <= (LARGEST_PIXELS if channels in (2, 4) else ONE_PICTURE):
        return 0
    short, long = sorted((width, height))
    for side in (64, 128, 256, 512, 1024, 2048):  # no larger than needed: tiles are filled up
        if side >= min(short, 1024) and long <= 256 * side and -(-long // side) * -(-short // side) <= MOST_TILES:
            return side
    return 4096
