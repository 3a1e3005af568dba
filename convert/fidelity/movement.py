"""Data movement, proved: integer labels go through the package's operations and through the golden layer.

Where both give the same labels in the same places, they move every number of every picture to the same place.
"""

import math
from dataclasses import dataclass

import numpy as np

from ..mil.extract import extract
from ..mil.ops.parameters import room

# MIL operators that only move numbers
MOVING = {"reshape", "transpose", "expand_dims", "squeeze", "flatten2d", "reshape_like", "identity", "cast", "reverse"}
MOVING |= {"gather", "gather_nd", "gather_along_axis", "slice_by_index", "slice_by_size", "concat", "stack", "split"}
MOVING |= {"tile", "pad", "pixel_shuffle", "pixel_unshuffle", "depth_to_space", "space_to_depth"}
MOVING |= {"upsample_nearest_neighbor", "resize_nearest_neighbor"}


@dataclass(frozen=True)
class Movement:
    """A chain of operations that only moves numbers, against what the golden model does there.

    Attributes
    ----------
    layer, source : str
        From the tensor of ``source`` ("" is the picture) to that of ``layer``, or to what it reads.
    operand : str
        Empty for the layer itself; else the operand of its operator.
    count : int
        Numbers that were followed; 0 where the package merges the rearrangement with arithmetic.
    wrong : int
        Those that come from another place than in the golden model.
    note : str
        The first of them.
    through : tuple of str
        Moving layers on the way that the package has no variable for: proved with this one.
    """

    layer: str
    source: str
    operand: str
    count: int
    wrong: int = 0
    note: str = ""
    through: tuple[str, ...] = ()


def prove_movements(model, program, pairs, graph, size):
    """Follow labels through every rearrangement of the golden model that the package does without computing.

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
    list of Movement
        Those that the package merges with arithmetic have a count of 0: the run in float64 holds them. What does
        nothing at this size is left out.
    """
    proved, moves, idle = [], model.movements(size), model.idle(size)
    for layer in [layer for layer in moves if layer not in idle]:
        source, function = moves[layer]
        source, function, through = _resolved(source, function, moves, pairs)
        begin = pairs[source].output if source else program.inputs[0].name
        found = _follow(function, program, graph, begin, pairs[layer].output)
        proved.append(Movement(layer, source, "", *found, through=through))
    for layer, (source, operand, function) in model.operands.items():
        source, function, through = _resolved(source, function, moves, pairs)
        begin, end = pairs[source].output, pairs[layer].output
        operation = _reading(graph, begin, end, operand) if begin and end else None
        found: tuple = (0,)
        if operation is not None:
            swapped = operation.inputs.get(f"transpose_{operand}")
            flip = swapped is not None and bool(program.constants.get(swapped, False))
            found = _follow(function, program, graph, begin, operation.inputs[operand], flip)
        proved.append(Movement(layer, source, operand, *found, through=through))
    merged = {layer for movement in proved for layer in movement.through}
    return [movement for movement in proved if movement.count or movement.layer not in merged]


def _resolved(source, function, moves, pairs):
    """(source, function, layers between) from further up, where the package has no variable for a moved source."""
    through = []
    while source in moves and pairs[source].output is None:
        through.append(source)
        source, before = moves[source]
        function = _after(function, before)
    return source, function, tuple(through)


def _after(function, before):
    return lambda x: function(before(x))


def _reading(graph, begin, end, operand):
    """The one operation with that operand that computes ``end`` from ``begin`` and does not only move."""
    group = [op for op in graph.group(end, {begin}) if op.type not in MOVING and operand in op.inputs]
    reads = [
        op
        for op in group
        if op.type in ("matmul", "mul", "add") and begin in graph.upstream.get(op.inputs[operand], ())
    ]
    return reads[-1] if reads else None


def _follow(function, program, graph, begin, end, flip=False) -> tuple:
    """(numbers, wrong ones, note) at ``end``; nothing where something is computed, or the way begins elsewhere."""
    if begin is None or end is None or begin == end:
        return (0,)
    operations = graph.group(end, {begin})
    computed = {out.name for op in operations for out in op.outputs}
    variables = {name for op in operations for name in op.reads} - computed - set(program.constants)
    moving = (op.type in MOVING or op.name not in graph.varying for op in operations)  # places may be computed
    if not operations or variables != {begin} or not all(moving):
        return (0,)
    part = extract(program, [end], [begin])
    shape = part.inputs[0].shape
    if None in shape:
        return (0,)
    labels = np.arange(1.0, math.prod(room(shape)) + 1).reshape(shape)  # 0 is what a pad puts in
    found = part.predict({begin: labels}, profile="float64")[end]
    found = found.swapaxes(-1, -2) if flip else found
    try:
        wanted = function(labels)
    except ValueError:  # a size that the golden layer does not take: a shape defect, which is called elsewhere
        return (0,)
    if found.shape != wanted.shape:
        return (0,)  # another layout of the same thing, or a shape defect, which is called elsewhere
    places = np.argwhere(found != wanted)
    if not len(places):
        return (found.size,)
    place = tuple(places[0])
    note = f"{end}[{', '.join(map(str, place))}] comes from {_place(found[place], shape)} of {begin}, expected"
    note += f" {_place(wanted[place], shape)}; {len(places)} of {found.size} numbers are in a wrong place"
    return found.size, len(places), note


def _place(label, shape):
    """Where a label was put."""
    if label == 0:
        return "a constant"
    return f"[{', '.join(str(int(i)) for i in np.unravel_index(int(label) - 1, shape))}]"
