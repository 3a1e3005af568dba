"""Pruning of SwinIR: a `Plan` says what goes, `masked` sets it to zero, `removed` takes it out; both compute the same.

Scores (`scores`) say what matters; `heads`, `channels` and `weights` choose by them; `count` says what was gained.
"""

from .plan import Cut, Plan
from .remove import masked, masks, removed

__all__ = ["Cut", "Plan", "masked", "masks", "removed"]
