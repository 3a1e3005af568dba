"""Floating-point storage formats: their limits, and rounding to them. The one place that knows what fp16 can hold."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Format:
    """A binary floating-point format.

    Attributes
    ----------
    name : str
        NumPy's name of the dtype.
    precision : int
        Bits of the significand, the hidden one included.
    min_exponent : int
        Exponent of the smallest normal number.
    largest : float
        Largest finite number.

    References
    ----------
    IEEE 754-2019, section 3.6, table 3.5.
    """

    name: str
    precision: int
    min_exponent: int
    largest: float

    @property
    def unit_roundoff(self):
        """u: the largest relative error of rounding a number in the normal range to nearest."""
        return 2.0**-self.precision

    @property
    def smallest_subnormal(self):
        """eta: the spacing of the numbers around zero."""
        return 2.0 ** (self.min_exponent - self.precision + 1)


FLOAT16 = Format("float16", 11, -14, 65504.0)
BFLOAT16 = Format("bfloat16", 8, -126, (2 - 2.0**-7) * 2.0**127)  # NumPy has none: the upper half of a float32
FLOAT32 = Format("float32", 24, -126, float(np.finfo(np.float32).max))
FLOAT64 = Format("float64", 53, -1022, float(np.finfo(np.float64).max))
# Where one author saw the multiply-accumulate units of Apple's Neural Engine saturate (arXiv:2606.22283): a hypothesis
NEURAL_ENGINE_LARGEST = 2.0**15
EXPONENT_BITS = np.int64(0x7FF << 52)  # of a float64
# The same author's finding on M1 and A14: a slice along the width that does not begin at 0 multiplies by 16 inside, so
# that values above 4094 become infinite (fixed from A15 on): a hypothesis too
NEURAL_ENGINE_SLICE_GAIN = 16.0
NEURAL_ENGINE_SLICE_LARGEST = FLOAT16.largest / NEURAL_ENGINE_SLICE_GAIN
FORMATS = {f.name: f for f in (FLOAT16, FLOAT32, FLOAT64)}


def spacing(x, fmt):
    """The unit in the last place of ``fmt`` at the magnitude of x (Higham's ulp; that of subnormals near zero).

    Parameters
    ----------
    x : array_like of float64
    fmt : Format

    Returns
    -------
    ndarray of float64, shape of x

    References
    ----------
    N. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 2.1. doi:10.1137/1.9780898718027

    Examples
    --------
    >>> spacing([1.0, 1000.0, 0.0], FLOAT16)
    array([9.76562500e-04, 5.00000000e-01, 5.96046448e-08])
    """
    bits = np.atleast_1d(np.asarray(x, np.float64)).view(np.int64)
    power = (bits & EXPONENT_BITS).view(np.float64).reshape(np.shape(x))  # 2^floor(log2 |x|), 0 for 0
    return np.maximum(power, 2.0**fmt.min_exponent) * 2.0 ** (1 - fmt.precision)


def nearest(x, fmt):
    """x rounded to the format, to nearest with ties to even: what storing it does, as float64.

    NumPy's own conversion to float16 gives the same numbers, and takes thirty times as long below 2^-14.

    Parameters
    ----------
    x : ndarray of float64
    fmt : Format

    Returns
    -------
    ndarray of float64, shape of x
        Infinity beyond the largest number.

    Examples
    --------
    >>> nearest(np.array([2049.0, 2051.0, 65520.0]), FLOAT16)
    array([2048., 2052.,   inf])
    """
    unit = spacing(x, fmt)
    with np.errstate(invalid="ignore"):
        rounded = np.asarray(x / unit)  # exact, for the unit is a power of two
        np.rint(rounded, out=rounded)
        rounded *= unit
    if np.max(np.abs(rounded), initial=0.0) <= fmt.largest:
        return rounded
    rounded = np.where(np.isfinite(x), rounded, x)
    return np.where(np.abs(rounded) > fmt.largest, np.copysign(np.inf, x), rounded)
