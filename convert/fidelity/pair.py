"""Which operation of a package computes which layer of the golden model.

Three sources, in this order: the sidecar that our exporter writes; for layers with parameters the names and values of
their constants; for the others the operator's kind and, where a converter lowered it to several operations, its value.
A pairing is only a claim: the comparison confirms it on two inputs.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from ...refimpl.errors import BadInput
from ...refimpl.metrics import relative_rms
from ...refimpl.numerics.formats import FORMATS
from .affine import AFFINE
from .interface import FROM_BYTES, SCALES, TAIL, TO_BYTES

# MIL operators that may be a golden operator, whether or not they do it rightly
KINDS = {
    "conv2d": {"conv"},
    "relu1": {"clip"},
    "relu255": {"clip"},
    "round": {"round", "floor"},
    "pixel_shuffle": {"pixel_shuffle", "depth_to_space"},
    "pixel_unshuffle": {"pixel_unshuffle", "space_to_depth"},
    "add": {"add"},
    "average_pool": {"avg_pool"},
    "linear": {"linear"},
    "layer_norm": {"layer_norm"},
    "leaky_relu": {"leaky_relu"},
    "gelu": {"gelu"},
    "softmax": {"softmax"},
    "upsample_nearest": {"upsample_nearest_neighbor"},
}
# Steps without an operator of one kind: found by value, and merged into what follows where a converter has none
MOVES = {"cyclic_shift", "window_partition", "window_reverse", "reflect_pad", "crop", "tokens"}
STEPS = MOVES | {"affine", "scale", "matmul"}
IDLE = "identity"  # the operator of a layer that does nothing at the picture's size
NEAR = 0.05  # relative distance within which a nameless constant is taken for a parameter


@dataclass(frozen=True)
class Pair:
    """A layer of the golden model and the variable of the package that should equal it.

    Attributes
    ----------
    layer, operator : str
        Golden layer name and golden operator.
    output : str or None
        Variable of the package; None when none was found.
    source : str
        "sidecar", "name", "value", "kind", "order", "place", "folded" (into the layer before) or "nothing".
    """

    layer: str
    operator: str
    output: str | None
    source: str


def pair(model, program, graph, sidecar, x):
    """Claim a variable of the package for every layer of the golden model.

    Parameters
    ----------
    model : Model
    program : Program
    graph : Graph
    sidecar : dict
        ``{variable: {"layer", "torch", "last"}}`` as our exporter writes it; empty for a foreign package.
    x : ndarray, (N, C, H, W)
        The one input that layers without parameters and without an operator of their own are found by; on a black
        picture everything would be the same.

    Returns
    -------
    dict of str to Pair
        By layer, in the golden order.
    """
    everything, idle = model.layers, model.idle(x.shape[2:])
    layers = {layer: operator for layer, operator in everything.items() if layer not in idle}
    strange = sorted(set(layers.values()) - set(KINDS) - STEPS)
    if strange:
        raise BadInput(
            f"{model.architecture.NAME} has {', '.join(strange)}, verify compares networks of {', '.join(KINDS)} "
            "so far; run the package with `karat run` and compare its output"
        )
    found = {}
    for name, entry in sidecar.items():
        if entry["last"] and entry["layer"] in layers and name in graph.operation:
            found[entry["layer"]] = (name, "sidecar")
    _by_parameters(model, layers, program, graph, found)
    _behind_input(layers, graph, found)
    _at_the_ends(layers, program, graph, found)
    _fold(layers, graph, found)
    _by_kind(layers, _ranks(model), graph, found)
    if len(found) < len(layers):
        _by_value(model, layers, program, graph, found, x)
    return {layer: Pair(layer, layers.get(layer, IDLE), *found.get(layer, (None, "nothing"))) for layer in everything}


def _by_parameters(model, layers, program, graph, found):
    """Layers with a weight: by the constant's name, then by its value, then by their order among equal shapes."""
    weights = {layer: model.parameters[f"{layer}.weight"] for layer in layers if f"{layer}.weight" in model.parameters}
    claimed = {name for name, _ in found.values()}
    stored = {n: c for n, c in _weights(program).items() if n not in claimed and n in graph.operation}
    owners = Counter(constant.name for constant in stored.values())
    tests = {
        # equal weights may share one constant (untrained networks): its name then tells one owner only
        "name": lambda layer, c: owners[c.name] == 1 and c.name.startswith(layer.replace(".", "_") + "_weight"),
        "value": lambda layer, c: (
            c.value.shape == weights[layer].shape and relative_rms(weights[layer], c.value) < NEAR
        ),
        "order": lambda layer, c: True,
    }
    for source, test in tests.items():
        for layer in [layer for layer in weights if layer not in found]:
            fits = (out for out, c in stored.items() if c.value.size == weights[layer].size and test(layer, c))
            output = next(fits, None)
            if output is not None:
                found[layer] = (output, source)
                del stored[output]


def _weights(program):
    """The weight of every convolution, linear layer and normalisation, by the variable that the layer ends in.

    A linear layer may be a matrix product and a sum: then it ends in the sum.
    """
    sums = {op.inputs["x"]: op.name for op in program.operations if op.type == "add" and program.constant_of(op, "y")}
    found = {}
    for op in program.operations:
        constant = program.constant_of(op, "weight") or program.constant_of(op, "gamma")
        if op.type == "matmul":
            constant = program.constant_of(op, "y")
        if constant is not None:
            found[sums.get(op.name, op.name) if op.type == "matmul" else op.name] = constant
    return found


def _ranks(model):
    """How many axes every layer has."""
    config = model.config
    least = getattr(config, "multiple_of_window", config.multiple_of)
    side = round(getattr(config, "positions", 0) ** 0.5) or least  # any size has as many
    blank = np.zeros((1, config.channels, side, side), np.float32)
    return {layer: value.ndim for layer, value in model.trace(blank)}


def _by_kind(layers, ranks, graph, found):
    """Layers without parameters: the first operation of their kind and rank between their neighbours.

    Of several in a row (two one-sided clips) it is the last.
    """
    order = list(layers)
    for layer in [layer for layer in order if layer not in found and layers[layer] in KINDS]:
        claimed = {name for name, _ in found.values()}
        before, after = _gaps(order, found)[layer]
        chosen = None
        for name, op in graph.operation.items():
            fits = op.type in KINDS.get(layers[layer], ()) and name not in claimed
            fits = fits and len(graph.shape[name]) == ranks[layer] and graph.dtype[name] in FORMATS
            downstream = before is None or before in graph.upstream[name]
            if fits and downstream and (after is None or after not in graph.upstream[name]):
                continued = op.type == "clip" and chosen in op.reads
                chosen = name if chosen is None or continued else chosen
        if chosen is not None:
            found[layer] = (chosen, "kind")


def _by_value(model, layers, program, graph, found, x):
    """What is left: of the unclaimed variables between its neighbours, the one nearest to the layer in float64.

    Constants in fp16 move a layer by about 1e-3; an unrelated tensor of the same shape is of order one away.
    """
    between, claimed = _gaps(list(layers), found), {name for name, _ in found.values()}
    place = graph.order | {None: -1}
    opens = {layer: place[before] for layer, (before, _) in between.items()}
    golden, held, nearest = model.trace(np.asarray(x, np.float64)), {}, dict.fromkeys(between, (NEAR, ""))
    for record in program.trace({program.inputs[0].name: x}, profile="float64"):
        now = graph.order[record.name]
        for layer in [layer for layer in held if (after := between[layer][1]) and place[after] <= now]:
            del held[layer]  # its tensor is not needed any more
        while any(start < now for start in opens.values()):
            layer, value = next(golden)
            if opens.pop(layer, None) is not None:
                held[layer] = value
        if record.name in claimed or record.name not in graph.operation or record.op_type == "cast":
            continue
        for layer, value in held.items():
            before, after = between[layer]
            inside = before is None or before in graph.upstream[record.name]
            inside = inside and (after is None or record.name in graph.upstream[after])
            if inside and record.value.shape == value.shape:
                nearest[layer] = min(nearest[layer], (relative_rms(value, record.value), record.name))
    for layer, (_, name) in nearest.items():
        if name and name not in {name for name, _ in found.values()}:
            found[layer] = (name, "value")


def _gaps(order, found):
    """Variables of the found layers before and after each layer that was not found."""
    gaps = {}
    for i, layer in enumerate(order):
        if layer not in found:
            before = next((found[name][0] for name in reversed(order[:i]) if name in found), None)
            after = next((found[name][0] for name in order[i + 1 :] if name in found), None)
            gaps[layer] = (before, after)
    return gaps


def _behind_input(layers, graph, found):
    """The shift and scaling of colours is what the first convolution reads, whatever its numbers are."""
    if ":normalise" in layers and "conv_first" in found:
        name = _through(graph, graph.operation[found["conv_first"][0]].inputs["x"], {"cast"})
        if name in graph.operation and graph.operation[name].type in AFFINE and not _alone(layers, graph, name):
            found[":normalise"] = (name, "place")


def _alone(layers, graph, name):
    """Whether this is the only arithmetic before the network where an image's bytes need some, too."""
    above = [op for out, op in graph.operation.items() if out in graph.upstream[name] & graph.varying]
    return FROM_BYTES in layers and not any(op.type in AFFINE for op in above)


def _at_the_ends(layers, program, graph, found):
    """The last arithmetic between an image's bytes and the network, and that at the end, whatever its numbers are."""
    following = next((layer for layer in list(layers)[1:] if layer in found), None)
    first = graph.operation[found[following][0]].inputs.get("x", "") if following else ""
    ends = ((FROM_BYTES, first, {"cast"}, AFFINE), (TO_BYTES, program.outputs[0].name, TAIL - SCALES, SCALES))
    for layer, name, passed, kinds in ends:
        name = _through(graph, name, passed)
        free = layer in layers and layer not in found and name not in {claimed for claimed, _ in found.values()}
        if free and name in graph.varying & graph.operation.keys() and graph.operation[name].type in kinds:
            found[layer] = (name, "place")


def _through(graph, name, kinds):
    """The variable that some operations of these kinds were made of."""
    while name in graph.operation and graph.operation[name].type in kinds:
        name = graph.operation[name].inputs.get("x", "")
    return name


def _fold(layers, graph, found):
    """A convolution that a converter has folded scale and mean into computes the sum, not the convolution."""
    following = dict(zip(layers, list(layers)[1:], strict=False)).get("conv_last")
    if following != ":denormalise" or "conv_last" not in found or ":denormalise" in found:
        return
    name = found["conv_last"][0]
    readers = [op for op in graph.operation.values() if op.type in AFFINE]
    if not any(_through(graph, read, {"cast"}) == name for op in readers for read in op.reads):
        found[":denormalise"] = (name, "folded")
        del found["conv_last"]
