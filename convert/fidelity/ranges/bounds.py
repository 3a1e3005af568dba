"""What is known of a value for every image: an interval per element, and where it is known, more than that."""

from dataclasses import dataclass, replace

import numpy as np

from ....refimpl.numerics.formats import FORMATS
from .facts import Ball, Convex


@dataclass(frozen=True)
class Bounds:
    """Lowest and highest number that every element can have, for any image.

    Attributes
    ----------
    low, high : ndarray of float64
    fact : Ball or Convex or None
        What is known beside the intervals.
    unbounded : str
        Why nothing is known; empty otherwise.
    """

    low: np.ndarray
    high: np.ndarray
    fact: Ball | Convex | None = None
    unbounded: str = ""

    @property
    def shape(self):
        return self.low.shape

    @property
    def centre(self):
        return self.low / 2 + self.high / 2

    @property
    def radius(self):
        return np.maximum(self.high - self.centre, self.centre - self.low)

    @property
    def magnitude(self):
        """Largest magnitude of every element."""
        return np.maximum(np.abs(self.low), np.abs(self.high))


def bounds(value):
    """A known array as Bounds; Bounds as themselves."""
    if isinstance(value, Bounds):
        return value
    value = np.asarray(value, np.float64)
    return Bounds(value, value)


def widened(low, high, relative=0.0, absolute=0.0):
    """Bounds around [low, high] whose elements carry a relative and an absolute error."""
    return Bounds(low - relative * np.abs(low) - absolute, high + relative * np.abs(high) + absolute)


def rounded(low, high, relative=0.0, absolute=0.0):
    """As `widened`, by roundings that cross no zero: those of products, powers, and sums of numbers of one sign."""
    out = widened(low, high, relative, absolute)
    return Bounds(
        np.where(low >= 0, np.maximum(out.low, 0), out.low), np.where(high <= 0, np.minimum(out.high, 0), out.high)
    )


def unbounded(shape, reason):
    """Nothing is known; a size that is not, either, stands as 1."""
    shape = tuple(1 if size is None else size for size in shape)
    return Bounds(np.full(shape, -np.inf), np.full(shape, np.inf), unbounded=reason)


def stored(value, dtype, moved):
    """Bounds of a value after it is stored in its declared type, or not rounded at all (a float64 run).

    Rounding to nearest is monotone, so the rounded bounds bound what is rounded. A bound beyond the format stays what
    it is: the bounds that follow hold for images that did not overflow here.
    """
    if dtype not in FORMATS or value.unbounded:
        return value
    with np.errstate(over="ignore"):
        low, high = (side.astype(dtype).astype(np.float64) for side in (value.low, value.high))
    low = np.where(np.isfinite(low), np.minimum(low, value.low), value.low)
    high = np.where(np.isfinite(high), np.maximum(high, value.high), value.high)
    fact = value.fact.rounded(FORMATS[dtype]) if value.fact and not moved else value.fact
    return replace(value, low=low, high=high, fact=fact)
