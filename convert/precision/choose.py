"""The search for few operators to keep in float32, on a model of the loss: no program is run here.

The model: a rounding happens unless all operators that it needs are kept, and errors of the picture add up as vectors.
So the loss is a quadratic form in the roundings that happen, and every cross term that is real (two weights, one value
with two readers) is in it.
"""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Losses:
    """Predicted loss of every set of kept operators.

    Attributes
    ----------
    needs : ndarray of bool, (S, K)
        Rounding s does not happen when all operators of its row are kept.
    gram : ndarray, (S, S)
        Mean product of the errors that two roundings make in the picture; its diagonal is their loss alone.
    floor : float
        Loss that remains when all operators are kept.

    Examples
    --------
    >>> losses = Losses(np.array([[True, False], [True, True]]), np.diag([4.0, 1.0]))
    >>> [float(losses(np.array(kept))) for kept in ([False, False], [True, False], [True, True])]
    [5.0, 1.0, 0.0]
    """

    needs: np.ndarray
    gram: np.ndarray
    floor: float = field(default=0.0)

    def __call__(self, kept):
        """Mean squared error of the picture, by sets.

        Parameters
        ----------
        kept : ndarray of bool, (..., K)

        Returns
        -------
        ndarray of float64, (...)
        """
        missing = (~kept).astype(np.float32) @ self.needs.T.astype(np.float32)  # (..., S)
        on = (missing > 0).astype(np.float64)
        return np.maximum(np.sum((on @ self.gram) * on, axis=-1), 0) + self.floor


def growing(losses):
    """Sets from none to all: at each step the operators that one more rounding needs and that win most per operator.

    Yields
    ------
    ndarray of bool, (K,)
    """
    kept = np.zeros(losses.needs.shape[1], bool)
    yield kept
    while not kept.all():
        bundles = np.unique(losses.needs | kept, axis=0)
        bundles = bundles[bundles.sum(axis=1) > kept.sum()]
        if not len(bundles):  # the rest rounds nothing
            kept = np.ones_like(kept)
        else:
            won = losses(kept) - losses(bundles)
            kept = bundles[np.argmax(won / (bundles.sum(axis=1) - kept.sum()))]
        yield kept


def shrinking(losses, kept, most=np.inf):
    """Sets from ``kept`` downwards: at each step without the operator whose loss is the smallest, up to a loss.

    Yields
    ------
    ndarray of bool, (K,)
    """
    yield kept
    while kept.any():
        smaller = kept & ~np.eye(len(kept), dtype=bool)[kept]  # (number kept, K)
        after = losses(smaller)
        best = np.argmin(after)
        if after[best] > most:
            return
        kept = smaller[best]
        yield kept


def curve(losses):
    """The Pareto curve that both greedy searches find together.

    Returns
    -------
    list of ndarray of bool, (K,)
        From none to all; every set is larger than the one before and loses less.
    """
    sets = [*growing(losses), *shrinking(losses, np.ones(losses.needs.shape[1], bool))]
    front, least = [], np.inf
    for loss, kept in sorted(zip(losses(np.array(sets)), sets, strict=True), key=lambda p: (p[1].sum(), p[0])):
        if loss < least:
            front.append(kept)
            least = loss
    return front


def smallest(losses, front, most):
    """A small set whose predicted loss is at most ``most``.

    Starts from the curve. Then, as long as the set becomes smaller: add what one more rounding needs, and drop what the
    budget then allows.

    Parameters
    ----------
    losses : Losses
    front : list of ndarray of bool
        From `curve`.
    most : float
        Mean squared error.

    Returns
    -------
    ndarray of bool, (K,), or None
        None when even the largest set of the curve loses more.
    """
    kept = next((kept for kept in front if losses(kept) <= most), None)
    while kept is not None:
        *_, kept = shrinking(losses, kept, most)
        bundles = np.unique(losses.needs | kept, axis=0)
        bundles = bundles[(bundles.sum(axis=1) > kept.sum()) & (bundles.sum(axis=1) <= kept.sum() + WIDEST)]
        smaller = (set_ for b in bundles for *_, set_ in [shrinking(losses, b, most)] if set_.sum() < kept.sum())
        better = next(smaller, None)
        if better is None:
            return kept
        kept = better
    return None


WIDEST = 8  # operators that one detour of the search may add
