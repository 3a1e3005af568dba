"""Half precision to single and back, as NumPy converts them and faster: these conversions are most of an FP16 program.

NumPy converts one element at a time, and a result below 2^-14 takes it thirty times as long (it raises the underflow
flag): the weights of a softmax are full of those. Here a table widens, and compiled integer arithmetic narrows.
"""

from functools import cache

import numpy as np

FEW = 2**12  # so few elements NumPy converts as fast
_EVERY_HALF = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)


def widen(x):
    """float16 to float32, exactly.

    Parameters
    ----------
    x : ndarray of float16, any shape

    Returns
    -------
    ndarray of float32, shape of x

    Examples
    --------
    >>> widen(np.full(5000, 0.1, np.float16))[0]
    np.float32(0.099975586)
    """
    if x.size < FEW:
        return x.astype(np.float32)
    return np.take(_EVERY_HALF, x.astype(np.float16, copy=False).view(np.uint16))


def narrow(x):
    """float32 to float16, to nearest even; NaN becomes the quiet one.

    Parameters
    ----------
    x : ndarray of float32, any shape

    Returns
    -------
    ndarray of float16, shape of x

    Examples
    --------
    >>> narrow(np.full(5000, 1e-7, np.float32))[0]
    np.float16(1e-07)
    """
    if x.size < FEW:
        return x.astype(np.float16)
    out = np.empty(x.size, np.uint16)
    _compiled()(np.ravel(x.astype(np.float32, copy=False)).view(np.uint32), out)
    return out.view(np.float16).reshape(x.shape)


@cache
def _compiled():
    import numba  # a third of a second that small programs do not need

    return numba.njit(cache=True)(_narrow)


def _narrow(bits, out):
    """Bits of the nearest halves. All numbers are unsigned of 32 bits, so that a compiler makes vectors of them."""
    one, hidden = np.uint32(1), np.uint32(1 << 23)
    least = np.uint32(113)  # biased exponent of 2^-14, the smallest normal half
    for i in range(bits.size):
        magnitude = bits[i] & np.uint32(0x7FFFFFFF)
        exponent = magnitude >> np.uint32(23)
        subnormal = exponent < least
        excess = min(least - min(exponent, least), np.uint32(18))  # a subnormal half has so many digits less
        shift = np.uint32(13) + excess
        significand = magnitude & (hidden - one) | hidden
        digits = significand if subnormal else magnitude - ((least - one) << np.uint32(23))
        odd = (digits >> shift) & one  # rounds a middle to the even neighbour
        half = (digits + (one << (shift - one)) - one + odd) >> shift
        half = min(half, np.uint32(0x7C00))
        half = np.uint32(0x7E00) if magnitude > np.uint32(0x7F800000) else half  # infinity and NaN
        out[i] = half | bits[i] >> np.uint32(16) & np.uint32(0x8000)
