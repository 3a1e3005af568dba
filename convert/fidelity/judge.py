"""From figures to a verdict: which layer is rounding, which is a defect, which merely inherits one."""

import math
from dataclasses import dataclass

from .arithmetic import OperatorFigures
from .measure import Measured
from .pair import IDLE, MOVES
from .structure import TOLERANCE

# Operators that are one function here and another one there: two inputs cannot tell what they do on a third
PIECEWISE = {"relu", "relu6", "clip", "clamped_relu", "threshold", "thresholded_relu", "minimum", "maximum", "abs"}
PIECEWISE |= {"sign", "select", "leaky_relu", "prelu", "elu", "floor", "ceil", "round", "mod", "floor_div"}
PIECEWISE |= {"greater", "greater_equal", "less", "less_equal", "equal", "not_equal", "sigmoid_hard"}
BENT = {
    "relu1",
    "relu255",
    "round",
    "leaky_relu",
}  # golden operators that are so themselves, and held by their own constants
OK, DEFECT, OVERFLOW, INHERITED, UNKNOWN = "ok", "defect", "overflow", "inherited", "unknown"


@dataclass(frozen=True)
class Row:
    """The verdict on one layer.

    Attributes
    ----------
    layer, operator : str
        Golden layer name; MIL operator that was held against it ("-" when none was found).
    verdict : {"ok", "defect", "overflow", "inherited", "unknown"}
    kind : str
        Of a defect: "constant", "structure" or "arithmetic"; else empty.
    note : str
        One sentence on anything but "ok".
    variable, dtype, source : str
        Variable of the package, its declared type, how it was paired.
    structure : float or None
        Relative difference in float64 with the package's own constants, the larger of two inputs.
    measured : Measured or None
    operators : tuple of OperatorFigures
        The executed operations that compute the layer from the layers before.
    """

    layer: str
    operator: str
    verdict: str
    kind: str = ""
    note: str = ""
    variable: str = ""
    dtype: str = ""
    source: str = ""
    structure: float | None = None
    measured: Measured | None = None
    operators: tuple[OperatorFigures, ...] = ()

    @property
    def share(self) -> float | None:
        """The error that the layer's operations made, as a share of their bounds, the largest; above 1 is a defect."""
        return max((found.share for found in self.operators if found.share is not None), default=None)

    @property
    def local_rms(self) -> float | None:
        """Root mean square of the errors that the layer's operations made, where each was made."""
        return math.hypot(*(found.local_rms for found in self.operators)) if self.operators else None

    @property
    def inherited_rms(self) -> float | None:
        """Root mean square of the error that came in and was passed on by the layer's last operation."""
        return self.operators[-1].inherited_rms if self.operators else None


def judge(pairs, graph, ledger, movements, missteps, differences, measured, operators, output):
    """Judge every layer in the golden order.

    Parameters
    ----------
    pairs : dict of str to Pair
    graph : Graph
    ledger : Ledger
    movements : list of Movement
    missteps : list of Misstep
        Their layers have no variable.
    differences : list of dict of str to float
        Of `structure`, on each input.
    measured : dict of str to Measured or None
    operators : dict of str to OperatorFigures
        By variable.
    output : str
        The package's output variable, judged as ":output" after the last layer.

    Returns
    -------
    list of Row
        The first defect is the culprit; what fails downstream of it is "inherited".
    """
    constants, rows, broken = ledger.defects(), [], set()
    moved = {m.layer: m.note for m in movements if m.wrong and not m.operand}
    moved |= {misstep.layer: misstep.note for misstep in missteps}
    names = {layer: pair.output for layer, pair in pairs.items()}
    if output not in names.values():
        names[":output"] = output
    proved = {layer for m in movements if m.count and not m.wrong for layer in m.through}
    proved |= {layer for misstep in missteps for layer in misstep.right}
    boundary = set(names.values()) - {None}
    for layer, name in names.items():
        structure = max(d[layer] for d in differences) if name else None
        figures = measured.get(layer)
        operations = graph.group(name, boundary) if name else []
        group = [out.name for op in operations for out in op.outputs]
        executed = tuple(operators[out] for out in group if out in operators)
        if name is None:
            between = "" if layer in proved else _wrong_between(layer, names, differences, constants)
            verdict, kind, note = _missing(layer, pairs, moved.get(layer, between))
        else:
            verdict, kind, note = _verdict(layer, name, constants, moved, structure, figures, executed)
            bent = [op for op in operations if op.type in PIECEWISE and op.inputs.get("cond", op.name) in graph.seeing]
            if verdict == OK and bent and (layer not in pairs or pairs[layer].operator not in BENT):
                verdict, note = UNKNOWN, f"{bent[0]} is no part of this layer, and may act on other pictures"
        wrong_input = None in broken or bool(name and broken & graph.upstream[name])
        if verdict in (DEFECT, OVERFLOW) and wrong_input and kind != "constant":  # wrong whatever comes in
            verdict, kind, note = INHERITED, "", "its input is already wrong"
        if verdict not in (OK, UNKNOWN):
            broken.add(name)
        operator = graph.operation[name].type if name else "-"
        where = (name or "", graph.dtype.get(name, ""), pairs[layer].source if layer in pairs else "output")
        rows.append(Row(layer, operator, verdict, kind, note, *where, structure, figures, executed))
    return rows


def _missing(layer, pairs, wrong):
    """(verdict, kind, note) of a layer that no variable of the package was found for."""
    folded = any(pair.source == "folded" for pair in pairs.values())
    if pairs[layer].operator == IDLE:
        return OK, "", "nothing to do at this size"
    if wrong:
        return DEFECT, "structure", wrong
    if pairs[layer].operator in MOVES or (folded and layer == "conv_last"):
        return OK, "", "merged into what follows, which agrees"
    return UNKNOWN, "", "no operation of the package was found to compute this layer"


def _wrong_between(layer, names, differences, constants):
    """What to say where the next layer that was found differs in float64, and not by a constant of its own."""
    order = list(names)
    place = order.index(layer)
    before = next((n for n in reversed(order[:place]) if names[n]), "the picture")
    after = next((n for n in order[place + 1 :] if names[n]), None)
    if after in (None, *constants) or all(d[after] <= TOLERANCE for d in differences):
        return ""
    return f"no operation between {before} and {after} computes this layer, and {after} comes out different"


def _verdict(layer, name, constants, moved, structure, figures, executed):
    """(verdict, kind, note) of one layer by itself."""
    if layer in constants:
        return DEFECT, "constant", constants[layer].note
    if figures is None:
        return DEFECT, "structure", f"{name} has another shape than the layer, or holds no floating numbers"
    if layer in moved:
        return DEFECT, "structure", moved[layer]
    if structure > TOLERANCE:
        note = f"differs by {structure:.2g} in float64 with the package's own constants (roundoff: {TOLERANCE:g})"
        return DEFECT, "structure", note
    overflow = next((found for found in executed if found.overflows), None)
    if figures.largest == float("inf") or overflow:
        return OVERFLOW, "", f"{overflow.op_type + ' ' + overflow.name if overflow else name} overflows its type"
    wrong = next((found for found in executed if found.wrong), None)
    if wrong:
        return DEFECT, "arithmetic", wrong.note
    unknown = next((found for found in executed if found.share is None), None)
    if unknown:
        return UNKNOWN, "", f"no bound is known for {unknown.op_type} {unknown.name}; compare its layer by hand"
    return OK, "", ""
