"""Verdicts to draw, made without a network: any figure, any name."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from karat.convert.fidelity.arithmetic import OperatorFigures
from karat.convert.fidelity.entry import Entry
from karat.convert.fidelity.judge import Row
from karat.convert.fidelity.ledger import Ledger
from karat.convert.fidelity.measure import Measured
from karat.convert.fidelity.picture_error import picture_error
from karat.convert.fidelity.verdict import Verdict
from karat.refimpl.load import load

PLAN = {
    "network": load("zoo:quicksrnet-small-x2").fingerprint,
    "target": 85.0,
    "achieved": 85.6,
    "kept": [{"name": "conv_1", "type": "conv", "layer": "cnn.2"}],
    "operators": 30,
    "curve": [
        {"operators": n, "predicted": 70.0 + n, "measured": 70.5 + n if n % 2 else None, "kind": "curve"}
        for n in range(12)
    ]
    + [{"operators": 9, "predicted": 10.0, "measured": 10.0, "kind": "classes"}],
    "union": {"types": ["conv"], "operators": 9, "measured": 86.0},
}


class Seen:
    """An object with some attributes replaced."""

    def __init__(self, base, **more):
        self.__dict__.update(more, base=base)

    def __getattr__(self, name):
        return getattr(self.base, name)


def operator(i, name=None, layer="cnn.0", **more):
    """Figures of one operator."""
    magnitudes = tuple(int(1000 * np.exp(-((k - 20 - i) ** 2) / 20)) for k in range(43))
    figures = {
        "name": name or f"conv_{i}",
        "op_type": "conv",
        "layer": layer,
        "dtype": "float16",
        "local_rms": 1e-4 * (1 + i % 7),
        "local_max": 1e-3,
        "share": 0.1 + 0.01 * (i % 50),
        "inherited_rms": 2e-4 + 1e-6 * i,
        "error_rms": 2.5e-4,
        "size_rms": 0.5,
        "reads": ("x",),
        "overflows": False,
        "amplification": 1.25,
        "gain": 1e-5,
        "gain_limit": 1e-4,
        "largest": 2.0 + i,
        "subnormals": 0.001,
        "magnitudes": magnitudes,
    }
    return OperatorFigures(**figures | more)


def measured(i):
    return Measured(1e-15 * i, 1e-3, 1e-3, 40.0 + i % 40, 2.0 + i, 1e-4, 1e-3)


def seen(defect=False, name=None, odd=None, layers=6, per_layer=1):
    """A verdict: faithful, with a defect in the third layer, or (None) with an unknown one.

    ``name`` replaces every name; ``odd`` the first operator's figures.
    """
    rows, operators = [], []
    for i in range(layers):
        layer = f"cnn.{i}" if layers < 20 else f"layers.{i // 60}.residual_group.blocks.{i // 18 % 6}.attn.step{i}"
        layer = name or layer
        own = [operator(len(operators) + k, name, layer) for k in range(per_layer)]
        if odd and not rows:
            own[0] = replace(odd, name=own[0].name)
        operators += own
        kind = {True: ("defect", "constant"), None: ("unknown", "")}.get(defect, ("ok", "")) if i == 2 else ("ok", "")
        note = (name or "cnn_2_bias[5] is 0.003, expected 0.013") if kind[0] != "ok" else ""
        variable = name or f"conv_{i}"
        rows.append(Row(layer, "conv", *kind, note, variable, "float16", "sidecar", 1e-15, measured(i), tuple(own)))
    rng = np.random.default_rng(0)
    golden = rng.random((1, 3, 32, 48))
    output = golden + rng.normal(size=golden.shape) * 1e-4
    ledger = Ledger([Entry(name or "cnn.2", name or "cnn.2.bias", "c", "float16", 1, name or "one is wrong")])
    shares = {"total": 72.4, "weights": 74.0, "input": 80.0, "arithmetic": 78.5}
    error = picture_error(golden, output, 2, 8)
    notes = (name or "a note",)
    base = Verdict(rows, shares, ledger, "fp32-accumulate", golden, output, notes, error, tuple(operators))
    verdict = Seen(base, budget=BUDGET, certificate=certificate(name))
    verdict.to_html = lambda *words, **named: Verdict.to_html(verdict, *words, **named)
    return verdict


def budget(causes, total):
    """A budget of mean squared errors."""
    return SimpleNamespace(causes=causes, total=total, gap=-0.2)


BUDGET = budget({"input": 1e-8, "weights": 3e-8, "arithmetic of conv": 1.5e-8}, 5.75e-8)


def certificate(name):
    """Two limits and a remark."""
    limits = {"65504": {"status": "certified"}, "32768": {"status": "may"}}
    lines = ["cannot exceed 65504", f"may exceed 32768 at {name or 'cnn.2'}", "searched 200 images"]
    return SimpleNamespace(lines=lambda: lines, to_dict=lambda: {"limits": limits})
