"""Pictures drawn at random, and the ways to write them that the tests of reading and writing share."""

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pillow_heif
import tifffile
from hypothesis import strategies as st
from PIL import Image

GREY, GREY_ALPHA, RGB, RGBA = 1, 2, 3, 4
MODES = {GREY: "L", GREY_ALPHA: "LA", RGB: "RGB", RGBA: "RGBA"}
# every orientation by NumPy's own words: what is stored, turned as EXIF's numbers say
UPRIGHT = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: np.swapaxes(a, 0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(np.swapaxes(a, 0, 1), 2),
    8: lambda a: np.rot90(a, 1),
}


def numbers(height, width, channels, bits=8, seed=0):
    """A picture of even noise, (H, W, C), in which the darkest and the brightest value occur."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 2**bits, (height, width, channels), np.uint8 if bits == 8 else np.uint16)
    pixels.flat[0], pixels.flat[-1] = 0, 2**bits - 1
    return pixels


@st.composite
def pictures(draw, channels=(1, 2, 3, 4), bits=8, least=1, most=40):
    """A picture of some size, with some number of channels."""
    sides = st.integers(least, most)
    return numbers(draw(sides), draw(sides), draw(st.sampled_from(channels)), bits, draw(st.integers(0, 999)))


def smooth(height, width, channels=3, bits=8):
    """A picture that compresses well and looks different after each of the eight turns, (H, W, C)."""
    y, x = np.mgrid[:height, :width]
    ramps = [x / width, y / height, (x + 2 * y) / (width + 2 * height), 0.25 + 0.75 * y / height]
    return np.round(np.dstack(ramps[:channels]) * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)


def pillow(pixels, form, **options):
    """8-bit pixels, (H, W, C), as Pillow writes them."""
    content = io.BytesIO()
    channels = pixels.shape[2]
    Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(content, form, **options)
    return content.getvalue()


def png(pixels):
    """As imagecodecs writes a PNG of 8 or 16 bits."""
    return imagecodecs.png_encode(np.ascontiguousarray(pixels if pixels.shape[2] > 1 else pixels[..., 0]))


def avif(pixels, bits=8):
    """Lossless AVIF of 8, 10 or 12 bits."""
    pixels = np.ascontiguousarray(pixels if pixels.shape[2] > 1 else pixels[..., 0])
    return imagecodecs.avif_encode(pixels, level=100, bitspersample=bits, speed=10, numthreads=1)


def heic(pixels, bits=8, **options):
    """Lossless HEIC of 8, 10 or 12 bits: RGB coded as RGB."""
    content = io.BytesIO()
    height, width, channels = pixels.shape
    data, mode = np.ascontiguousarray(pixels), MODES[channels]
    if bits > 8:
        data, mode = data << (16 - bits), f"{mode};16"
    pillow_heif.options.SAVE_HDR_TO_12_BIT = bits == 12
    options = {"quality": -1, "chroma": 444, "matrix_coefficients": 0, **options}
    pillow_heif.encode(mode, (width, height), data.tobytes(), content, **options)
    return content.getvalue()


def tiff(pixels, **options):
    """As tifffile writes it."""
    content = io.BytesIO()
    channels = pixels.shape[2]
    options = {
        "photometric": "minisblack" if channels < 3 else "rgb",
        "extrasamples": ["unassalpha"] if channels in (2, 4) else None,
        "metadata": None,
        **options,
    }
    if options.get("planarconfig") == "separate":
        pixels = np.moveaxis(pixels, 2, 0)  # (C, H, W)
    tifffile.imwrite(content, pixels if channels > 1 else pixels[..., 0], **options)
    return content.getvalue()


def exif(orientation=1, order=">", more=()):
    """An EXIF block: orientation, and tags of two bytes each."""
    tags = sorted([(274, orientation), *more])
    mark = (b"MM\0*" if order == ">" else b"II*\0") + (8).to_bytes(4, "big" if order == ">" else "little")
    entries = np.array([[code, 3, 0, 1, value, 0] for code, value in tags], f"{order}u2")
    if order == "<":
        entries = entries[:, [0, 1, 3, 2, 4, 5]]
    return mark + np.array(len(tags), f"{order}u2").tobytes() + entries.tobytes() + bytes(4)


def chunk(kind, content):
    """A chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def with_chunk(png, kind, content):
    """A PNG with one more chunk in front of its pixels."""
    place = png.index(b"IDAT") - 4
    return png[:place] + chunk(kind, content) + png[place:]
