"""A step of data movement that a package leaves out, does twice, or does backwards: said only where labels prove it.

Between two layers that compute, the golden model may have several steps that only move numbers, and a package merges
them as it likes. Where it goes wrong there, no variable says which step it was. Labels do: they are pushed through all
of the package's operations in between, and through the golden steps with one of them left out, doubled or inverted.
"""

from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from ..mil.extract import extract
from .movement import MOVING


@dataclass(frozen=True)
class Misstep:
    """One wrong step between two layers, all others there being right.

    Attributes
    ----------
    layer : str
        The step.
    note : str
        What the package makes of it, and between what.
    right : tuple of str
        The other steps there.
    """

    layer: str
    note: str
    right: tuple[str, ...]


def find_missteps(model, program, pairs, graph, size):
    """The steps that explain, as the only change, where the package puts every number between two layers.

    Parameters
    ----------
    model : Model
    program : Program
    pairs : dict of str to Pair
    graph : Graph
    size : tuple of int
        (H, W) of the picture.

    Returns
    -------
    list of Misstep
    """
    moves, idle, found = model.movements(size), model.idle(size), []
    for source, steps, target in _chains([layer for layer in pairs if layer not in idle], moves):
        functions = [moves[step][1] for step in steps]
        read, _, behind = model.operands.get(target, ("", "", None))
        functions += [behind] if read == steps[-1] else []
        labels = _labels(program, graph, pairs, source, steps, target)
        if labels is not None:
            found += _explained(*labels, source, steps, target, functions)
    return found


def _chains(layers, moves):
    """(layer before, moving layers, layer behind) of every row of moving layers between two that compute."""
    for i, source in enumerate(layers[:-1]):
        steps = list(takewhile(moves.__contains__, layers[i + 1 :]))
        after = i + 1 + len(steps)
        in_a_row = all(moves[step][0] == before for step, before in zip(steps, [source, *steps], strict=False))
        if source not in moves and steps and in_a_row and after < len(layers):
            yield source, steps, layers[after]


def _labels(program, graph, pairs, source, steps, target):
    """(labels at the source, the same where the target begins to compute); None where something computes before."""
    begin, end = pairs[source].output, pairs[target].output
    if begin is None or end is None or None in graph.shape[begin]:
        return None
    labels = np.arange(1.0, np.prod(graph.shape[begin]) + 1).reshape(graph.shape[begin])
    boundary = {pair.output for layer, pair in pairs.items() if pair.output and layer not in steps}
    for op in graph.group(end, boundary):
        read = next((n for n in op.reads if n == begin or begin in graph.upstream.get(n, ())), None)
        if read is None or op.type in MOVING or op.name not in graph.varying:
            continue
        if read == begin:
            return labels, labels
        if any(o.type not in MOVING and o.name in graph.varying for o in graph.group(read, {begin})):
            return None
        part = extract(program, [read], [begin])
        return labels, part.predict({begin: labels}, profile="float64")[read]
    return None


def _explained(labels, found, source, steps, target, functions):
    """The only step of which a change explains the labels; nothing where they are right, or several may be wrong."""

    def explains(*changed):
        return _explains(labels, found, changed)

    reasons = {}
    for i, step in enumerate(steps):
        before, own, after = functions[:i], functions[i], functions[i + 1 :]
        kinds = {
            "is left out": explains(*before, *after),
            "is done twice": explains(*before, own, own, *after),
            "is done backwards": explains(*before, _backwards(own), *after),
        }
        reasons |= {step: " or ".join(kind for kind, holds in kinds.items() if holds)} if any(kinds.values()) else {}
    if explains(*functions) or len(reasons) != 1:
        return []
    ((layer, reason),) = reasons.items()
    note = f"this step {reason} between {source} and {target}, where nothing else moves numbers to a wrong place"
    return [Misstep(layer, note, tuple(step for step in steps if step != layer))]


def _explains(labels, found, functions):
    """Whether the functions put the labels where they were found."""
    try:
        for function in functions:
            labels = function(labels)
    except ValueError:  # a step that does not take what the one before it gives
        return False
    return np.array_equal(labels, found)


def _backwards(function):
    """The inverse of a function that gives every number another place of the same tensor."""

    def inverse(x):
        order = function(np.arange(x.size).reshape(x.shape)).ravel()
        if not np.array_equal(np.sort(order), np.arange(x.size)):
            raise ValueError("no inverse")
        return x.ravel()[np.argsort(order)].reshape(x.shape)

    return inverse
