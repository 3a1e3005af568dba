"""Four inks turned into sRGB: through the picture's own profile, or plainly."""

from dataclasses import replace

import numpy as np


def cmyk_to_srgb(pixels, most, metadata):
    """Pixels of cyan, magenta, yellow and black as sRGB.

    Parameters
    ----------
    pixels : ndarray of uint8 or uint16, (H, W, 4)
        0 is no ink.
    most : int
        The largest value.
    metadata : Metadata
        Its profile is used when it describes four inks.

    Returns
    -------
    pixels : ndarray, (H, W, 3)
        Of the same type.
    metadata : Metadata
        Without the profile: it describes inks that are no longer there.
    note : str
    """
    converted, metadata, icc = None, replace(metadata, icc=None), metadata.icc
    if icc and icc[16:20] == b"CMYK":
        converted = _by_profile(pixels, icc)
    if converted is not None:
        return converted, metadata, "its CMYK was converted to sRGB through its own ICC profile"
    return _plainly(pixels, most), metadata, "its CMYK was converted to sRGB without a profile: colours are approximate"


def _by_profile(pixels, icc):
    import imagecodecs

    try:
        return imagecodecs.cms_transform(
            pixels, icc, imagecodecs.cms_profile("srgb"), colorspace="cmyk", outcolorspace="rgb", outdtype=pixels.dtype
        )
    except (RuntimeError, ValueError):  # a damaged profile
        return None


def _plainly(pixels, most):
    """What is left of white light after the ink and then the black: (1 - c) (1 - k)."""
    light = most - pixels.astype(np.uint64)
    return ((light[..., :3] * light[..., 3:] + most // 2) // most).astype(pixels.dtype)
