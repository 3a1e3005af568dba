"""Channels that go: of queries and keys, of values, of the multilayer perceptron's hidden layer; by any score.

Learnt importances a scale a unit, X* = X diag(a), while training adds gamma |a|_1 to the loss; afterwards they are
multiplied into the weights, and the lowest go.

M. Zhu et al., "Vision Transformer Pruning", 2021, section 3. arXiv:2104.08500
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..errors import BadInput
from ..models import Model
from .choose import check_rate, lowest, lowest_of_all, most_of_all, share
from .living import living, marked
from .plan import UNITS, Cut, Plan
from .remove import swinir_blocks
from .scores import check_scores


def per_layer(model: Model, kind: str, scores: Mapping[str, np.ndarray], rate: float) -> Plan:
    """The lowest share of channels of every layer; of queries and values the same share of every head.

    Parameters
    ----------
    model : Model
        Whole, or pruned before: masked channels are passed over.
    kind : {"queries", "values", "hidden"}
    scores : mapping of str to ndarray
        By block: (heads, width) or (hidden,), as in `scores`.
    rate : float
        Of the n channels that are left round(rate n) go.

    Returns
    -------
    Plan

    Raises
    ------
    BadInput
        When a layer, or a head, would keep none.

    Examples
    --------
    >>> from karat.refimpl.load import load
    >>> from karat.refimpl.prune import removed
    >>> from karat.refimpl.prune.scores import l1
    >>> model = load("zoo:swinir-small-x2")
    >>> removed(model, per_layer(model, "hidden", l1(model, "hidden"), 0.5)).config.hidden
    32
    """
    _check(model, kind, scores, rate)
    alive = living(model, kind)
    gone = {path: _lowest(kind, scores[path], alive[path], rate, path) for path in alive}
    return Plan({path: replace(Cut(), **{kind: channels}) for path, channels in gone.items()})


def globally(model: Model, scores: Mapping[str, np.ndarray], rate: float) -> Plan:
    """The lowest share of hidden channels of the whole network, so that layers end up with widths of their own.

    (Heads of one layer share one width: their channels are chosen in every head.)

    Parameters
    ----------
    model : Model
    scores : mapping of str to ndarray
        By block, (hidden,): compared as they are.
    rate : float
        Of all n hidden channels that are left round(rate n) go; every layer keeps one.

    Returns
    -------
    Plan
    """
    _check(model, "hidden", scores, rate)
    left = {path: marked(scores[path], alive) for path, alive in living(model, "hidden").items()}
    whole, most = sum(int(np.isfinite(one).sum()) for one in left.values()), most_of_all(left)
    count = round(rate * whole)
    if count > most:
        raise BadInput(
            f"a rate of {rate} takes {count} of {whole} hidden channels and {most} can go, since every layer keeps "
            f"one, expected a rate up to {np.floor(1000 * most / whole) / 1000:g}; give a lower one"
        )
    chosen = lowest_of_all(left, count, "hidden channel") if count else {}
    return Plan({path: Cut(hidden=gone) for path, gone in chosen.items()})


def folded(model: Model, kind: str, importances: Mapping[str, np.ndarray]) -> Model:
    """X diag(a) multiplied into the weights, once: where hidden channels, values and heads are read, where queries are
    computed (weights and bias; the keys stay).

    Parameters
    ----------
    model : Model
    kind : {"heads", "queries", "values", "hidden"}
    importances : mapping of str to ndarray
        a, by block, of the shape of scores.

    Returns
    -------
    Model
        What the network with X diag(a) computes.

    Examples
    --------
    >>> from karat.refimpl.load import load
    >>> model = load("zoo:swinir-small-x2")
    >>> halves = {path: np.full(block.hidden, 0.5) for path, block in model.config.paths.items()}
    >>> name = "layers.0.residual_group.blocks.0.mlp.fc2.weight"
    >>> bool((folded(model, "hidden", halves).parameters[name] == 0.5 * model.parameters[name]).all())
    True
    """
    check_scores(model, kind, importances)
    parameters = dict(model.parameters)
    for path, block in model.config.paths.items():
        a = np.asarray(importances[path])
        if kind == "queries":
            rows = np.concatenate([a.ravel(), np.ones(block.qkv_rows - a.size)])  # keys and values as they are
            scaled = {f"{path}.attn.qkv.weight": rows[:, None], f"{path}.attn.qkv.bias": rows}
        elif kind == "hidden":
            scaled = {f"{path}.mlp.fc2.weight": a}
        else:
            scaled = {f"{path}.attn.proj.weight": np.repeat(a, block.v_width) if kind == "heads" else a.ravel()}
        for name in scaled.keys() & parameters.keys():  # qkv may have no bias
            parameters[name] = (parameters[name] * scaled[name]).astype(parameters[name].dtype)
    return replace(model, parameters=parameters)


def learnt(model: Model, kind: str, importances: Mapping[str, np.ndarray], rate: float) -> tuple[Model, Plan]:
    """The network with its learnt importances multiplied in, and what goes of it: the lowest |a| of every layer.

    Parameters
    ----------
    model : Model
        As it was trained, importances apart.
    kind : {"queries", "values", "hidden"}
    importances : mapping of str to ndarray
        a, by block.
    rate : float

    Returns
    -------
    (Model, Plan)
        For `masked` and `removed`.
    """
    plan = per_layer(model, kind, {path: np.abs(a) for path, a in importances.items()}, rate)
    return folded(model, kind, importances), plan


def _lowest(kind, scores, alive, rate, path):
    """Of the channels themselves, or as many of every head's; those that are zero already stay, but for heads of zeros:
    they lose the first ones, since all heads of a block share one width."""
    values = marked(scores, alive)
    if values.ndim == 1:
        return lowest(values, share(rate, int(alive.sum()), UNITS[kind], path))
    fewest = min((int(head.sum()) for head in alive if head.any()), default=0)
    count = share(rate, fewest, UNITS[kind], f"every head of {path}")
    return tuple(lowest(head, count) for head in values)


def _check(model, kind, scores, rate):
    check_rate(rate)
    if kind == "heads":
        raise BadInput("heads are no channels, expected queries, values or hidden; use karat.refimpl.prune.heads")
    swinir_blocks(model)
    check_scores(model, kind, scores)
