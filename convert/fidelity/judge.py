"""From figures to a verdict: which layer is rounding, which is a defect, which merely inherits one."""

from dataclasses import dataclass

from ...refimpl.numerics.formats import FORMATS
from .measure import Measured
from .pair import IDLE, MOVES
from .structure import TOLERANCE

MISSED = "what follows comes out different"
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
    bound_rms, bound_max : float or None
        Permitted root mean square and maximum of the arithmetic error: twice the twin's, and the rounding floor.
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
    bound_rms: float | None = None
    bound_max: float | None = None

    @property
    def share(self) -> float | None:
        """The arithmetic error as a share of what is permitted, the larger of the two; above 1 it is a defect."""
        if self.measured is None or not self.bound_rms or not self.bound_max:
            return None
        return max(self.measured.error_rms / self.bound_rms, self.measured.error_max / self.bound_max)


def judge(pairs, graph, ledger, differences, measured, twin, output):
    """Judge every layer in the golden order.

    Parameters
    ----------
    pairs : dict of str to Pair
    graph : Graph
    ledger : Ledger
    differences : list of dict of str to float
        Of `structure`, on each input.
    measured : dict of str to Measured or None
    twin : dict of str to (float, float, float, float)
        Of `twin_errors`.
    output : str
        The package's output variable, judged as ":output" after the last layer.

    Returns
    -------
    list of Row
        The first defect is the culprit; what fails downstream of it is "inherited".
    """
    constants, rows, broken = ledger.defects(), [], set()
    names = {layer: pair.output for layer, pair in pairs.items()}
    if output not in names.values():
        names[":output"] = output
    folded = {"conv_last"} if any(pair.source == "folded" for pair in pairs.values()) else set()
    for layer, name in names.items():
        pair = pairs.get(layer)
        operator = pair.operator if pair else ""
        structure = max(d[layer] for d in differences) if name else None
        figures = measured.get(layer)
        limit = _limits(layer, twin, figures, _coarsest(graph, name, names))
        verdict, kind, note = _verdict(layer, name, constants, structure, figures, limit)
        if operator == IDLE:
            verdict, note = OK, "nothing to do at this size"
        elif name is None and not _fails_after(layer, names, differences, constants):
            if operator in MOVES or layer in folded:
                verdict, note = OK, "merged into what follows, which agrees"
        elif name is None:
            verdict, kind, note = DEFECT, "structure", f"no operation of the package computes this layer, and {MISSED}"
        wrong_input = None in broken or bool(name and broken & graph.upstream[name])
        if verdict in (DEFECT, OVERFLOW) and wrong_input and kind != "constant":  # wrong whatever comes in
            verdict, kind, note = INHERITED, "", "its input is already wrong"
        if verdict not in (OK, UNKNOWN):
            broken.add(name)
        rows.append(
            Row(
                layer,
                graph.operation[name].type if name else "-",
                verdict,
                kind,
                note,
                name or "",
                graph.dtype.get(name, ""),
                pair.source if pair else "output",
                structure,
                figures,
                *(limit or (None, None)),
            )
        )
    return rows


def _fails_after(layer, names, differences, constants):
    """Whether the next layer that was found differs in float64, and not by a constant of its own."""
    order = list(names)
    following = next((n for n in order[order.index(layer) + 1 :] if names[n]), None)
    return following not in (None, *constants) and any(d[following] > TOLERANCE for d in differences)


def _coarsest(graph, name, names):
    """The coarsest format among the operations that compute a layer: a converter may keep one of several in float32."""
    if name is None:
        return None
    types = {out.dtype for op in graph.group(name, set(names.values())) for out in op.outputs if out.dtype in FORMATS}
    return max((FORMATS[dtype] for dtype in types), key=lambda fmt: fmt.unit_roundoff, default=None)


def _limits(layer, twin, figures, fmt):
    """Permitted (rms, maximum) of the arithmetic error: 2 x the twin's, the accumulation floor, and one rounding."""
    if figures is None or layer not in twin or fmt is None:
        return None
    u, eta = fmt.unit_roundoff, fmt.smallest_subnormal / 2
    rms, largest, floor_rms, floor_max = twin[layer]
    return 2 * rms + floor_rms + u * figures.size_rms + eta, 2 * largest + floor_max + u * figures.size_max + eta


def _verdict(layer, name, constants, structure, figures, limit):
    """(verdict, kind, note) of one layer by itself."""
    if name is None:
        return UNKNOWN, "", "no operation of the package was found to compute this layer"
    if layer in constants:
        return DEFECT, "constant", constants[layer].note
    if figures is None:
        return DEFECT, "structure", f"{name} has another shape than the layer"
    if structure > TOLERANCE:
        note = f"differs by {structure:.2g} in float64 with the package's own constants (roundoff: {TOLERANCE:g})"
        return DEFECT, "structure", note
    if figures.largest == float("inf"):
        return OVERFLOW, "", f"{name} overflows its type"
    if limit is None:
        return OK, "", ""
    if not (figures.error_rms <= limit[0] and figures.error_max <= limit[1]):
        found = f"{figures.error_rms:.2g} rms and {figures.error_max:.2g} at most"
        note = f"its arithmetic is off by {found}, rounding explains {limit[0]:.2g} and {limit[1]:.2g}"
        return DEFECT, "arithmetic", note
    return OK, "", ""
