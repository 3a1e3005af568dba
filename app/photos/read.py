"""Read a photograph of any kind; what kind it is, its content says and not its name."""

import mmap
import os
import re
import stat
from contextlib import contextmanager
from pathlib import Path

from ...refimpl.errors import BadInput
from .color_notes import with_color_notes
from .found import PIXELS, check_found, check_size
from .photo import Header, Photo

EXPECTED = "expected a JPEG, PNG, TIFF, WebP, AVIF, HEIC or raw photograph"
RAW_MARKS = {
    b"FUJIFILMCCD-RAW": 0, b"\0MRM": 0, b"FOVb": 0, b"HEAPCCDR": 6, b"IIRO": 0, b"IIRS": 0, b"MMOR": 0, b"IIU\0": 0,
    b"ftypcrx ": 4, b"ARRI": 0,
}  # fmt: skip
OTHERS = {
    b"GIF8": "a GIF", b"BM": "a BMP", b"8BPS": "a Photoshop document", b"%PDF": "a PDF", b"\xff\x0a": "a JPEG XL",
    b"\0\0\0\x0cJXL ": "a JPEG XL", b"\0\0\0\x0cjP  ": "a JPEG 2000", b"v/1\x01": "an OpenEXR", b"<svg": "an SVG",
    b"PK\x03\x04": "a ZIP archive", b"\0\0\x01\0": "an icon", b"\x1aE\xdf\xa3": "a film",
    b"#?RADIANCE": "a Radiance picture",
}  # fmt: skip


def sniff(data):
    """The family of a file: "JPEG", "PNG", "TIFF", "WebP", "HEIF" or "RAW".

    Parameters
    ----------
    data : bytes-like
        The whole file, or a map of it.

    Raises
    ------
    BadInput
        When it is none of these.

    Examples
    --------
    >>> sniff(bytes.fromhex("89504e470d0a1a0a"))
    'PNG'
    """
    head = bytes(data[:32])
    if head[:3] == b"\xff\xd8\xff":
        return "JPEG"
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "PNG"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if any(head[place : place + len(mark)] == mark for mark, place in RAW_MARKS.items()):
        return "RAW"
    if head[4:8] == b"ftyp":
        return "HEIF"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        from .raw_file import is_raw

        return "RAW" if is_raw(data) else "TIFF"
    other = next((name for mark, name in OTHERS.items() if head.startswith(mark)), None)
    raise BadInput(f"is {other or 'of no known type'}, {EXPECTED}; convert it first or leave it out")


def _family(name):
    """The module that reads a family; it is loaded when a file of its kind comes."""
    if name == "JPEG":
        from . import jpeg_file as family
    elif name == "PNG":
        from . import png_file as family
    elif name == "WebP":
        from . import webp_file as family
    elif name == "HEIF":
        from . import heif_file as family
    elif name == "TIFF":
        from . import tiff_file as family
    else:
        from . import raw_file as family
    return family


@contextmanager
def _mapped(path):
    """A file's bytes; what goes wrong with them becomes one sentence that names the file."""
    path = Path(os.fsdecode(path))
    name, kind = printable(path.name), ""
    try:
        if stat.S_ISDIR(os.stat(path).st_mode):
            raise BadInput(f"is a folder, {EXPECTED}; name a file in it")
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise BadInput(f"is no regular file, {EXPECTED}; copy it into one")
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise BadInput(f"is empty, {EXPECTED}; copy it again")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                kind = sniff(data)
                yield data, kind
    except BadInput as error:
        raise BadInput(f"{name} {error}") from None
    except OSError as error:
        if error.errno is None:  # a decoder's
            raise BadInput(_damaged(name, kind, error)) from None
        raise BadInput(f"{name} cannot be opened ({error.strerror}), {EXPECTED}; check its path and rights") from None
    except MemoryError:
        raise BadInput(f"{name} needs more memory than it may have; allow more, or make it smaller") from None
    except Exception as error:  # decoders of damaged files raise whatever they meet
        raise BadInput(_damaged(name, kind, error)) from None


def printable(text, most=300):
    """A text in one line that can be printed: names may hold anything but / and zero bytes."""
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= most else f"{text[:most]}..."


def _damaged(name, kind, error):
    text = error.args[0].decode("latin-1") if error.args and isinstance(error.args[0], bytes) else str(error)
    text = re.sub(r"<[^<>]* at 0x[0-9a-f]+>", "it", text)  # Python's name of a stream
    reason = printable(" ".join(text.split())) or type(error).__name__
    return (
        f"{name} cannot be read as {kind or 'a picture'} ({reason}), expected an undamaged file; copy or save it again"
    )


def _inspected(data, kind, pixels):
    family = _family(kind)
    found = family.inspect(data)
    check_found(found, pixels)
    return family, found


def read_header(path, pixels=PIXELS) -> Header:
    """What a photograph's file says of itself; nothing is decoded.

    Parameters
    ----------
    path : path_like
    pixels : int
        How many it may have at most.

    Returns
    -------
    Header

    Raises
    ------
    BadInput
        Whatever is wrong: one sentence.
    """
    with _mapped(path) as (data, kind):
        return _inspected(data, kind, pixels)[1].header


def read_photo(path, pixels=PIXELS, before=lambda found, size: None) -> Photo:
    """Read a photograph in this process; files from elsewhere are better read by `decoder.Decoder`.

    Parameters
    ----------
    path : path_like
    pixels : int
        How many it may have at most.
    before : callable
        Called with what the file says of itself (`Found`) and its size in bytes, before anything is decoded.

    Returns
    -------
    Photo

    Raises
    ------
    BadInput
        Whatever is wrong: one sentence.

    Examples
    --------
    >>> read_photo("photo.heic").pixels.shape  # doctest: +SKIP
    (3024, 4032, 3)
    """
    with _mapped(path) as (data, kind):
        family, found = _inspected(data, kind, pixels)
        before(found, len(data))
        photo = family.decode(data, found)
        check_size(photo.pixels.shape[1], photo.pixels.shape[0], pixels)
        return with_color_notes(photo)
