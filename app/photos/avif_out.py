"""An AVIF file: pixels by imagecodecs (libavif and libaom), metadata as items of our own.

Container: AV1 Image File Format 1.2 (AOMedia, 2025).
"""

from .bmff import add_items

UNSAID = 2  # a number of H.273
SPEED = 8  # of 10; the encoder's own choice takes 100 times as long for files as large


def write_avif(file, photo, quality):
    """Write an AVIF: every colour sample is kept (4:4:4), grey is monochrome, numbers have full range.

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
    import imagecodecs

    metadata, channels = photo.metadata, photo.pixels.shape[2]
    primaries, transfer, _ = metadata.cicp or (UNSAID, UNSAID, 0)
    coded = imagecodecs.avif_encode(
        photo.pixels[..., 0] if channels == 1 else photo.pixels,
        level=quality,
        speed=SPEED,
        bitspersample=photo.bits,
        pixelformat="400" if channels < 3 else "444",
        primaries=primaries,
        transfer=transfer,
    )
    for part in add_items(bytes(coded), metadata.exif, metadata.xmp, metadata.icc):
        file.write(part)
    return ("IPTC is left out: an AVIF has no place for it",) if metadata.iptc else ()
