"""How pictures go into a package and come out of it: as tensors in [0, 1], or as images, in bytes of 0 .. 255."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...refimpl.errors import BadInput
from ...refimpl.numerics.formats import FLOAT16

WHITE = 255.0  # of an image's bytes
FROM_BYTES, TO_BYTES = ":from_bytes", ":to_bytes"
CLIP, CLIP_BYTES, ROUND = ":clip", ":clip_bytes", ":round"
OPERATORS = {CLIP: "relu1", TO_BYTES: "affine", CLIP_BYTES: "relu255", ROUND: "round"}  # of the layers behind
COLORS = ("RGB", "BGR", "GRAYSCALE")  # GRAYSCALE_FLOAT16 is no image of bytes: a tensor in [0, 1], as others
BLUE_FIRST = ("", "; they have blue first, the network takes red first")
SCALES = {"mul", "real_div"}
TAIL = {"cast", "clip", "round", "floor", *SCALES}  # operators that a picture goes through at the end of a package


@dataclass(frozen=True)
class Interface:
    """What a package does to pictures before and behind the network.

    Attributes
    ----------
    into, out : str or None
        Color space of an image; None for a tensor in [0, 1], red first.
    tail : tuple of str
        Layers behind the network, in order: ":to_bytes" of an image, and where the package has them ":clip" before,
        ":clip_bytes" and ":round" behind it.
    """

    into: str | None
    out: str | None
    tail: tuple[str, ...] = ()

    def enter(self, x):
        """A picture as the program takes it.

        Parameters
        ----------
        x : ndarray, (N, C, H, W)
            Red first, 1 is white.

        Returns
        -------
        ndarray, (N, C, H, W)
            For an image whole numbers up to 255, which is white, and blue comes first in "BGR".
        """
        return np.rint(_ordered(x, self.into) * WHITE).clip(0, WHITE) if self.into else x

    def leave(self, y):
        """What `enter` does, undone for the program's result."""
        return _ordered(y, self.out) / WHITE if self.out else y

    @property
    def notes(self):
        """What a reader of the verdict should know."""
        rounded = f"the package takes images: the picture was rounded to bytes{BLUE_FIRST[self.into == 'BGR']}"
        unrounded = "the package gives images: what Core ML does then, rounding to bytes, is not part of this"
        return ((rounded,) if self.into else ()) + ((unrounded,) if self.out else ())

    def around(self, model):
        """The golden network between the image that goes in and the one that comes out.

        Parameters
        ----------
        model : Model

        Returns
        -------
        Model
            With the layers ":from_bytes" in front, and ":clip", ":to_bytes" or ":clip_bytes" at the end; the model
            itself where the package takes and gives tensors in [0, 1].
        """
        if self == Interface(None, None):
            return model
        return replace(model, architecture=Surrounded(model.architecture, self))


@dataclass(frozen=True)
class Surrounded:
    """An architecture with an interface around it: `Model` asks it what it asks every architecture.

    Attributes
    ----------
    inner : module
        One of ``karat.refimpl.models``.
    interface : Interface
    """

    inner: Any
    interface: Interface

    @property
    def NAME(self):  # noqa: N802 - the architectures are modules with a constant of this name
        """The network's own name."""
        return self.inner.NAME

    @property
    def before(self) -> dict[str, str]:
        """Operators in front of the network, by layer."""
        return {FROM_BYTES: "affine"} if self.interface.into else {}

    @property
    def behind(self) -> dict[str, str]:
        """Operators behind it, in order."""
        return {layer: OPERATORS[layer] for layer in self.interface.tail}

    def layers(self, config) -> dict[str, str]:
        """Operator of every layer, in execution order."""
        return {**self.before, **self.inner.layers(config), **self.behind}

    def idle(self, config, size) -> set[str]:
        """Layers that do nothing at this size."""
        return self.inner.idle(config, size)

    def movements(self, config, parameters, size) -> dict[str, tuple]:
        """Layers that only move numbers; the network's picture is no longer the program's input."""
        found = self.inner.movements(config, parameters, size)
        return {layer: (self._source(source), function) for layer, (source, function) in found.items()}

    def operands(self, config) -> dict[str, tuple]:
        """What layers read of others, moved."""
        found = self.inner.operands(config)
        return {layer: (self._source(source), *rest) for layer, (source, *rest) in found.items()}

    def _source(self, layer):
        return layer or next(iter(self.before), "")

    def expressions(self, config, parameters, size) -> dict[str, np.ndarray]:
        """The factors of the interface, to which nothing is added, beside the network's own constants."""
        added = {f"{FROM_BYTES}.factor": np.array(1 / WHITE), f"{TO_BYTES}.factor": np.array(WHITE)}
        added |= dict.fromkeys((f"{FROM_BYTES}.value", f"{TO_BYTES}.value"), np.zeros((config.channels, 1, 1)))
        return self.inner.expressions(config, parameters, size) | added

    def steps(self, config, parameters: Mapping[str, np.ndarray], x) -> Iterator[tuple[str, np.ndarray]]:
        """The forward pass, layer by layer.

        Parameters
        ----------
        config : Config
        parameters : mapping of str to ndarray
        x : ndarray, (N, C, H, W)
            As the program takes it.

        Yields
        ------
        (str, ndarray)
            Layer name and tensor.
        """
        if self.before:
            x = _affine(_ordered(x, self.interface.into), FROM_BYTES, 1 / WHITE, parameters)
            yield FROM_BYTES, x
        y = x
        for layer, y in self.inner.steps(config, parameters, x):
            yield layer, y
        for layer in self.behind:
            if layer == TO_BYTES:
                y = _affine(_ordered(y, self.interface.out), TO_BYTES, WHITE, parameters)
            elif layer == ROUND:
                y = np.rint(y)
            else:
                y = np.clip(y, 0, 1 if layer == CLIP else WHITE)
            yield layer, y


def interface(program, graph):
    """How a package takes and gives pictures.

    Parameters
    ----------
    program : Program
        One input, one output.
    graph : Graph

    Returns
    -------
    Interface

    Raises
    ------
    BadInput
        For a color space that is unknown.
    """
    into, out = (_color(feature) for feature in (program.inputs[0], program.outputs[0]))
    return Interface(into, out, _tail(program, graph) if out else ())


def _color(feature):
    """The color space of an image of bytes, None for a tensor."""
    if feature.image in (None, "GRAYSCALE_FLOAT16"):
        return None
    if feature.image not in COLORS:
        raise BadInput(
            f"{feature.name} of the package is an image of {feature.image} colors, expected {', '.join(COLORS)}; "
            "export it so"
        )
    return feature.image


def _tail(program, graph):
    """What the package does to its result at the end, as layers: how it becomes bytes, is clipped and rounded."""
    name, kinds = program.outputs[0].name, []
    while name in graph.operation and graph.operation[name].type in TAIL:
        op = graph.operation[name]
        kinds.append(_kind(op, program))
        read = [read for read in op.reads if read in graph.varying]
        name = read[0] if len(read) == 1 else ""
        if op.type == "floor" and _adds_half(graph.operation.get(name), program):
            kinds[-1], name = "round", graph.operation[name].inputs["x"]
    last = next((i for i, kind in enumerate(kinds) if kind in SCALES), None)
    if last is None:
        return (TO_BYTES,)
    behind = {"clip": CLIP_BYTES, "round": ROUND}
    found = [behind[kind] for kind in reversed(kinds[:last]) if kind in behind]
    return (*((CLIP,) if "clip" in kinds[last:] else ()), TO_BYTES, *dict.fromkeys(found))


def _kind(op, program):
    """The operator; nothing for a clip on one side, which is left to the judge: Core ML itself clips an image."""
    if op.type != "clip":
        return op.type
    bounds = [program.constant_of(op, side) for side in ("alpha", "beta")]
    two_sided = all(bound is not None and abs(bound.value.item()) < FLOAT16.largest for bound in bounds)
    return op.type if two_sided else ""


def _adds_half(op, program):
    """Whether this is half of rounding, the other half being floor."""
    constant = program.constant_of(op, "y") if op is not None and op.type == "add" else None
    return constant is not None and bool(np.all(constant.value == 0.5))


def _affine(x, layer, factor, parameters):
    """Scaled; with what a package carries instead of the factor, and adds."""
    y = x * parameters.get(f"{layer}.factor", x.dtype.type(factor))
    return y + parameters[f"{layer}.value"] if f"{layer}.value" in parameters else y


def _ordered(x, space):
    """Blue first for red first, and the other way round, where the color space says so."""
    return x[:, ::-1] if space == "BGR" else x
