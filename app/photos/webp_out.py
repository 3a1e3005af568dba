"""A WebP file, by Pillow.

Container: RFC 9649, section 2.7.
"""

import io

import numpy as np


def write_webp(file, photo, quality):
    """Write a WebP; grey becomes RGB, because the format has no grey.

    Parameters
    ----------
    file : binary file
    photo : Photo
        At 8 bits; its metadata corrected.
    quality : int
        From 1 to 100; 100 is lossless, colours under full transparency included.

    Returns
    -------
    tuple of str
        What was left out.
    """
    from PIL import Image

    pixels, metadata = photo.pixels, photo.metadata
    notes: tuple[str, ...] = ()
    if pixels.shape[2] < 3:
        notes += ("grey is written as RGB: WebP has no grey",)
        pixels = np.concatenate([np.repeat(pixels[..., :1], 3, axis=2), pixels[..., 1:]], axis=2)
    if metadata.cicp and not metadata.icc:
        notes += ("the colour space in CICP numbers is left out: a WebP has no place for it",)
    if metadata.iptc:
        notes += ("IPTC is left out: a WebP has no place for it",)
    coded = io.BytesIO()
    Image.fromarray(pixels).save(
        coded,
        "WEBP",
        quality=quality if quality < 100 else 50,  # of a lossless file: the effort
        lossless=quality == 100,
        exact=True,
        method=4,
        exif=metadata.exif or b"",
        xmp=metadata.xmp or b"",
        icc_profile=metadata.icc or b"",
    )
    file.write(coded.getbuffer())
    return notes
