"""From predicted sets to measured ones: each is run exactly as its package would be, and corrected by what is seen."""

from itertools import combinations

import numpy as np

from ...refimpl.metrics import psnr
from .choose import Losses, curve, smallest
from .mixed import Forms, mixed

MOST_TYPES = 16  # up to here every union of operator types is looked at
ROUNDS = 20
DOUBTFUL = 10**0.3  # 3 dB: a set that is predicted to lose so much more than allowed is not run


class Trial:
    """Sets of operators to keep, predicted and run.

    Attributes
    ----------
    forms : Forms
    losses : Losses
        Over the operators of ``forms``, in that order.
    x, golden : ndarray, (N, C, H, W)
    front : list of ndarray of bool, (K,)
        The predicted Pareto curve.
    runs : dict of bytes to tuple of float
        What was run: set -> (predicted dB, measured dB).
    """

    def __init__(self, forms: Forms, losses: Losses, x, golden):
        self.forms, self.losses, self.x, self.golden = forms, losses, x, golden
        self.names, self.front, self.runs = np.array(list(forms.operators)), curve(losses), {}

    def predicted(self, kept):
        """PSNR in dB that the model says."""
        return float(-10 * np.log10(self.losses(kept)))

    def measured(self, kept):
        """PSNR in dB against the golden picture, of a run with exactly the roundings of the package."""
        key = kept.tobytes()
        if key not in self.runs:
            source, output = self.forms.wide.inputs[0].name, self.forms.wide.outputs[0].name
            program = mixed(self.forms, set(self.names[kept]))
            found = psnr(self.golden, program.predict({source: self.x})[output])
            self.runs[key] = (self.predicted(kept), found)
        return self.runs[key][1]

    def slack(self):
        """Twice the largest difference in dB between what was predicted and what was measured so far."""
        differences = [abs(a - b) for a, b in self.runs.values() if np.isfinite(a - b)]
        return 2 * max(differences, default=0.0)

    def reaching(self, target):
        """A small set that reaches a PSNR when it is run.

        The model's budget is corrected by its error, until a set reaches the target and no smaller one was found.
        Then every operator is left out once that is not needed after all.

        Parameters
        ----------
        target : float
            In dB; the set of all operators reaches it.

        Returns
        -------
        ndarray of bool, (K,)
        """
        best, budget, tried = np.ones(len(self.names), bool), 10 ** (-target / 10), set()
        for _ in range(ROUNDS):
            kept = smallest(self.losses, self.front, budget)
            if kept is None or kept.tobytes() in tried:
                break
            tried.add(kept.tobytes())
            found = self.measured(kept)
            if found >= target and kept.sum() < best.sum():
                best = kept
            budget *= 10 ** ((found - target) / 10) * (0.99 if found < target else 1)
        return self._trimmed(best, target)

    def _trimmed(self, kept, target):
        """``kept`` without the operators that a run shows not to be needed."""
        order = np.argsort(self.losses(kept & ~np.eye(len(kept), dtype=bool)), kind="stable")
        for index in order[kept[order]]:
            less = kept.copy()
            less[index] = False
            if self.losses(less) <= 10 ** (-target / 10) * DOUBTFUL and self.measured(less) >= target:
                kept = less
        return kept

    def best_union(self, target):
        """The smallest union of operator types that reaches a PSNR when it is run.

        Parameters
        ----------
        target : float
            In dB; the set of all operators reaches it.

        Returns
        -------
        types : tuple of str
        looked : str
            What was looked at.
        kept : ndarray of bool, (K,)
        """
        of = [op.type for op in self.forms.operators.values()]
        types = sorted(set(of))
        unions = _unions(len(types))  # (U, T)
        sets = unions[:, [types.index(kind) for kind in of]]  # (U, K)
        predicted = np.concatenate([self.losses(part) for part in np.array_split(sets, len(sets) // 256 + 1)])
        predicted, runs = -10 * np.log10(predicted), 0
        for index in np.lexsort((-predicted, sets.sum(axis=1))):
            if predicted[index] < target - self.slack():
                continue
            runs += 1
            if self.measured(sets[index]) >= target:
                break
        which = "all" if len(unions) == 2 ** len(types) else "those of up to three types and their complements, in all"
        looked = f"{which} {len(unions)} unions of {len(types)} types predicted, {runs} run"
        return tuple(kind for kind, member in zip(types, unions[index], strict=True) if member), looked, sets[index]


def _unions(count):
    """Unions of so many types as rows of members; where all are too many, up to three and all but up to three."""
    if count <= MOST_TYPES:
        return (np.arange(2**count)[:, None] >> np.arange(count)) % 2 == 1
    few = [np.isin(np.arange(count), some) for n in range(4) for some in combinations(range(count), n)]
    return np.array(few + [~union for union in few])
