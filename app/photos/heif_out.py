"""A HEIC file, by pillow-heif (libheif and x265).

Container: ISO/IEC 23008-12 (HEIF) and ISO/IEC 23000-22 (MIAF).
"""

import io

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
UNSAID, BT601, GBR = 2, 6, 0  # numbers of H.273


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
        What was left out.
    """
    import pillow_heif

    metadata, bits = photo.metadata, photo.bits
    height, width, channels = photo.pixels.shape
    primaries, transfer, _ = metadata.cicp or (UNSAID, UNSAID, 0)
    lossless = quality == 100
    coded = io.BytesIO()
    pillow_heif.encode(
        MODES[channels] if bits == 8 else f"{MODES[channels]};{bits}",
        (width, height),
        photo.pixels.tobytes(),
        coded,
        quality=-1 if lossless else quality,
        chroma=444,
        bit_depth=bits,
        color_primaries=primaries,
        transfer_characteristics=transfer,
        matrix_coefficients=GBR if lossless and channels > 2 else BT601,
        full_range_flag=1,
        exif=metadata.exif,
        xmp=metadata.xmp,
        **({"icc_profile": metadata.icc} if metadata.icc else {}),
    )
    file.write(coded.getbuffer())
    return ("IPTC is left out: a HEIC has no place for it",) if metadata.iptc else ()
