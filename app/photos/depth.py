"""From one bit depth to another, every value rounded to the nearest."""

import numpy as np


def change_bits(pixels, bits, wanted):
    """Give v * most' / most, rounded; exact both ways when `wanted` is larger.

    Parameters
    ----------
    pixels : ndarray of uint8 or uint16
        In [0, 2^bits - 1].
    bits, wanted : int
        From 8 to 16.

    Returns
    -------
    ndarray of uint8 or uint16
        Of the same shape.

    Examples
    --------
    >>> change_bits(np.array([0, 511, 1023], np.uint16), 10, 16).tolist()
    [0, 32736, 65535]
    >>> change_bits(np.array([128, 129, 65535], np.uint16), 16, 8).tolist()
    [0, 1, 255]
    """
    dtype = np.uint8 if wanted == 8 else np.uint16
    if bits == wanted:
        return pixels.astype(dtype, copy=False)
    most, new_most = 2**bits - 1, 2**wanted - 1
    # most is odd, so that no value lies half way between two others
    table = (np.arange(2 ** (8 * pixels.dtype.itemsize), dtype=np.uint64) * new_most + most // 2) // most
    return np.minimum(table, new_most).astype(dtype)[pixels]
