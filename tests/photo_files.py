"""Photographs drawn, and files read back by libraries that are not karat's."""

import io

import numpy as np
from hypothesis import strategies as st

from karat.app.photos.photo import Metadata, Photo
from karat.app.photos.write import encode

ALL = ("JPEG", "PNG", "TIFF", "WebP", "AVIF", "HEIC")
LOSSLESS = ("PNG", "TIFF", "WebP", "AVIF", "HEIC")


def random_pixels(seed, height, width, channels, bits):
    """Every value is as likely as any other, the largest and the smallest are there."""
    pixels = np.random.default_rng(seed).integers(0, 2**bits, (height, width, channels))
    pixels.ravel()[0], pixels.ravel()[-1] = 0, 2**bits - 1
    return pixels.astype(np.uint8 if bits == 8 else np.uint16)


@st.composite
def photos(draw, bits=(8, 10, 12, 16), channels=(1, 2, 3, 4), metadata=None):
    """Draw a small photograph."""
    depth, count = draw(st.sampled_from(bits)), draw(st.sampled_from(channels))
    shape = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    found = Metadata() if metadata is None else draw(metadata)
    return Photo(random_pixels(draw(st.integers(0, 99)), *shape, count, depth), depth, "PNG", found)


def coded(photo, form, **options):
    """The bytes of a file and what was said about them."""
    file = io.BytesIO()
    written = encode(photo, file, form, **options)
    return file.getvalue(), written


def pixels_of(content, form):
    """Decode a file to (H, W, C) and its bits, by the library that knows the format best."""
    if form == "TIFF":
        return _tiff(content)
    if form == "HEIC":
        return _heic(content)
    if form in ("PNG", "AVIF"):
        import imagecodecs

        pixels = imagecodecs.png_decode(content) if form == "PNG" else imagecodecs.avif_decode(content)
        bits = 16 if pixels.dtype == np.uint16 else 8
        if form == "AVIF":
            bits = content[content.index(b"pixi") + 9]
        return (pixels[..., None] if pixels.ndim == 2 else pixels), bits
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        pixels = np.asarray(image)
    return (pixels[..., None] if pixels.ndim == 2 else pixels), 8


def _tiff(content):
    import tifffile

    with tifffile.TiffFile(io.BytesIO(content)) as file:
        page = file.pages[0]
        pixels = page.asarray()
        bits = page.bitspersample
    return (pixels[..., None] if pixels.ndim == 2 else pixels), bits


def _heic(content):
    import pillow_heif

    opened = pillow_heif.open_heif(content, convert_hdr_to_8bit=False, hdr_to_16bit=False)
    pixels = np.asarray(opened)
    if pixels.ndim == 3 and content[content.index(b"pixi") + 8] == 1:  # monochrome with alpha comes as RGBA
        pixels = pixels[..., [0, 3]]
    return (pixels[..., None] if pixels.ndim == 2 else pixels), opened.info["bit_depth"]


def metadata_of(content, form):
    """Give (exif, xmp, icc) as the bytes that stand in a file, read by Pillow or pillow-heif."""
    if form == "TIFF":  # Pillow warns of tags that are legal and drawn
        import tifffile

        with tifffile.TiffFile(io.BytesIO(content)) as file:
            return None, *(file.pages[0].tags.valueof(tag) for tag in (700, 34675))
    if form == "HEIC":
        import pillow_heif

        info = pillow_heif.open_heif(content).info
    else:
        from PIL import Image

        with Image.open(io.BytesIO(content)) as image:
            image.load()
            info = image.info
    exif, xmp = info.get("exif"), info.get("xmp", info.get("XML:com.adobe.xmp"))
    xmp = xmp.encode() if isinstance(xmp, str) else xmp
    return exif and exif.removeprefix(b"Exif\0\0"), xmp or None, info.get("icc_profile") or None
