"""Attention heads that go: so many of every layer, as the study prunes them, or the lowest of the whole network."""

from collections.abc import Iterator, Mapping

import numpy as np

from ..errors import BadInput
from ..models import Model
from .choose import lowest, lowest_of_all
from .living import living, marked
from .plan import Cut, Plan, all_gone, check
from .remove import swinir_blocks
from .scores import check_scores


def named(model: Model, heads: Mapping[str, tuple[int, ...]]) -> Plan:
    """The plan that cuts the heads given by block path.

    Raises
    ------
    BadInput
        When a head was removed or masked already, or none of a block would be left.

    Examples
    --------
    >>> from karat.refimpl.load import load
    >>> named(load("zoo:swinir-small-x2"), {"layers.0.residual_group.blocks.0": (7,)})
    Traceback (most recent call last):
        ...
    karat.refimpl.errors.BadInput: head 7 of layers.0.residual_group.blocks.0 is not there (removed already?), \
expected a number from 0 to 1; plan with the network as it is
    """
    plan = Plan({path: Cut(heads=tuple(gone)) for path, gone in heads.items()})
    check(plan, swinir_blocks(model))
    alive = living(model)
    for path, gone in heads.items():
        left = np.flatnonzero(alive[path]).tolist()
        for head in gone:
            if head not in left:
                raise BadInput(
                    f"head {head} of {path} is zero (masked already), expected one of {left}; name a head that is left"
                )
        if not set(left) - set(gone):
            raise all_gone(len(left), "head", f" left in {path}")
    return plan


def per_layer(model: Model, scores: Mapping[str, np.ndarray], count: int = 1) -> Plan:
    """The ``count`` lowest heads of every layer, of those that are left.

    Parameters
    ----------
    model : Model
        Whole, or pruned before: masked heads are passed over.
    scores : mapping of str to ndarray
        By block, (heads,), as in `scores`.
    count : int

    Returns
    -------
    Plan

    Raises
    ------
    BadInput
        When a layer would keep no head.

    Examples
    --------
    >>> from karat.refimpl.load import load
    >>> from karat.refimpl.prune.scores import l1
    >>> model = load("zoo:swinir-small-x2")
    >>> per_layer(model, l1(model, "heads")).cuts["layers.0.residual_group.blocks.0"].heads
    (1,)
    """
    check_scores(model, "heads", scores)
    if count < 1:
        raise BadInput(f"{count} heads of every layer were to go, expected at least 1; ask for more")
    left = _of_the_living(model, scores)
    for path, values in left.items():
        alive = int(np.isfinite(values).sum())
        if count >= alive:
            raise all_gone(alive, "head", f" left in {path}")
    return Plan({path: Cut(heads=lowest(values, count)) for path, values in left.items()})


def globally(model: Model, scores: Mapping[str, np.ndarray], count: int) -> Plan:
    """The ``count`` lowest heads of the whole network; every layer keeps one.

    Parameters
    ----------
    model : Model
    scores : mapping of str to ndarray
        By block, (heads,): compared as they are.
    count : int

    Returns
    -------
    Plan

    Examples
    --------
    >>> from karat.refimpl.load import load
    >>> from karat.refimpl.prune.scores import l1
    >>> model = load("zoo:swinir-small-x2")
    >>> sum(len(cut.heads) for cut in globally(model, l1(model, "heads"), 3).cuts.values())
    3
    """
    check_scores(model, "heads", scores)
    chosen = lowest_of_all(_of_the_living(model, scores), count, "head")
    return Plan({path: Cut(heads=heads) for path, heads in chosen.items()})


def steps(model: Model, scores: Mapping[str, np.ndarray]) -> Iterator[Plan]:
    """The study's steps: one more head of every layer each time, by the same scores, while every layer keeps one.

    The study takes six of a network of six heads; the last leaves no attention, and is counted only (`count`). To score
    again after fine-tuning, ask `per_layer` for one head of the fine-tuned network instead.

    Yields
    ------
    Plan
        For the network as it is: step k cuts k heads of every layer, those of step k - 1 among them.
    """
    fewest = min(int(alive.sum()) for alive in living(model).values())
    yield from (per_layer(model, scores, count) for count in range(1, fewest))


def _of_the_living(model, scores):
    """Scores with infinity for the heads that are gone."""
    return {path: marked(scores[path], alive) for path, alive in living(model).items()}
