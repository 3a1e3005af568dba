"""From what a person asked for to a plan: scores of a network's units, and those that go."""

import time
from math import prod

import numpy as np

from ...refimpl.checkpoint import read_checkpoint
from ...refimpl.errors import BadInput
from ...refimpl.prune import Plan, channels, heads
from ...refimpl.prune.living import living
from ...refimpl.prune.plan import UNITS, all_gone, check
from ...refimpl.prune.remove import masks, swinir_blocks
from ...refimpl.prune.scores import check_scores, l1, sensitivity, taylor, unit_shape
from ..images import high_resolution, middle, pieces
from .wanted import ON_PICTURES

SIDE = 64  # small pixels of a piece: the gradients of a classical network in 3 GB, a thousand runs in minutes


def plan_of(model, wanted, progress=lambda name, done, total: None, tell=lambda line: None):
    """What goes of a network, unstructured weights apart, and the scores by which it was chosen.

    Parameters
    ----------
    model : Model
    wanted : Wanted
    progress : callable
        Called with what is scored, units or pictures done, and in all.
    tell : callable
        Called with a line that says how long it takes, where that may be hours.

    Returns
    -------
    Plan
        Without cuts when only unstructured pruning was asked for.
    dict of str to dict of str to ndarray
        Scores of all units, by kind and block; empty where nothing was scored.

    Raises
    ------
    BadInput
        When a layer would keep nothing, a unit is gone already, or a rate takes nothing.

    Examples
    --------
    >>> from karat.app.prune.wanted import Wanted
    >>> from karat.refimpl.load import load
    >>> plan, scores = plan_of(load("zoo:swinir-small-x2"), Wanted(heads=1, hidden=0.5))
    >>> plan.cuts["layers.1.residual_group.blocks.3"].heads
    (0,)
    >>> scores["heads"]["layers.1.residual_group.blocks.3"].round()
    array([316., 323.])
    """
    swinir_blocks(model)  # refuses what has none
    if wanted.from_plan:
        return _read(model, wanted.from_plan, wanted.masked), {}
    plan = heads.named(model, wanted.named_heads())
    asked = wanted.scored.items()
    scores = _scores(model, wanted, progress, tell) if asked else {}
    for kind, amount in asked:
        plan = plan.joined(_by_scores(model, kind, amount, scores[kind], wanted.globally))
    check(plan, model.config.paths)
    return plan, scores


def scored_on(wanted):
    """What the scores were taken on, for people."""
    if wanted.by not in ON_PICTURES or not wanted.scored:
        return ""
    where = f"the pictures in {wanted.images}" if wanted.images else "the astronaut photograph"
    part = "pieces" if wanted.by == "taylor" else "the middle"
    return f", scored on {part} of {where}, {SIDE} x {SIDE} pixels"


def _by_scores(model, kind, amount, scores, globally):
    if kind == "heads":
        return (heads.globally if globally else heads.per_layer)(model, scores, amount)
    if kind == "hidden" and globally:
        plan = channels.globally(model, scores, amount)
    else:
        plan = channels.per_layer(model, kind, scores, amount)
    if not _takes(plan):
        raise BadInput(f"--{kind} {amount} takes no channel of any layer, expected one that does; give a higher rate")
    return plan


def _takes(plan):
    """Whether any unit goes."""
    return any(any((cut.heads, cut.hidden, *cut.queries, *cut.values)) for cut in plan.cuts.values())


def _scores(model, wanted, progress, tell):
    kinds = wanted.scored
    if wanted.by == "l1":
        return {kind: l1(model, kind) for kind in kinds}
    if wanted.scores:
        stored = read_checkpoint(wanted.scores)
        return {kind: _stored(stored, model, kind, wanted.scores) for kind in kinds}
    pictures, scale = high_resolution(wanted.images).values(), int(model.scale)
    if model.config.channels != 3:
        raise BadInput(f"the network takes {model.config.channels} channel, expected 3 to score on pictures; use l1")
    if wanted.by == "taylor":
        from ...convert.training.gradients import gradients  # torch

        found = gradients(model, pieces(pictures, scale, SIDE), lambda done, total: progress("taylor", done, total))
        return {kind: taylor(model, kind, found) for kind in kinds}
    pairs = pieces([middle(picture, scale * SIDE) for picture in pictures], scale, SIDE)
    tell(_cost(model, kinds, pairs))
    return {
        kind: sensitivity(model, kind, pairs, lambda done, total, kind=kind: progress(kind, done, total))
        for kind in kinds
    }


def _cost(model, kinds, pairs):
    """How often the golden network runs, and about how long: one run is timed."""
    blocks = model.config.paths.values()
    runs = len(pairs) * sum(1 + sum(prod(unit_shape(block, kind)) for block in blocks) for kind in kinds)
    begin = time.perf_counter()
    model(pairs[0][0])
    return f"sensitivity: {runs:,} runs of the golden network, about {_duration(runs * (time.perf_counter() - begin))}"


def _duration(seconds):
    """A length of time as people say it.

    Examples
    --------
    >>> [_duration(seconds) for seconds in (0.2, 80, 900, 7300)]
    ['1 second', '80 seconds', '15 minutes', '2.0 hours']
    """
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} hours"
    if seconds >= 90:
        return f"{seconds / 60:.0f} minutes"
    return f"{max(seconds, 1):.0f} second{'s' if seconds >= 1.5 else ''}"


def _stored(stored, model, kind, path):
    """Scores from a file, ``BLOCK:KIND`` by name, as `karat.convert.training` leaves learnt importances."""
    found = {block: stored[f"{block}:{kind}"] for block in model.config.paths if f"{block}:{kind}" in stored}
    if not found:
        raise BadInput(
            f"{path.name} holds no scores of {UNITS[kind]}s, expected one array for each block, such as "
            f"{next(iter(model.config.paths))}:{kind}; learn them with --importances {kind}"
        )
    check_scores(model, kind, found)
    return found


def _read(model, path, mask):
    """A plan from a file; what it names must be there, and may be zero already where it is taken out."""
    plan = Plan.from_json(_text(path), path.name)
    if not _takes(plan):
        raise BadInput(f"{path} names nothing that goes, expected a cut by block path; write it with --plan")
    check(plan, model.config.paths)
    changes = any(np.any(model.parameters[name][~stay]) for name, stay in masks(model, plan).items())
    if mask and not changes:
        raise BadInput(
            f"all that {path.name} names is zero (masked already), expected something to mask; leave --masked out to "
            "take it out"
        )
    for block, alive in living(model).items():
        gone = np.isin(np.arange(len(alive)), plan.cuts[block].heads if block in plan.cuts else ())
        if (alive & gone).any() and not (alive & ~gone).any():
            raise all_gone(int(alive.sum()), "head", f" left in {block}")
    return plan


def _text(path):
    try:
        return path.read_text("utf-8")
    except OSError as error:
        reason = error.strerror
    except UnicodeDecodeError:
        reason = "it is no text"
    raise BadInput(f"{path} cannot be read ({reason}), expected what karat prune --plan wrote; check the path")
