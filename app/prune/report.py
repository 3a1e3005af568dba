"""What went of every layer, and what was gained: on the terminal and as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from rich.table import Table
from rich.text import Text

from ...refimpl.models import Model
from ...refimpl.prune import Cut, Plan
from ...refimpl.prune.count import Counts, Pruned, after_heads, counts, unstructured
from ...refimpl.prune.living import living
from ...refimpl.prune.weights import linear_weights
from ..lines import say

KINDS = ("queries", "values", "hidden")


@dataclass(frozen=True)
class Layer:
    """What one block lost.

    Attributes
    ----------
    heads, queries, values, hidden : (int, int)
        Units that computed something before, and that still do; queries and values of the head that has most.
    gone : tuple of int
        Heads that went, by number in the network before; those that were zero already too.
    zeros, weights : int
        Of the weights of its linear layers afterwards: those that are zero, and all.
    """

    heads: tuple[int, int]
    gone: tuple[int, ...]
    queries: tuple[int, int]
    values: tuple[int, int]
    hidden: tuple[int, int]
    zeros: int
    weights: int


@dataclass(frozen=True)
class Report:
    """Before and after.

    Attributes
    ----------
    layers : mapping of str to Layer
        By block.
    plan : Plan
    before, after : Counts
    studied : Pruned or None
        As the study counts, where only heads went or only single weights, of a network that was not pruned before.
    size : (int, int)
        (H, W) of the picture that FLOPs are counted for.
    """

    layers: Mapping[str, Layer]
    plan: Plan
    before: Counts
    after: Counts
    studied: Pruned | None
    size: tuple[int, int]

    @classmethod
    def of(cls, model: Model, network: Model, plan: Plan, wanted, size) -> "Report":
        """Compare a network with the pruned one."""
        units = {kind: (_left(model, kind), _left(network, kind)) for kind in ("heads", *KINDS)}
        layers = {path: _layer(network, path, plan.cuts.get(path, Cut()), units) for path in model.config.paths}
        studied = _studied(model, plan, wanted.unstructured)
        return cls(layers, plan, counts(model, size), counts(network, size), studied, size)

    def document(self):
        """For ``--json``."""
        return {
            "plan": {path: asdict(cut) for path, cut in self.plan.cuts.items()},
            "layers": {path: asdict(layer) for path, layer in self.layers.items()},
            "size": self.size,
            "before": asdict(self.before),
            "after": asdict(self.after),
            "parameters_as_studied": self.studied.as_studied if self.studied else None,
            "sparsity_as_studied": self.studied.sparsity_as_studied if self.studied else None,
            "parameters_as_is": self.left,
            "sparsity_as_is": self.share_gone,
        }

    @property
    def left(self):
        """Parameters afterwards that are not zero."""
        return self.after.parameters - self.after.zeros

    @property
    def share_gone(self):
        """In percent of the parameters that were not zero before."""
        return 100 * (1 - self.left / (self.before.parameters - self.before.zeros))


def _left(model, kind):
    """How many units of every block compute something, by block."""
    return {path: int(alive.sum(-1).max()) for path, alive in living(model, kind).items()}


def _layer(network, path, cut, units):
    linear = [network.parameters[name] for name in linear_weights(network) if name.startswith(f"{path}.")]
    return Layer(
        gone=cut.heads,
        **{kind: (before[path], after[path]) for kind, (before, after) in units.items()},
        zeros=sum(value.size - int(np.count_nonzero(value)) for value in linear),
        weights=sum(value.size for value in linear),
    )


def _studied(model, plan, rate):
    """The study counts heads, or single weights; no channels, and not both."""
    channels = any(_lost(cut, kind) for cut in plan.cuts.values() for kind in KINDS)
    pruned = any(not np.all(model.parameters[name]) for name in linear_weights(model))
    if pruned or channels or (plan.cuts and rate is not None):
        return None
    return after_heads(model, plan) if rate is None else unstructured(model, rate)


def print_report(console, title, report):
    """A table with a row per block, and the sums below it."""
    say(console, title)
    say(console, "")
    console.print(_table(report))
    say(console, "")
    for line in _sums(report):
        say(console, line)


def _table(report):
    layers = report.layers.values()
    heads = any(layer.gone for layer in layers)
    kinds = [kind for kind in KINDS if any(_lost(cut, kind) for cut in report.plan.cuts.values())]
    zeros = any(layer.zeros for layer in layers)
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    titles = ["block", *(["heads", "gone"] if heads else []), *kinds, *(["zeros"] if zeros else [])]
    for title in titles:
        left = title in ("block", "gone")
        table.add_column(title, justify="left" if left else "right", overflow="fold", no_wrap=title == "block")
    for path, layer in report.layers.items():
        cells = [path]
        if heads:
            cells += [_of(layer.heads), ",".join(map(str, layer.gone)) or "-"]
        cells += [_of(getattr(layer, kind)) for kind in kinds]
        cells += [f"{100 * layer.zeros / layer.weights:.1f} %"] if zeros else []
        table.add_row(*map(Text, cells))
    return table


def _lost(cut, kind):
    """Whether a cut has channels of a kind."""
    units = getattr(cut, kind)
    return any(map(len, units)) if kind != "hidden" else bool(units)


def _of(pair):
    return f"{pair[1]} of {pair[0]}"


def _sums(report):
    before, after, studied = report.before, report.after, report.studied
    not_zero = ", zeros not counted" if before.zeros or after.zeros else ""
    whole, share = before.parameters - before.zeros, report.share_gone
    yield f"parameters: {whole:,} before, {report.left:,} as it is ({share:.2f} % gone){not_zero}"
    if studied:
        gone = f"({studied.sparsity_as_studied:.2f} % gone)"
        yield f"            {studied.as_studied:,} as the study counts {gone}: {_WHY[bool(report.plan.cuts)]}"
    flops = 100 * (1 - after.flops / before.flops)
    billions = f"{before.flops / 1e9:,.1f} G before, {after.flops / 1e9:,.1f} G after"
    yield f"FLOPs:      {billions} ({flops:.2f} % less), {report.size[0]} x {report.size[1]} pixels"


_WHY = {
    True: "it takes off the rows of qkv.weight only",
    False: "it takes the rate off all parameters",
}
