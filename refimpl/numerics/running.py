"""Numbers with a bound on their rounding error: an operator's formula, carried out on these, gives its own bound.

Every operation adds one rounding of the format to what its operands bring along, and forgets nothing: where a result on
the way may overflow, nothing is known any more, and the error is infinite (the running error analysis of Higham,
section 3.3, with the exact values in place of the computed ones).

References
----------
N. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., SIAM 2002. doi:10.1137/1.9780898718027
"""

from dataclasses import dataclass, replace

import numpy as np

from .bounds import FUNCTION, gamma
from .formats import Format, nearest


@dataclass(frozen=True, eq=False)
class Rounded:
    """What exact arithmetic gives, and how far what was computed may be from it.

    Attributes
    ----------
    exact, error : ndarray of float64
        Of one shape, or broadcastable.
    fmt : Format
        In which it was computed.

    Examples
    --------
    >>> from karat.refimpl.numerics.formats import FLOAT32
    >>> x = Rounded(np.array([3.0, 1e30]), np.zeros(2), FLOAT32)
    >>> (x * x).error
    array([5.36441803e-07,            inf])
    """

    exact: np.ndarray
    error: np.ndarray
    fmt: Format

    def __add__(self, other):
        out = self._after(self.exact + other.exact, self.error + other.error)
        # what is infinite without an error (a mask) stays so, whatever finite number is added
        sure = (np.isinf(self.exact) & (self.error == 0) & np.isfinite(other.exact + other.error)) | (
            np.isinf(other.exact) & (other.error == 0) & np.isfinite(self.exact + self.error)
        )
        return replace(out, error=np.where(sure, 0.0, out.error))

    def __sub__(self, other):
        return self + replace(other, exact=-other.exact)

    def __mul__(self, other):
        a, b = np.abs(self.exact), np.abs(other.exact)
        spread = a * other.error + self.error * (b + other.error)
        return self._after(self.exact * other.exact, spread, self.fmt.smallest_subnormal)

    def __truediv__(self, other):
        """|(x + e) / (y + f) - x / y| <= (e + |x / y| f) / (|y| - f)."""
        quotient, left = self.exact / other.exact, np.abs(other.exact) - other.error
        spread = (self.error + np.abs(quotient) * other.error) / left
        spread = np.where(left > 0, spread, np.inf)
        return self._after(quotient, spread, self.fmt.smallest_subnormal)

    def sqrt(self):
        """The square root, correctly rounded, of what was computed without a minus: sums of squares."""
        return self._through(lambda part: np.sqrt(np.where(self.exact < 0, part, np.maximum(part, 0))), 0.0, 0.0)

    def apply(self, function):
        """A monotone function that the format computes to `FUNCTION` units.

        Parameters
        ----------
        function : callable
            Of ndarray of float64. Infinite error where it is not defined within the error of the argument.
        """
        return self._through(function, FUNCTION - 1, self.fmt.smallest_subnormal)

    def _through(self, function, units, tiny):
        """The values of a monotone function at both ends of every interval bound its value between."""
        value = function(self.exact)
        ends = [function(self.exact - self.error), function(self.exact + self.error)]
        spread = np.maximum(np.abs(ends[0] - value), np.abs(ends[1] - value))
        spread = np.where((self.error > 0) | ~np.isfinite(value), spread, 0.0)
        return self._after(value, spread + units * self.fmt.unit_roundoff * (np.abs(value) + spread), tiny)

    def sum(self, axes):
        """Over some axes, which stay with size 1; in any order."""
        n = int(np.prod([self.exact.shape[axis] for axis in axes]))
        total = np.sum(np.abs(self.exact) + self.error, axis=axes, keepdims=True)  # of all the parts on the way
        growth = gamma(max(n - 1, 0), self.fmt.unit_roundoff)
        error = np.sum(self.error, axis=axes, keepdims=True) + growth * total
        error = np.where(total * (1 + growth) <= self.fmt.largest, error, np.inf)
        return Rounded(np.sum(self.exact, axis=axes, keepdims=True), error, self.fmt)

    def moved(self, function):
        """``function`` of exact values and of errors: reshapes, slices, repetitions."""
        return replace(self, exact=function(self.exact), error=function(self.error))

    def within(self, low, high):
        """Clipped, which rounds nothing and brings nothing further apart."""
        return replace(self, exact=np.clip(self.exact, low, high))

    def where(self, condition, other):
        """This where the condition holds, elsewhere the other."""
        exact = np.where(condition, self.exact, other.exact)
        return replace(self, exact=exact, error=np.where(condition, self.error, other.error))

    def _after(self, exact, spread, tiny=0.0):
        """One rounding more, and what it loses where results are subnormal."""
        error = spread + self.fmt.unit_roundoff * (np.abs(exact) + spread) + tiny
        return replace(self, exact=exact, error=np.where(np.abs(exact) + error <= self.fmt.largest, error, np.inf))


def held(value, fmt):
    """Numbers as a format holds them: exact where they are its own, else off by their rounding to it.

    Parameters
    ----------
    value : array_like
    fmt : Format

    Returns
    -------
    Rounded

    Examples
    --------
    >>> from karat.refimpl.numerics.formats import FLOAT32
    >>> held([0.5, 0.1], FLOAT32).error
    array([0.00000000e+00, 1.49011611e-09])
    """
    value = np.asarray(value, np.float64)
    off = np.abs(nearest(value, fmt) - value)
    return Rounded(value, np.where(np.isfinite(off), off, 0.0), fmt)


def exactly(value, fmt):
    """An input of an operator: it has no error, whatever its size.

    Examples
    --------
    >>> from karat.refimpl.numerics.formats import FLOAT32
    >>> exactly([0.1], FLOAT32).error
    array([0.])
    """
    value = np.asarray(value, np.float64)
    return Rounded(value, np.zeros(value.shape), fmt)
