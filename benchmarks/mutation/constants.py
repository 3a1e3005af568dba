"""Six families of defects in constants that are no parameters."""

import numpy as np

from .surgery import Unsuitable
from .weights import ULPS, change, off_by_ulps


def number(cut, rng, operation, parameter, ways, ulps):
    """A constant off by a few units in the last place, or changed in one of some ways."""
    if not cut.has_constant(operation, parameter):
        raise Unsuitable
    way = rng.choice(["off", *ways]) if ulps is None else "off"
    if way == "off":
        return off_by_ulps(cut, operation, parameter, rng, int(rng.choice(ULPS)) if ulps is None else ulps)
    change(cut, operation, parameter, ways[way])
    return f"{operation.outputs[0].name}.{parameter}", way


def epsilon(cut, rng, ulps=None):
    """The epsilon of a norm."""
    ways = {"1e-6": lambda v: v * 0 + 1e-6, "1e-3": lambda v: v * 0 + 1e-3, "0": lambda v: v * 0}
    return number(cut, rng, cut.pick(rng, "layer_norm"), "epsilon", ways, ulps)


def query_scale(cut, rng, ulps=None):
    """The scale of the queries: applied twice, not applied, or a little off."""
    ways = {"applied twice": lambda v: v * v, "1": lambda v: v * 0 + 1}
    return number(cut, rng, cut.of_layer(rng, ":query", "mul"), "y", ways, ulps)


def position_bias(cut, rng, ulps=None):
    """The relative position bias: gathered with a transposed index, of another head, or one element off."""
    ways = {"index transposed": lambda v: v.swapaxes(-1, -2), "heads reversed": lambda v: v[:, ::-1]}
    return number(cut, rng, cut.of_layer(rng, ".attn:bias", "add"), "y", ways, ulps)


def mask(cut, rng):
    """The mask of shifted windows: weak, missing, or missing in one window."""
    op = cut.of_layer(rng, ".attn:mask", "add")
    if not cut.has_constant(op, "y"):
        raise Unsuitable
    way = rng.choice(["weak", "missing", "one window missing"])
    factor = 2.0 ** -int(rng.integers(1, 5))

    def make(values):
        if way == "one window missing":
            masked = np.flatnonzero(values.reshape(len(values), -1).any(axis=1))
            values[rng.choice(masked)] = 0
            return values
        return values * (factor if way == "weak" else 0)

    change(cut, op, "y", make)
    return f"{op.outputs[0].name}.y: {way}", f"x {factor:g}" if way == "weak" else ""


def colours(cut, rng, ulps=None):
    """Mean or range of the colours, on the way in or out."""
    layers = cut.subject.layers
    ends = [name for name, layer in layers.items() if layer in (":normalise", ":denormalise")]
    near = {n for op in cut.subject.program.operations for n in (op.inputs.get("x"),) if op.name in ends}
    op = cut.pick(rng, "sub", "mul", "add", "real_div", where=lambda op: op.outputs[0].name in {*ends, *near})
    if not cut.has_constant(op, "y"):
        raise Unsuitable
    ways = {"doubled": lambda v: v * 2, "colours reversed": lambda v: np.flip(v), "zero": lambda v: v * 0}
    return number(cut, rng, op, "y", ways, ulps)


def slope_or_bound(cut, rng, ulps=None):
    """The slope of a leaky ReLU, a bound of a clip."""
    op = cut.pick(rng, "leaky_relu", "clip")
    if op.type == "leaky_relu":
        ways = {"0.01": lambda v: v * 0 + 0.01, "0.2": lambda v: v * 0 + 0.2, "0": lambda v: v * 0}
        return number(cut, rng, op, "alpha", ways, ulps)
    ways = {"raised by 1/8": lambda v: v + 1 / 8, "lowered by 1/8": lambda v: v - 1 / 8}
    return number(cut, rng, op, rng.choice(["alpha", "beta"]), ways, ulps)


FAMILIES = {
    "epsilon of a norm": epsilon,
    "scale of the queries": query_scale,
    "position bias": position_bias,
    "attention mask": mask,
    "mean or range of colours": colours,
    "slope or bound of an activation": slope_or_bound,
}
