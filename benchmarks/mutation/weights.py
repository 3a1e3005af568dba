"""Six families of defects in the parameters of a network."""

import numpy as np

from .surgery import Unsuitable

WEIGHTED = {"conv": ("weight", "bias"), "linear": ("weight", "bias"), "layer_norm": ("gamma", "beta")}
ULPS = tuple(2**k for k in range(9))


def nudged(values, index, ulps):
    """``values`` with one element moved by so many units in the last place."""
    flat = values.ravel()
    flat[index] += np.asarray(ulps, flat.dtype) * np.spacing(np.abs(flat[index]))
    return flat.reshape(values.shape)


def change(cut, operation, parameter, make):
    """Store ``make(values)`` for a parameter; no defect where that is the same."""
    const = cut.constant(operation, parameter)
    before = cut.read(const)
    after = np.asarray(make(before.copy()), before.dtype)
    if np.array_equal(before, after) or not np.isfinite(after).all():
        raise Unsuitable
    cut.write(const, after)


def off_by_ulps(cut, operation, parameter, rng, ulps):
    """Move a drawn element of a constant by so many units in the last place of its stored type, up or down."""
    places = {}

    def make(values):
        places["index"] = int(rng.integers(values.size))
        places["dtype"] = values.dtype.name
        return nudged(values, places["index"], ulps * rng.choice([-1, 1]))

    change(cut, operation, parameter, make)
    plural = "" if ulps == 1 else "s"
    return f"{operation.outputs[0].name}.{parameter}[{places['index']}]", f"{ulps} ulp{plural} of {places['dtype']}"


def element(cut, rng, ulps=None):
    """One number of a weight, a bias or a norm's parameters is off by a few units in the last place."""
    op = cut.pick(rng, *WEIGHTED)
    role = rng.choice([r for r in WEIGHTED[op.type] if cut.has_constant(op, r)])
    return off_by_ulps(cut, op, role, rng, int(rng.choice(ULPS)) if ulps is None else ulps)


def layout(cut, rng):
    """A weight in another order: input and output exchanged, or the kernel turned over."""
    op = cut.pick(rng, "conv", "linear")
    ways = {"in and out exchanged": lambda w: w.swapaxes(0, 1).reshape(w.shape)}
    if op.type == "conv":
        ways |= {"kernel flipped": lambda w: w[..., ::-1, ::-1], "kernel transposed": lambda w: w.swapaxes(2, 3)}
    way = rng.choice(list(ways))
    change(cut, op, "weight", ways[way])
    return f"{op.outputs[0].name}.weight: {way}", ""


def rows(cut, rng):
    """Output channels exchanged: two of them, queries with keys, or two heads of the queries."""
    op = cut.pick(rng, "conv", "linear")
    way = rng.choice(["two channels", "query and key", "two heads"])
    layer = cut.subject.layers.get(op.outputs[0].name, "")

    def make(w):
        if way == "two channels" or not layer.endswith(".qkv"):
            if len(w) < 2:
                raise Unsuitable
            one, other = rng.choice(len(w), 2, replace=False)
            w[[one, other]] = w[[other, one]]
            return w
        q, k, v = np.split(w, 3)
        if way == "query and key":
            return np.concatenate([k, q, v])
        heads = cut.subject.model.config.num_heads[int(layer.split(".")[1])]
        return np.concatenate([np.roll(q, len(q) // heads, axis=0), k, v])

    change(cut, op, "weight", make)
    return f"{op.outputs[0].name}.weight: {way if layer.endswith('.qkv') else 'two channels'}", ""


def bias(cut, rng):
    """A bias dropped, or of the other sign."""
    op = cut.pick(rng, "conv", "linear", where=lambda op: cut.has_constant(op, "bias"))
    if rng.integers(2):
        del op.inputs["bias"]
        return f"{op.outputs[0].name}.bias: dropped", ""
    change(cut, op, "bias", np.negative)
    return f"{op.outputs[0].name}.bias: negated", ""


def exchange(first, one, second, other):
    """Two parameters read each other's constant."""
    a, b = first.inputs[one].arguments[0], second.inputs[other].arguments[0]
    a.name, b.name = b.name, a.name


def scale_and_shift(cut, rng):
    """A norm's scale and shift exchanged."""
    op = cut.pick(rng, "layer_norm", where=lambda op: op.inputs["gamma"].arguments[0].name)
    exchange(op, "gamma", op, "beta")
    return f"{op.outputs[0].name}: gamma and beta", ""


def two_layers(cut, rng):
    """The weights of two layers of one shape exchanged."""
    first = cut.pick(rng, "conv", "linear")
    size = cut.read(cut.constant(first, "weight")).shape

    def fits(op):
        return op is not first and cut.read(cut.constant(op, "weight")).shape == size

    second = cut.pick(rng, first.type, where=fits)
    exchange(first, "weight", second, "weight")
    return f"{first.outputs[0].name} and {second.outputs[0].name}: weights", ""


FAMILIES = {
    "one element off": element,
    "weight in another order": layout,
    "channels exchanged": rows,
    "bias dropped or negated": bias,
    "norm: scale for shift": scale_and_shift,
    "weights of two layers exchanged": two_layers,
}
