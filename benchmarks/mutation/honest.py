"""Honest packages: networks, options, targets, pictures and sidecars drawn by the same sampler. None may be blamed."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from karat.convert.export.coreml import export
from karat.convert.fidelity import verify
from karat.convert.mil import open_package
from karat.convert.mil.pairing import sidecar_path
from karat.refimpl.errors import BadInput

from .subjects import PICTURES, QUICK, SWIN, TARGETS, network, picture

PLAIN = [{}, {"precision": "float32"}, {"storage": "float32"}, {"io": "float16"}]
PLAIN += [{"precision": "float32", "io": "float16"}, {"storage": "float32", "io": "float16"}]
KEPT = {
    "QuickSRNet": [["conv_last"], ["clip", "cnn.0"], ["conv"], ["cnn.2"]],
    "SwinIR": [["layer_norm", "softmax"], ["conv_first"], ["mul"], ["conv", "linear", "matmul"], ["add"], ["gelu"]],
}
NAMES = dict.fromkeys((*QUICK, *SWIN), 4.0) | {"zoo:quicksrnet-small-x2": 6.0, "zoo:swinir-small-x2": 0.6}


@dataclass(frozen=True)
class Honest:
    """The verdict on an honest package.

    Attributes
    ----------
    key : tuple
        What its generator was seeded with.
    description : str
    faithful : bool or None
    verdict : str
    """

    key: tuple
    description: str
    faithful: bool | None
    verdict: str


def honest(seed, number):
    """Draw an honest package and a picture, and judge it."""
    key = (seed, 1000, number)
    rng = np.random.default_rng(key)
    odds = np.array(list(NAMES.values()))
    name = list(NAMES)[rng.choice(len(NAMES), p=odds / odds.sum())]
    exported, model, size = network(name, int(rng.integers(2**16)))
    kind = PICTURES[rng.integers(len(PICTURES))]
    x = picture(kind, model, *size)
    with tempfile.TemporaryDirectory(prefix="honest-") as folder:
        path = Path(folder) / "m.mlpackage"
        options = _export(exported, path, x.shape, rng, "QuickSRNet" if "quick" in name.lower() else "SwinIR")
        sidecar = bool(rng.integers(2))
        if not sidecar:
            sidecar_path(path).unlink()
        description = f"{name}, {options}, {kind}, {'sidecar' if sidecar else 'no sidecar'}"
        try:
            verdict = verify(model, open_package(path), x)
        except BadInput as error:
            return Honest(key, description, None, f"refused: {error}")
    return Honest(key, description, verdict.faithful, verdict.summary()[-1])


def _export(exported, path, shape, rng, kind):
    """Export with drawn options; an operator that is to be kept in float32 must be there."""
    while True:
        mixed = [{"keep_float32": kept} for kept in KEPT[kind]]
        options = (PLAIN, mixed)[rng.integers(2)]
        options = options[rng.integers(len(options))] | {"target": TARGETS[rng.integers(len(TARGETS))]}
        try:
            export(exported, path, shape, **options)
        except BadInput:
            continue
        return ", ".join(f"{name} {value}" for name, value in options.items())
