"""Which part of a HEIF picture is shown: its clean apertures, in the order of all that is done to it."""

import struct
from fractions import Fraction


def shown(properties, width, height):
    """The part that is shown, before anything is turned.

    Parameters
    ----------
    properties : sequence of (str, bytes)
        Of the item, in the order in which they apply (ISO/IEC 23008-12, 6.5.9): "clap" cuts what "irot" and "imir" in
        front of it have turned.
    width, height : int
        As stored.

    Returns
    -------
    (int, int, int, int) or None
        Left, top, width and height, or None where all is shown.

    Examples
    --------
    >>> aperture = struct.pack(">8I", 4, 1, 6, 1, 0, 1, 0, 1)
    >>> shown([("irot", bytes([1])), ("clap", aperture)], 10, 8)
    (2, 2, 6, 4)
    """
    part, turns = (0, 0, width, height), []
    for kind, content in properties:
        if kind in ("irot", "imir") and content:
            turns.append((kind, content[0] & (3 if kind == "irot" else 1)))
        elif kind == "clap" and len(content) >= 32:
            wide, high = _turned_size(part[2:], turns)
            across, down, *size = _turned_back(_aperture(content, wide, high), (wide, high), turns)
            part = (part[0] + across, part[1] + down, *size)
    return None if part == (0, 0, width, height) else part


def _aperture(content, width, height):
    """Left, top, width and height of a clean aperture, rounded and cut off as libheif does; all where it is none."""
    numbers = struct.unpack_from(">IIIIiIiI", content)
    if 0 in numbers[1::2]:
        return 0, 0, width, height
    wide, high, across, down = (Fraction(a, b) for a, b in zip(numbers[::2], numbers[1::2], strict=True))
    left = int(across + Fraction(width - 1, 2) - (wide - 1) / 2)
    below = _common(_common(numbers[7], 2), 2 * numbers[3])
    top = _round(down + Fraction(height - 1, 2) - (high - 1) / 2, below)
    right, bottom = _round(wide - 1 + left), _round(high - 1 + top)
    right = right if 0 <= right < width else width - 1  # what ends in front of the picture too
    bottom = bottom if 0 <= bottom < height else height - 1
    left, top = max(left, 0), max(top, 0)
    if left > right or top > bottom:
        return 0, 0, width, height  # no picture: libheif refuses it
    return left, top, right - left + 1, bottom - top + 1


def _common(one, other):
    """The denominator of a sum, as libheif adds: not the smallest."""
    return one if one == other else one * other


def _round(number, below=None):
    """To the nearest as C divides: of a negative number, that depends on the denominator it is written with."""
    below = below or number.denominator
    return int((number * below + below // 2) / below)


def _turned_size(size, turns):
    quarters = sum(value for kind, value in turns if kind == "irot")
    return size[::-1] if quarters % 2 else size


def _turned_back(part, size, turns):
    """A part of a turned picture of a size, where it was before the turns."""
    left, top, wide, high = part
    width, height = size
    for kind, value in reversed(turns):
        if kind == "imir":
            left, top = (width - left - wide, top) if value else (left, height - top - high)
        for _ in range(value if kind == "irot" else 0):  # a quarter clockwise each
            left, top, wide, high, width, height = height - top - high, left, high, wide, height, width
    return left, top, wide, high
