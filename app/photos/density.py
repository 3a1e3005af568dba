"""Pixels of an inch or a centimetre of paper, as JPEG, PNG and TIFF say it.

JPEG: JFIF 1.02 (Hamilton, 1992); PNG: pHYs (W3C PNG, third edition, 11.3.4.3); TIFF 6.0 (Adobe, 1992), section 8.
"""

import math
import struct
from fractions import Fraction

from ...refimpl.errors import BadInput
from .tags import Tags

JFIF = b"JFIF\0"
PLACE = 13  # of the density in a JPEG that begins with JFIF's segment
X, Y, UNIT = 282, 283, 296  # tags
METRES = {"inch": 0.0254, "cm": 0.01}
JFIF_UNITS, TIFF_UNITS = {None: 0, "inch": 1, "cm": 2}, {None: 1, "inch": 2, "cm": 3}
MOST_JFIF, MOST_PNG, MOST_TIFF = 2**16 - 1, 2**31 - 1, 2**32 - 1
RATIONAL, SHORT = 5, 3
STEP = 0.5  # a PNG rounds to whole pixels of a metre: what is nearer than this is the same


def density(x, y, unit):
    """Give (x, y, unit), or None when the numbers say nothing.

    Parameters
    ----------
    x, y : int or float
    unit : {"inch", "cm", None}
        None: x and y are only meant against each other; then pixels as wide as high are nothing to say.
    """
    if not all(math.isfinite(value) and value > 0 for value in (x, y)) or (unit is None and x == y):
        return None
    return x, y, unit


def turned(found):
    """Give a density of a picture that was turned by a quarter."""
    return found and (found[1], found[0], found[2])


def of_jfif(content):
    """Give the density that JFIF's segment says, or None."""
    if not content.startswith(JFIF) or len(content) < 12 or content[7] not in JFIF_UNITS.values():
        return None
    unit, x, y = struct.unpack_from(">BHH", content, 7)
    return density(x, y, (None, "inch", "cm")[unit])


def of_png(content):
    """Give the density that the chunk pHYs says, or None."""
    if len(content) != 9 or content[8] > 1:
        return None
    x, y, metre = struct.unpack(">IIB", content)
    return density(x / 100, y / 100, "cm") if metre else density(x, y, None)


def of_tiff(folder):
    """Give the density that tags say, or None."""
    x, y, unit = (folder[tag].numbers[:1] if tag in folder else [] for tag in (X, Y, UNIT))
    units = {code: name for name, code in TIFF_UNITS.items()}
    unit = unit[0] if unit else TIFF_UNITS["inch"]
    return density(x[0], y[0], units[unit]) if x and y and unit in units else None


def of_exif(exif):
    """Give the density that an EXIF block says, or None."""
    try:
        return of_tiff(Tags(exif or b"").first)
    except (BadInput, struct.error):
        return None


def jfif(found) -> tuple[int, ...] | None:
    """Give (unit, x, y) in JFIF's numbers, or None when it has none: whole ones, in the unit that is nearer.

    Examples
    --------
    >>> jfif((28.35, 28.35, "cm")), jfif((118, 118, "cm")), jfif((4e6, 1, "inch"))
    ((1, 72, 72), (2, 118, 118), None)
    """
    x, y, unit = found
    if unit is None:
        pair = _aspect(x, y, MOST_JFIF)
        return pair and (0, *pair)
    choices = []
    for other in (unit, *(METRES.keys() - {unit})):
        change = METRES[other] / METRES[unit] if other != unit else 1
        exact = (x * change, y * change)
        whole = tuple(round(value) for value in exact)
        if all(1 <= value <= MOST_JFIF for value in whole):
            wrong = max(abs(a / b - 1) for a, b in zip(whole, exact, strict=True))
            choices.append((wrong, (JFIF_UNITS[other], *whole)))
    return min(choices, key=lambda choice: choice[0])[1] if choices else None


def phys(found):
    """Give the content of the chunk pHYs, or None when it cannot say so.

    Examples
    --------
    >>> phys((300, 300, "inch")).hex()
    '00002e2300002e2301'
    """
    x, y, unit = found
    pair = _aspect(x, y, MOST_PNG) if unit is None else tuple(round(value / METRES[unit]) for value in (x, y))
    if pair is None or not all(1 <= value <= MOST_PNG for value in pair):
        return None
    return struct.pack(">IIB", *pair, unit is not None)


def tiff_tags(found):
    """Give the tags that say a density, or one against one: a reader may insist on them."""
    pair = [_rational(value) for value in found[:2]] if found else []
    if None in pair or not pair:
        return {X: (RATIONAL, [1, 1]), Y: (RATIONAL, [1, 1]), UNIT: (SHORT, [1])}
    return {X: (RATIONAL, pair[0]), Y: (RATIONAL, pair[1]), UNIT: (SHORT, [TIFF_UNITS[found[2]]])}


def said(found):
    """Give a density in words.

    Examples
    --------
    >>> said((72, 72.5, "inch"))
    '72 x 72.5 per inch'
    """
    x, y, unit = found
    return f"{x:g} x {y:g}" + (f" per {unit}" if unit else " (an aspect)")


def same(first, second):
    """Tell whether two densities, or None, are the same but for rounding."""
    if first is None or second is None or None in (first[2], second[2]):
        return first == second
    pairs = zip(first[:2], second[:2], strict=True)
    return all(abs(a / METRES[first[2]] - b / METRES[second[2]]) <= STEP for a, b in pairs)


def _aspect(x, y, most):
    """Give two whole numbers in the same proportion."""
    if x == int(x) <= most and y == int(y) <= most:
        return int(x), int(y)
    ratio = Fraction(x) / Fraction(y)
    small = min(ratio, 1 / ratio).limit_denominator(most)
    if not small:
        return None
    pair = small.numerator, small.denominator
    return pair if ratio < 1 else pair[::-1]


def _rational(value):
    """Give numerator and denominator in 32 bits, the simplest that come nearest; None for what they cannot hold."""
    best = None
    for most in (1, 100, 10_000, 1_000_000):
        found = Fraction(value).limit_denominator(most)
        if 0 < found.numerator <= MOST_TIFF:
            best = [found.numerator, found.denominator]
            if float(found) == value:
                break
    return best
