"""What may be known of a value beside its intervals: lengths of rows, and rows that sum to one."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from .rounding import TINY, U, gamma


class Term(NamedTuple):
    """matrix z with |z|_2 <= radius, or |z|_inf <= radius where ``box``: matrix is (K, C)."""

    matrix: np.ndarray
    radius: float
    box: bool = False

    def lengths(self):
        """How far each of the K elements may lie from zero: (K,)."""
        norms = np.abs(self.matrix).sum(axis=1) if self.box else np.linalg.norm(self.matrix, axis=1)
        return self.radius * norms * (1 + self.matrix.shape[1] * U)  # U is far above the rounding of this sum

    def length(self, left=None):
        """How long (left times) the vector of all K elements may be."""
        matrix = self.matrix if left is None else left @ self.matrix
        size = sum(self.matrix.shape) + matrix.shape[0]
        radius = self.radius * (np.sqrt(self.matrix.shape[1]) if self.box else 1)
        return float(np.linalg.norm(matrix, 2) * radius * (1 + size**2 * 2.0**-50))  # its own rounding, amply


@dataclass(frozen=True)
class Ball:
    """Elements that are affine in short vectors: shift[k] + sum of terms' rows k + e, |e| <= error[k].

    A layer norm's output is (z is the standardised row, of length sqrt(C)), and so is what linear layers make of it.

    Attributes
    ----------
    terms : tuple of Term
    shift, error : ndarray, (K,)
    labels : ndarray of int64
        One per element: k + K * (number of its z's). Data movement moves the labels with the elements.
    """

    terms: tuple[Term, ...]
    shift: np.ndarray
    error: np.ndarray
    labels: np.ndarray

    @property
    def spread(self):
        """How far an element k may lie from its shift: (K,)."""
        return sum((term.lengths() for term in self.terms), self.error)

    @property
    def largest(self):
        """Bound on the magnitude of an element k: (K,)."""
        return np.abs(self.shift) + self.spread

    def features(self):
        """k of every element."""
        return self.labels % len(self.shift)

    def rows(self):
        """Number of the z's of every element."""
        return self.labels // len(self.shift)

    def along(self, axis):
        """Whether every line along ``axis`` holds elements 0 .. K - 1 of one and the same z's."""
        labels = np.moveaxis(self.labels, axis, -1)
        whole = labels.shape[-1] == len(self.shift)
        return whole and bool(
            np.all(labels - labels[..., :1] == np.arange(len(self.shift)))
            and np.all(labels[..., 0] % len(self.shift) == 0)
        )

    def scaled(self, factor):
        """The same, times a number; the multiplication rounds."""
        terms = tuple(term._replace(matrix=term.matrix * factor) for term in self.terms)
        error = np.abs(factor) * (self.error + gamma(2) * self.largest) + TINY
        return replace(self, terms=terms, shift=self.shift * factor, error=error)

    def rounded(self, fmt):
        """The same, stored in a format."""
        return replace(self, error=self.error + 1.001 * fmt.unit_roundoff * self.largest + fmt.smallest_subnormal)


def fresh(shape, axis=-1):
    """Labels of a value whose lines along ``axis`` each belong together."""
    axis %= len(shape)
    moved = [*shape[:axis], *shape[axis + 1 :], shape[axis]]
    return np.moveaxis(np.arange(int(np.prod(shape))).reshape(moved), -1, axis)


@dataclass(frozen=True)
class Convex:
    """Elements that make rows: not negative, and each row's sum is 1 up to ``slack``. A softmax's output.

    Attributes
    ----------
    size : int
        Elements of a row.
    slack : float
    labels : ndarray of int64
        One per element: its place in the row + size * (number of the row).
    """

    size: int
    slack: float
    labels: np.ndarray

    def rounded(self, fmt):
        """The same, stored in a format."""
        slack = self.slack + 1.001 * fmt.unit_roundoff * (1 + self.slack) + self.size * fmt.smallest_subnormal
        return replace(self, slack=slack)

    def whole(self):
        """Whether the last axis still holds whole rows, in any order."""
        places, rows = np.sort(self.labels % self.size, axis=-1), self.labels // self.size
        return (
            places.shape[-1] == self.size and np.all(places == np.arange(self.size)) and np.all(rows == rows[..., :1])
        )
