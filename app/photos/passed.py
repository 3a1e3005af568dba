"""Metadata as bytes, between a decoder's child and its parent, who believes none of them."""

import math
import struct

from .density import METRES
from .photo import Metadata
from .texts import bytes_of, text_of

BLOBS = ("exif", "xmp", "iptc", "icc")
MANY = ("texts", "more_xmp")  # several pieces in one


def blobs_of(metadata):
    """Give what there is of a photo's metadata as bytes.

    Parameters
    ----------
    metadata : Metadata

    Returns
    -------
    dict of str to bytes

    Examples
    --------
    >>> blobs_of(Metadata(xmp=b"<x/>", texts=(("Author", "A"),)))
    {'xmp': b'<x/>', 'texts': b'\\x00\\x00\\x00\\x06Author\\x00\\x00\\x00\\x01A'}
    """
    blobs = {name: getattr(metadata, name) for name in BLOBS if getattr(metadata, name) is not None}
    several = ([bytes_of(word) for pair in metadata.texts for word in pair], metadata.more_xmp)
    joined = [b"".join(struct.pack(">I", len(piece)) + piece for piece in pieces) for pieces in several]
    return blobs | {name: blob for name, blob in zip(MANY, joined, strict=True) if blob}


def metadata_of(blobs, cicp, density):
    """Give the metadata again.

    Raises
    ------
    TypeError, ValueError
        When it cannot be right.
    """
    words = [text_of(piece) for piece in _pieces(blobs.get("texts", b""))]
    texts = tuple(zip(words[::2], words[1::2], strict=True))
    if cicp is not None:
        _check(len(cicp) == 3 and all(type(number) is int and 0 <= number < 65536 for number in cicp))
    if density is not None:
        x, y, unit = density
        _check(unit is None or unit in METRES)
        _check(all(type(value) in (int, float) and math.isfinite(value) and value > 0 for value in (x, y)))
    return Metadata(
        **{name: blobs[name] for name in BLOBS if name in blobs},
        cicp=tuple(cicp) if cicp else None,
        texts=texts,
        density=tuple(density) if density else None,
        more_xmp=tuple(_pieces(blobs.get("more_xmp", b""))),
    )


def _pieces(blob):
    place, pieces = 0, []
    while place < len(blob):
        size = int.from_bytes(blob[place : place + 4], "big")
        _check(place + 4 + size <= len(blob))
        pieces.append(blob[place + 4 : place + 4 + size])
        place += 4 + size
    return pieces


def _check(condition):
    if not condition:
        raise ValueError
