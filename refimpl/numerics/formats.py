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
FLOAT32 = Format("float32", 24, -126, float(np.finfo(np.float32).max))
FLOAT64 = Format("float64", 53, -1022, float(np.finfo(np.float64).max))
# Where one author saw the multiply-accumulate units of Apple's Neural Engine saturate (arXiv:2606.22283): a hypothesis
NEURAL_ENGINE_LARGEST = 2.0**15
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
    _, exponent = np.frexp(np.asarray(x, np.float64))  # |x| = m * 2^exponent with m in [1/2, 1)
    exponent = np.where(np.asarray(x) == 0, fmt.min_exponent, np.maximum(exponent - 1, fmt.min_exponent))
    return np.ldexp(1.0, exponent - fmt.precision + 1)


def stands_for(constant, expression, fmt):
    """Where a stored constant is a nearest number of ``fmt`` to the exact value it stands for.

    Parameters
    ----------
    constant, expression : array_like of float64, same shape
    fmt : Format
        The format the constant is stored in.

    Returns
    -------
    ndarray of bool
        True where no number of the format is nearer to the expression than the constant: within half a unit in the
        last place.

    Examples
    --------
    >>> stands_for([0.2, 0.199951171875], [0.2, 0.2], FLOAT16)
    array([False,  True])
    """
    constant, expression = np.asarray(constant, np.float64), np.asarray(expression, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # too large a number rounds to infinity
        nearest = expression.astype(fmt.name).astype(np.float64)  # round to nearest, ties to even
        representable = constant.astype(fmt.name).astype(np.float64) == constant
        # at a tie either neighbour is as near; below a power of two the numbers lie twice as close as above it
        close = np.isfinite(nearest) & (np.abs(constant - expression) <= np.abs(nearest - expression))
    return (constant == nearest) | (close & representable)
