"""The whole comparison of a golden model with a Core ML program."""

from dataclasses import replace
from fractions import Fraction

import numpy as np

from ...refimpl.errors import BadInput
from ...refimpl.models.model import check_picture
from ...refimpl.numerics.formats import FORMATS
from ..mil.pairing import sidecar_path
from .graph import Graph
from .interface import interface
from .judge import judge
from .ledger import keep_ledger
from .measure import measure, shares
from .missteps import find_missteps
from .movement import prove_movements
from .pair import pair
from .picture_error import picture_error
from .structure import stress, structure
from .verdict import Verdict

STAGES = (
    "pairing layers",
    "constants and movements",
    "structure, second input",
    "arithmetic and loss",
)


def verify(model, program, x, profile="fp32-accumulate", progress=lambda stage: None):
    """Compare a converted network with its golden reference, layer by layer.

    1. Every layer of the golden model is paired with a variable of the package (law 1: nothing compared is a failure).
    2. Every constant must lie within half a unit in the last place of the checkpoint's value that it stands for.
    3. Data movement: labels end in the same places on both sides, so every number of every picture does.
    4. Structure: in float64, carrying those constants, both sides must agree to 1e-10, on ``x`` and on a second input.
    5. Arithmetic: every operation is computed again in float64 from the inputs that it had; what it is off by must lie
       within the rounding-error bound of the profile, and may have no systematic part.

    Parameters
    ----------
    model : Model
        From `karat.load`.
    program : Program
        From `karat.open_package`; one input and one output, tensors in [0, 1] or images.
    x : ndarray, (N, channels, H, W)
        A picture in [0, 1] of the size that the program takes; for one that takes images it is rounded to bytes.
    profile : str
        Arithmetic to run the package in.
    progress : callable
        Called with the name of each stage as it begins (`STAGES`).

    Returns
    -------
    Verdict

    Raises
    ------
    BadInput
        When the two cannot be compared at all.
    UnsupportedOperator
        When the package holds an operator that karat cannot execute.

    Examples
    --------
    >>> verify(model, program, x).faithful  # doctest: +SKIP
    True
    """
    graph = Graph(program)
    check_picture(x, model.config.channels, model.config.multiple_of)
    _check(program, graph, x)
    through = interface(program, graph)
    model, second_x = through.around(model), through.enter(stress(x.shape))
    x = through.enter(np.asarray(x, np.float64))
    source, output = program.inputs[0].name, program.outputs[0].name
    progress(STAGES[0])
    pairs = pair(model, program, graph, program.pairing, second_x)
    progress(STAGES[1])
    ledger = keep_ledger(model, program, pairs, graph, x.shape[2:])
    missteps = find_missteps(model, program, pairs, graph, x.shape[2:])
    for misstep in missteps:  # a variable may hold what one step of two gives: what follows does not go on with it
        pairs[misstep.layer] = replace(pairs[misstep.layer], output=None, source="nothing")
    movements = prove_movements(model, program, pairs, graph, x.shape[2:])
    carrying = model.carrying(ledger.carried)
    progress(STAGES[2])
    second = structure(carrying, program, pairs, second_x)
    progress(STAGES[3])
    measured, operators, pictures = measure(model, carrying, program, pairs, graph, x, profile)
    first = {layer: figures.structure if figures else np.inf for layer, figures in measured.items()}
    rows = judge(pairs, graph, ledger, movements, missteps, [first, second], measured, operators, output)
    rounded = x.astype(_entry_type(program)).astype(np.float64)
    exact_of_rounded = through.leave(program.predict({source: rounded}, profile="float64")[output])
    golden, exact, typed = map(through.leave, pictures)
    causes, error = {}, None
    if golden.shape == exact.shape:
        causes = shares(golden, exact, exact_of_rounded, typed)
        period = Fraction(model.scale).limit_denominator(8).numerator  # 3 for 1.5
        window = getattr(model.config, "window", None)
        error = picture_error(golden, typed, period, window) if np.isfinite(typed).all() else None
    stale = ("the sidecar beside the package belongs to another program and was not used",)
    notes = stale if not program.pairing and sidecar_path(program.path).is_file() else ()
    notes += through.notes
    return Verdict(
        rows, causes, ledger, profile, golden, typed, notes, error, tuple(operators.values()), tuple(movements)
    )


def _check(program, graph, x):
    """Raise BadInput unless the program takes one tensor and gives one, and the picture is finite."""
    if len(program.inputs) != 1 or len(program.outputs) != 1:
        raise BadInput(
            f"the package has {len(program.inputs)} inputs and {len(program.outputs)} outputs, expected one of each; "
            "export the network without others"
        )
    if program.outputs[0].name not in graph.operation:
        raise BadInput("no operation of the package computes its output, expected a network; export it again")
    for feature in (program.inputs[0], program.outputs[0]):
        if feature.dtype not in FORMATS:
            raise BadInput(f"{feature.name} of the package is {feature.dtype}, expected floating numbers; export it so")
    if not np.isfinite(x).all():
        raise BadInput("the picture holds NaN or infinity, expected numbers in [0, 1]; give another one")


def _entry_type(program):
    """The type that the package holds its input in: the declared one, or a coarser one that it is cast to at once."""
    feature = program.inputs[0]
    readers = [op for op in program.operations if feature.name in op.reads]
    types = {op.outputs[0].dtype if op.type == "cast" else feature.dtype for op in readers}
    held = [feature.dtype, *(types if len(types) == 1 else ())]
    return max(held, key=lambda dtype: FORMATS[dtype].unit_roundoff)
