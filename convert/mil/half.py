"""Half precision to single and back, as NumPy converts them and faster: these conversions are most of an FP16 program.

NumPy converts one element at a time, and a result below 2^-14 takes it thirty times as long (it raises the underflow
flag): the weights of a softmax are full of those. Here integer arithmetic converts whole blocks.
"""

import numpy as np

BLOCK = 2**16  # elements at a time: the buffers fit into the cache, and the calls do not count
FEW = 2**12  # so few elements NumPy converts as fast
_INFINITY = 0x7C00  # bits of half precision
_OVERFLOW = np.float32(65520).view(np.int32)  # the least that rounds to infinity
_SMALLEST_NORMAL = np.float32(2**-14)
# An arithmetic shift of m + _OFFSET by 13 leaves how far the rounded m lies above 2^-14, in units of half precision
_OFFSET = np.int32(0xFFF - _SMALLEST_NORMAL.view(np.int32))
_HALF = np.float32(0.5)  # whose unit in the last place is the smallest half


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
    bits, out = np.ravel(x).view(np.int16), np.empty(x.size, np.float32)
    for start in range(0, x.size, BLOCK):
        block = bits[start : start + BLOCK]
        part = out[start : start + BLOCK]
        if np.max(block & 0x7FFF) >= _INFINITY:
            part[...] = block.view(np.float16)
            continue
        wide = part.view(np.int32)
        wide[...] = block
        wide <<= 13
        wide &= ~0x70000000  # what the sign left in the exponent
        part *= np.float32(2.0**112)  # exponents are biased by 15 and by 127
    return out.reshape(x.shape)


def narrow(x):
    """float32 to float16, to nearest even.

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
    bits, out = np.ravel(x).view(np.int32), np.empty(x.size, np.int16)
    for start in range(0, x.size, BLOCK):
        block = bits[start : start + BLOCK]
        magnitude = block & 0x7FFFFFFF
        if magnitude.max() >= _OVERFLOW:
            part = block.view(np.float32).astype(np.float16).view(np.int16)
        else:
            part = _rounded(magnitude)
            part |= (block >> 16) & -0x8000  # the sign
        out[start : start + BLOCK] = part
    return out.view(np.float16).reshape(x.shape)


def _rounded(magnitude):
    """Bits of the nearest half of positive finite singles, given by their bits."""
    above = magnitude >> 13
    above &= 1  # rounds halves to even
    above += magnitude
    above += _OFFSET
    above >>= 13
    np.maximum(above, 0, out=above)
    below = np.minimum(magnitude.view(np.float32), _SMALLEST_NORMAL)
    below += _HALF  # rounds to a multiple of the smallest half
    above += below.view(np.int32)  # the bits of 0.5 end in sixteen zeros: they do not reach the half
    return above
