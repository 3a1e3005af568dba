"""The constants of a package, each held against the expression of the checkpoint that it stands for."""

from dataclasses import dataclass, field

import numpy as np

from ...refimpl.numerics.formats import FORMATS, spacing, stands_for

# Constants that an operator carries: MIL parameter -> what it stands for. A string is a parameter of the layer.
EXPECTED = {
    "conv2d": {"weight": "weight", "bias": "bias"},
    "relu1": {"alpha": 0.0, "beta": 1.0},
}


@dataclass(frozen=True)
class Entry:
    """One constant of the package and what it stands for.

    Attributes
    ----------
    layer, expression : str
        Where it belongs and what it should be ("cnn.0.weight", "0").
    constant : str
        Its name in the package; empty when the package has none.
    dtype : str
        Its stored type.
    wrong : int
        Elements further than half a unit in the last place from the expression.
    note : str
        For a wrong constant: which element, found, expected.
    """

    layer: str
    expression: str
    constant: str
    dtype: str
    wrong: int = 0
    note: str = ""


@dataclass
class Ledger:
    """All entries, and what the golden model carries of them.

    Attributes
    ----------
    entries : list of Entry
    carried : dict of str to ndarray
        By checkpoint key: the stored constant as float64 where every element stands for the parameter. Where one does
        not, the golden side carries the rounded parameter instead, so that the defect also shows in the values.
    untraced : list of str
        Floating-point constants that stand for nothing known; the golden side carries nothing for them.
    """

    entries: list[Entry] = field(default_factory=list)
    carried: dict[str, np.ndarray] = field(default_factory=dict)
    untraced: list[str] = field(default_factory=list)

    def defects(self):
        """Wrong entries by layer."""
        return {e.layer: e for e in reversed(self.entries) if e.wrong}


def keep_ledger(model, program, pairs, graph):
    """Trace the package's floating-point constants to the checkpoint.

    Parameters
    ----------
    model : Model
    program : Program
    pairs : dict of str to Pair
    graph : Graph

    Returns
    -------
    Ledger
    """
    ledger = Ledger()
    boundary = {p.output for p in pairs.values() if p.output}
    traced = set()
    for pair in pairs.values():
        if pair.output is None:
            continue
        operations = [op for op in graph.group(pair.output, boundary) if op.type != "cast"]
        constants = _constants_of(program, operations)
        expected = EXPECTED.get(pair.operator, {})
        if pair.operator == "relu1" and [op.type for op in operations] != ["clip"]:
            expected = {}  # another way to clip: its bounds are seen in the values, beyond [0, 1] on the second input
        for role, meaning in expected.items():
            key = f"{pair.layer}.{meaning}" if isinstance(meaning, str) else repr(meaning)
            exact = np.asarray(model.parameters[key] if isinstance(meaning, str) else meaning, np.float64)
            name, value = _claim(constants, role, exact)
            traced.add(name)
            entry, carried = _hold(pair.layer, key, exact, name, value, graph.dtype[pair.output])
            ledger.entries.append(entry)
            if isinstance(meaning, str):
                ledger.carried[key] = carried
        ledger.untraced += [name for _, name, _ in constants if name not in traced]
    return ledger


def _constants_of(program, operations):
    """(role, name, array) of every floating-point constant that some operations read."""
    found = []
    for op in operations:
        for role in op.inputs:
            constant = program.constant_of(op, role)
            if constant is not None and constant.dtype in FORMATS:
                found.append((role, constant.name, constant.value))
    return found


def _claim(constants, role, exact):
    """The constant in the named role; else the only one of the right size; else none."""
    for found, name, value in constants:
        if found == role and value.size == exact.size:
            return name, value
    sized = [(name, value) for found, name, value in constants if value.size == exact.size and exact.size > 1]
    return sized[0] if len(sized) == 1 else ("", None)


def _hold(layer, key, exact, name, value, dtype):
    """Compare one constant with its expression: (entry, what the golden side carries)."""
    stored = value.dtype.name if value is not None else dtype
    fmt = FORMATS[stored]
    with np.errstate(over="ignore"):
        rounded = exact.astype(stored).astype(np.float64)
    if value is None:  # a converter may drop a bias that rounds to nothing
        wrong = int(np.count_nonzero(rounded))
        note = f"{key} is not in the package" if wrong else ""
        return Entry(layer, key, "", stored, wrong, note), rounded
    found = value.astype(np.float64).reshape(exact.shape) if value.size == exact.size else value.astype(np.float64)
    good = stands_for(found, exact, fmt) | stands_for(found, exact.astype(np.float32), fmt)  # converters read float32
    good |= _kept_from_zero(found, exact, rounded, fmt)
    good &= np.isfinite(found)  # infinity is the nearest number to what overflows, and yet no number
    if good.all():
        return Entry(layer, key, name, stored), found
    distance = np.abs(found - exact) / spacing(exact, fmt)  # in units in the last place
    worst = np.unravel_index(np.argmax(np.where(good, -1, np.nan_to_num(distance, nan=np.inf))), exact.shape)
    away = distance[worst]
    place = f"[{', '.join(map(str, worst))}]" if exact.ndim else ""
    expected = f"{key}{place} = {exact[worst]:.6g}"
    note = f"{name}{place} is {found[worst]:.6g}, expected {expected} ({away:.3g} ulp of {stored} away)"
    return Entry(layer, key, name, stored, int(np.count_nonzero(~good)), note), rounded


def _kept_from_zero(found, exact, rounded, fmt):
    """The one honest exception to rounding to nearest, and at most one unit in the last place.

    In small arrays coremltools stores the smallest subnormal instead of a zero that a number would round to
    (``_check_underflow_to_zero`` of its quantisation pass, version 9.0).
    """
    return (rounded == 0) & (exact != 0) & (found == np.copysign(fmt.smallest_subnormal, exact))
