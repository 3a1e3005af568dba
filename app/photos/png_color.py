"""Colours that a PNG says by its primaries (cHRM) and its curve (gAMA), kept as a profile.

Chunks: W3C PNG, third edition, 11.3.2; adaptation of the eye: Bradford, as ICC.1:2022, annex E, has it.
"""

import struct
from dataclasses import replace

import numpy as np

from .color import primaries_profile

SRGB = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)  # cHRM: white, red, green, blue, in hundred-thousandths
ONE, GAMMA = 100_000, 45455  # 1, and 1 / 2.2, as gAMA and cHRM write them
NEAR_GAMMA, NEAR_POINT = 455, 500  # 1 %: how programs round 1 / 2.2; 0.005: how they round primaries
# a profile holds the exponent as a number of 32 bits, 16 of them behind the point: not above, and to 1 % not below
STEEPEST, FLATTEST = 2**15, 2**-17 / 0.01
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def with_png_colors(photo, chrm, gama):
    """Give a photo a profile where a PNG's chunks ask for other colours than sRGB's.

    Parameters
    ----------
    photo : Photo
        Without profile.
    chrm, gama : bytes
        The chunks' contents; b"" where there is none.

    Returns
    -------
    Photo
        With a profile and a note, or, where that cannot be, with notes about what is left out.
    """
    gamma = struct.unpack(">I", gama)[0] if len(gama) == 4 else None
    points = struct.unpack(">8I", chrm) if len(chrm) == 32 else SRGB
    other_gamma = gamma is not None and abs(gamma - GAMMA) > NEAR_GAMMA
    far = max(abs(a - b) for a, b in zip(points, SRGB, strict=True)) > NEAR_POINT
    if not other_gamma and not far:
        return photo
    profile = _profile(points, gamma) if photo.pixels.shape[2] > 2 else None
    if profile:
        said = ("its colours (cHRM, gAMA) are kept as an ICC profile",)
    else:
        said = ()
        if gamma is not None and other_gamma:
            said += (f"it asks for a gamma of {gamma / ONE:g} (gAMA), which is left out",)
        if far:
            said += ("its primaries (cHRM) are not those of sRGB and are left out: colours may look paler",)
    metadata = replace(photo.metadata, icc=profile)
    return replace(photo, metadata=metadata, notes=(*photo.notes, *said))


def _profile(points, gamma):
    """Give a profile, or None of numbers that no light has."""
    white, *colors = [points[place : place + 2] for place in (0, 2, 4, 6)]
    if any(y == 0 or x + y > ONE for x, y in (white, *colors)) or not _inside(white, colors):
        return None
    x, y = (value / ONE for value in white)
    if (BRADFORD @ [x / y, 1, (1 - x - y) / y]).min() <= 0:
        return None
    if gamma is not None and not (gamma and FLATTEST < ONE / gamma < STEEPEST):
        return None
    return primaries_profile(
        [value / ONE for point in colors for value in point], (x, y), None if gamma is None else ONE / gamma
    )


def _inside(point, corners):
    """Tell whether a point lies within a triangle, exactly: then the triangle is none, or white is no mixture."""
    (x, y), sides = point, zip(corners, (*corners[1:], corners[0]), strict=True)
    turns = [(bx - ax) * (y - ay) - (by - ay) * (x - ax) for (ax, ay), (bx, by) in sides]
    return min(turns) > 0 or max(turns) < 0
