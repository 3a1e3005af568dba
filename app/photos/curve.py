"""The curve between light and the numbers that a network was trained on."""

import numpy as np


def encoded(light: np.ndarray) -> np.ndarray:
    """sRGB's curve of values in [0, 1] that are proportional to light.

    References
    ----------
    IEC 61966-2-1:1999, section 5.2.

    Examples
    --------
    >>> encoded(np.array([0.0, 0.0031308, 0.214041, 1.0])).round(4)
    array([0.    , 0.0404, 0.5   , 1.    ])
    """
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055)


def decoded(values: np.ndarray) -> np.ndarray:
    """The inverse of `encoded`.

    Examples
    --------
    >>> bool(np.allclose(decoded(encoded(np.linspace(0, 1, 99))), np.linspace(0, 1, 99), atol=1e-9))
    True
    """
    return np.where(values <= 0.04045, values / 12.92, ((np.maximum(values, 0.04045) + 0.055) / 1.055) ** 2.4)
