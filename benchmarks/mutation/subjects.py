"""The networks that defects are put into: all embedded ones and all of the tests', exported with drawn options."""

import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import networks
import numpy as np
import swinir_networks
from skimage.data import astronaut

from karat.convert.export.coreml import export
from karat.convert.fidelity import verify
from karat.convert.fidelity.structure import stress
from karat.convert.mil import open_package
from karat.convert.mil.program import Program
from karat.convert.torch_models import twin
from karat.refimpl.errors import BadInput
from karat.refimpl.load import load
from karat.refimpl.models import quicksrnet
from karat.refimpl.models.model import Model

QUICK = [f"QuickSRNet {form}" for form in networks.FORMS]
SWIN = [f"SwinIR {form}" for form in swinir_networks.FORMS]
ZOO = {"zoo:quicksrnet-small-x2": (12, 16), "zoo:swinir-small-x2": (16, 24), "zoo:light-x2-test": (16, 24)}
# How often a network is drawn: by what a comparison costs
WEIGHTS = dict.fromkeys(QUICK, 4) | dict.fromkeys(SWIN, 4) | dict(zip(ZOO, (8, 2, 0.3), strict=True))
OPTIONS = [{}, {"precision": "float32"}, {"storage": "float32"}]
TARGETS = ("iOS16", "iOS17", "iOS18")


@dataclass(frozen=True)
class Subject:
    """An honest package and what is known of it.

    Attributes
    ----------
    name : str
        Of the network, with the options that it was exported with.
    model : Model
    package : Path
    x : ndarray, (N, C, H, W)
    program : Program
    layers : dict of str to str
        Golden layer by variable, in the golden order.
    merged : dict of str to tuple of str
        Layers that the converter merged into a layer: one operation computes them all, and may be called by any name.
    """

    name: str
    model: Model
    package: Path
    x: np.ndarray
    program: Program
    layers: dict[str, str]
    merged: dict[str, tuple]
    _values: dict = field(default_factory=dict)

    def values(self, profile):
        """Values of all layers of the honest package, by variable: on the picture, and in float64 on a second input."""
        if profile not in self._values:
            self._values[profile] = layer_values(self, self.program, profile)
        return self._values[profile]

    def places(self, other, profile="float64", honest=None):
        """Names by which a defect may be called: of the first layer, in the golden order, that comes out different.

        Where the defect leaves layers out (nothing reads them any more), the first and the last of those are as right
        as the first that comes out different for want of them.

        Parameters
        ----------
        other : Program
            The one with the defect; it has the variables of the honest one.
        profile : str
            Arithmetic to compare the two in, bit by bit: they differ by the defect only.
        honest : Program, optional
            What ``other`` would be without its defect; the honest package by default.

        Returns
        -------
        tuple of str
            Empty where nothing differs.
        """
        before = self.values(profile) if honest is None else layer_values(self, honest, profile)
        changed = layer_values(self, other, profile)
        live = alive(other)
        wrong = [name for name in self.layers if not all(map(np.array_equal, before[name], changed[name]))]
        if not live.intersection(wrong):
            return ()
        unread = [name for name in self.layers if name not in live]
        found = [self.layers[name] for name in (*wrong[:1], *unread[:1], *unread[-1:])]
        return tuple(dict.fromkeys(name for layer in found for name in (layer, *self.merged.get(layer, ()))))


def layer_values(subject, program, profile):
    """Values of the variables of all layers."""
    inputs = (subject.x, stress(subject.x.shape)) if profile == "float64" else (subject.x,)
    source, found = program.inputs[0].name, {}
    for x in inputs:
        for record in program.trace({source: x}, profile=profile):
            if record.name in subject.layers:
                found.setdefault(record.name, []).append(record.value)
    return found


def alive(program):
    """Variables that the output depends on."""
    found, todo = set(), [program.outputs[0].name]
    while todo:
        name = todo.pop()
        operation = program.producer(name)
        if name not in found and operation is not None:
            found.add(name)
            todo += [n for v in operation.inputs.values() for n in ((v,) if isinstance(v, str) else v)]
    return found


def picture(kind, model, height, width):
    """A picture of that kind, (1, C, height, width) in [0, 1]."""
    rows, columns = np.indices((height, width))
    channels = model.config.channels
    if kind == "photograph":
        return astronaut()[100 : 100 + height, 200 : 200 + width, :channels].transpose(2, 0, 1)[None] / 255
    if kind == "flat":
        return np.full((1, channels, height, width), 0.37)
    if kind == "checkerboard":
        return np.broadcast_to((rows + columns) % 2, (1, channels, height, width)).astype(np.float64)
    if kind == "ramp":
        ramps = np.stack([rows / height, columns / width, (rows + columns) / (height + width)])
        return ramps[None, :channels]
    if kind == "dust":  # a grey of bytes with a few one level brighter: thousands of results round to one number
        return (191 + (np.random.default_rng(width).random((1, channels, height, width)) < 0.02)) / 255
    return np.random.default_rng(height).random((1, channels, height, width))


PICTURES = ("photograph", "noise", "flat", "checkerboard", "ramp", "dust")


def network(name, seed):
    """(module or Model to export, golden Model, (H, W)) of a network by its name in `WEIGHTS`."""
    kind, _, form = name.partition(" ")
    rng = np.random.default_rng([seed, 77])
    if kind == "QuickSRNet":
        subpixel, unshuffle, average = networks.FORMS[form]
        features, layers = int(rng.integers(4, 9)), int(rng.integers(1, 4))
        config = quicksrnet.Config(features, layers, subpixel, unshuffle, bool(rng.integers(2)), average)
        model = networks.random_model(config, seed)
        return model, model, (6 * config.multiple_of, 8 * config.multiple_of)
    if kind == "SwinIR":
        net, model = swinir_networks.network(form, seed)
        window = model.config.window
        height, width = 2 * window, (2 if "position" in form else 3) * window
        return net, model, (height - 1, width - 3) if form == "lightweight x3" else (height, width)  # to be padded
    model = load(name)
    return model, model, ZOO[name]


@cache
def _folder():
    return tempfile.TemporaryDirectory(prefix="mutation-")


@cache
def subject(name, option, target, seed):
    """An honest Subject, exported once per process; noise is its picture, so that every layer has much to show."""
    exported, model, size = network(name, seed)
    x = picture("noise", model, *size)
    path = Path(_folder().name) / f"{abs(hash((name, option, target, seed)))}.mlpackage"
    export(exported, path, x.shape, target=target, **OPTIONS[option])
    options = ", ".join([*(f"{k} {v}" for k, v in OPTIONS[option].items()), target])
    return _subject(f"{name} ({options})", model, path, x)


def _subject(name, model, path, x):
    """Ask the honest verdict which variable is which layer: it has been held against the golden one to 1e-10."""
    program = open_package(path)
    verdict = verify(model, program, x)
    if verdict.faithful is not True:
        raise RuntimeError(f"{name} is honest and was blamed: {verdict.summary()[-1]}")
    layers, merged, waiting = {}, {}, ()
    for row in verdict.rows:
        if row.variable:
            layers[row.variable], merged[row.layer], waiting = row.layer, waiting, ()
        elif row.note.startswith("merged"):
            waiting = (*waiting, row.layer)
    return Subject(name, model, path, x, program, layers, merged)


def draw(rng, transformer=False):
    """A Subject, drawn: any, or one with attention."""
    names = [name for name in WEIGHTS if not (transformer and "quick" in name.lower())]
    odds = np.array([WEIGHTS[name] for name in names])
    name = names[rng.choice(len(names), p=odds / odds.sum())]
    option = int(rng.integers(len(OPTIONS)))
    # few different packages of a network, since exporting costs more than judging; the options meet all targets
    return subject(name, option, TARGETS[(option + list(WEIGHTS).index(name)) % len(TARGETS)], seed=1)


def loud(rng, limit):
    """A Subject one of whose convolutions gives numbers between ``limit`` and twice that, and its variable."""
    _, model, size = network(QUICK[rng.integers(len(QUICK))], int(rng.integers(100)))
    x = picture("noise", model, *size)
    layer = f"cnn.{2 * rng.integers(1, model.config.layers + 1)}"
    largest = max(float(np.abs(value).max()) for name, value in model.trace(x) if name == layer)
    factor = np.float32(rng.uniform(1.2, 1.8) * limit / largest)
    changed = {f"{layer}.{role}": model.parameters[f"{layer}.{role}"] * factor for role in ("weight", "bias")}
    model = Model(model.architecture, model.config, {**model.parameters, **changed})
    path = Path(tempfile.mkdtemp(dir=_folder().name)) / "loud.mlpackage"
    export(twin(model), path, x.shape)
    found = _subject(f"QuickSRNet, {layer} loud", model, path, x)
    return found, next(name for name, of in found.layers.items() if of == layer)


__all__ = ["BadInput", "Subject", "draw", "loud", "network", "picture", "subject"]
