"""Colours kept as they are, or converted to sRGB by LittleCMS.

Code points: ITU-T H.273 (2024), tables 2 and 3. sRGB: IEC 61966-2-1. Matrices of primaries: SMPTE RP 177 (1993).
"""

import struct
from dataclasses import replace

import numpy as np

from ...refimpl.errors import BadInput
from .color_notes import HDR, profile_cicp
from .depth import change_bits
from .photo import colours_of

CHOICES = ("keep", "srgb")
SRGB, UNSAID = (1, 13), (2, 2)  # primaries and transfer
D65, DCI = (0.3127, 0.3290), (0.314, 0.351)
PRIMARIES = {  # red, green, blue, white
    1: (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, *D65),
    4: (0.67, 0.33, 0.21, 0.71, 0.14, 0.08, 0.310, 0.316),
    5: (0.64, 0.33, 0.29, 0.60, 0.15, 0.06, *D65),
    6: (0.63, 0.34, 0.31, 0.595, 0.155, 0.07, *D65),
    7: (0.63, 0.34, 0.31, 0.595, 0.155, 0.07, *D65),
    9: (0.708, 0.292, 0.17, 0.797, 0.131, 0.046, *D65),
    11: (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, *DCI),
    12: (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, *D65),
}
GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
VIDEO = (1, 6, 14, 15)  # one curve at several depths
DATE = slice(24, 36)  # of a profile's header: the time would make two runs differ
FIXED_DATE = bytes([7, 208, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0])


def check_color(color):
    """Refuse a choice that is none.

    Raises
    ------
    BadInput
    """
    if color not in CHOICES:
        raise BadInput(f'color is {color!r}, expected "keep" or "srgb"; choose one of them')


def to_srgb(photo):
    """Convert a photograph's numbers to sRGB; alpha is not touched, grey stays grey.

    Parameters
    ----------
    photo : Photo
        Not linear.

    Returns
    -------
    photo : Photo
        At its own bit depth, with a profile of sRGB.
    notes : tuple of str

    Raises
    ------
    BadInput
        When the profile cannot be used, or the numbers are HDR.
    """
    found = photo.metadata
    if found.icc is None and (found.cicp or UNSAID)[:2] in (SRGB, UNSAID):
        said = found.cicp is not None and found.cicp[:2] == SRGB
        return photo, () if said else ("no colour profile was found, so the numbers are taken to be sRGB",)
    numbers = profile_cicp(found.icc) if found.icc else None
    if found.cicp and found.cicp[1] in HDR:  # they say more than a profile beside them
        numbers = found.cicp
    profile = cicp_profile(numbers) if numbers and numbers[1] in HDR else found.icc or cicp_profile(found.cicp)
    colours = colours_of(photo.pixels.shape[2])
    pixels = photo.pixels.copy()
    pixels[..., :colours] = _transform(photo.pixels[..., :colours], photo.bits, profile)
    metadata = replace(found, icc=None if colours == 1 else srgb_profile(), cicp=None)
    return replace(photo, pixels=pixels, metadata=metadata), ("the colours were converted to sRGB",)


def with_profile(photo):
    """Say by a profile what a picture's CICP numbers say, for a format that has no place for those.

    Returns
    -------
    photo : Photo
    notes : tuple of str
    """
    found = photo.metadata
    if found.icc and found.cicp and found.cicp[:2] != UNSAID:
        what = f"its HDR ({HDR[found.cicp[1]]})" if found.cicp[1] in HDR else "the colour space"
        note = f"{what} in CICP numbers {found.cicp} is left out: the result says its colours by the ICC profile only"
        return replace(photo, metadata=replace(found, cicp=None)), (note,)
    if found.icc or found.cicp is None or found.cicp[:2] in (SRGB, UNSAID):  # sRGB is what an untagged file is
        return photo, ()
    plain = replace(photo, metadata=replace(found, cicp=None))
    lost = (f"the colour space in CICP numbers {found.cicp} is left out: the format has no place for it",)
    if photo.pixels.shape[2] < 3:
        return plain, lost
    if found.cicp[1] in HDR and found.cicp[0] in PRIMARIES:
        note = (
            f"its HDR ({HDR[found.cicp[1]]}) was written as an ICC profile of version 4.4, without which the picture "
        )
        note += "looks dull: more programs understand it in PNG, AVIF and HEIC"
        return replace(plain, metadata=replace(found, icc=hdr_profile(found.cicp), cicp=None)), (note,)
    try:
        profile = cicp_profile(found.cicp)
    except BadInput:  # numbers that nobody knows
        return plain, lost
    note = f"the colour space in CICP numbers {found.cicp} was written as an ICC profile"
    return replace(plain, metadata=replace(found, icc=profile, cicp=None)), (note,)


def _transform(pixels, bits, profile):
    """Send numbers through LittleCMS, at 8 bits or at 16."""
    import imagecodecs

    space = "gray" if profile[16:20] == b"GRAY" else "rgb"
    if profile[16:20] not in (b"GRAY", b"RGB "):
        found = profile[16:20].decode("latin-1").strip()
        raise BadInput(f"the colour profile is for {found}, expected RGB or grey; keep the colours as they are")
    deep = pixels if bits == 8 else change_bits(pixels, bits, 16)
    grey = deep.shape[2] == 1
    source = deep[..., 0] if space == "gray" else np.repeat(deep, 3, axis=2) if grey else deep
    if space == "gray" and not grey:
        raise BadInput("the colour profile is for grey and the picture is RGB; keep the colours as they are")
    try:
        made = imagecodecs.cms_transform(
            np.ascontiguousarray(source),
            profile,
            srgb_profile(),
            colorspace=space,
            outcolorspace="rgb",
            intent=imagecodecs.CMS.INTENT.PERCEPTUAL,
            # LittleCMS would put a coarse table in between: at 16 bits it is off by 3786, at 8 only grey suffers
            flags=None if bits == 8 and space == "rgb" else imagecodecs.CMS.FLAGS.NOOPTIMIZE,
        )
    except (imagecodecs.CmsError, ValueError) as error:
        raise BadInput(f"the colour profile cannot be used ({error}); keep the colours as they are") from None
    made = made[..., 1:2] if grey else made  # the neutral axis is the same in all three
    return made if bits == 8 else change_bits(made, 16, bits)


def srgb_profile():
    """Give LittleCMS's sRGB profile, the same bytes each time.

    Examples
    --------
    >>> srgb_profile()[12:24]
    b'mntrRGB XYZ '
    """
    import imagecodecs

    return _dated(imagecodecs.cms_profile("srgb"))


def cicp_profile(cicp):
    """Build a profile of a colour space given in numbers of H.273.

    Raises
    ------
    BadInput
        When the numbers are HDR, or say nothing.
    """
    primaries, transfer, _ = cicp
    if transfer in HDR:
        raise BadInput(
            f"the picture is HDR ({HDR[transfer]}), expected one that sRGB can show; keep the colours as they are"
        )
    primaries, transfer = (1 if primaries == 2 else primaries), (13 if transfer == 2 else transfer)
    if primaries not in PRIMARIES or (transfer not in GAMMAS and transfer not in (*VIDEO, 13)):
        raise BadInput(f"the colour space {cicp} is not known, expected one of H.273; keep the colours as they are")
    *rgb, x, y = PRIMARIES[primaries]
    return primaries_profile(rgb, (x, y), GAMMAS.get(transfer), transfer)


def hdr_profile(cicp):
    """Build a profile that holds CICP numbers (ICC.1:2022, 9.2.17), and sRGB's curve for programs that know none.

    Parameters
    ----------
    cicp : tuple of int
        Primaries that are known, transfer and matrix.

    Returns
    -------
    bytes
    """
    *rgb, x, y = PRIMARIES[cicp[0]]
    plain, numbers = primaries_profile(rgb, (x, y)), bytes([cicp[0], cicp[1], 0, 1])  # RGB, full range
    count, place = int.from_bytes(plain[128:132], "big"), len(plain) + 12
    tags = b"".join(
        plain[at : at + 4]
        + struct.pack(">I", int.from_bytes(plain[at + 4 : at + 8], "big") + 12)
        + plain[at + 8 : at + 12]
        for at in range(132, 132 + 12 * count, 12)
    )
    head = struct.pack(">I", place + 12) + plain[4:8] + b"\4\x40\0\0" + plain[12:84] + bytes(16) + plain[100:128]
    tags = struct.pack(">I", count + 1) + tags + struct.pack(">4sII", b"cicp", place, 12)
    return head + tags + plain[132 + 12 * count :] + b"cicp" + bytes(4) + numbers


def primaries_profile(rgb, white, gamma=None, transfer=13):
    """Build a profile of primaries, white and a curve.

    Parameters
    ----------
    rgb : sequence of float
        x and y of red, green and blue.
    white : (float, float)
        x and y.
    gamma : float, optional
        Light is the number to this power.
    transfer : int, optional
        Without gamma: the curve, as numbered in H.273; otherwise sRGB's.

    Returns
    -------
    bytes
    """
    import imagecodecs

    points = [value for i in (0, 2, 4) for value in (rgb[i], rgb[i + 1], 1.0)]
    curve = _curve(transfer) if gamma is None else None
    made = imagecodecs.cms_profile(
        "rgb", whitepoint=[*white, 1.0], primaries=points, gamma=gamma, transferfunction=curve
    )
    return _dated(made)


def _curve(transfer):
    """Tabulate the way from an encoded number to light."""
    coded = np.linspace(0, 1, 4096)
    if transfer == 13:
        light = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    else:
        alpha, beta = 1.09929682680944, 0.018053968510807
        light = np.where(coded < 4.5 * beta, coded / 4.5, ((coded + alpha - 1) / alpha) ** (1 / 0.45))
    return np.rint(light * 65535).astype(np.uint16)


def _dated(profile):
    fixed = bytearray(profile)
    fixed[DATE] = FIXED_DATE
    return bytes(fixed)
