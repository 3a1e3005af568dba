"""The constants of a package, each held bit for bit against the expression of the checkpoint that it stands for."""

from dataclasses import dataclass, field, replace

import numpy as np

from ...refimpl.metrics import relative_rms
from ...refimpl.numerics.formats import FLOAT16, FORMATS, spacing
from .affine import senses
from .pair import NEAR

# Constants that an operator carries: MIL parameter -> what it stands for. A string is a parameter of the layer.
EXPECTED = {
    "conv2d": {"weight": "weight", "bias": "bias"},
    "relu1": {"alpha": 0.0, "beta": 1.0},
    "relu255": {"alpha": 0.0, "beta": 255.0},
    "linear": {"weight": "weight", "bias": "bias"},
    "layer_norm": {"gamma": "weight", "beta": "bias", "epsilon": "eps"},
    "leaky_relu": {"alpha": "slope"},
    "scale": {"y": "value"},
    "add": {"y": "value"},
    "upsample_nearest": {"scale_factor_height": 2.0, "scale_factor_width": 2.0},
}
NOTHING = np.zeros(())
UNREAD = {("pad", "constant_val")}  # MIL operator and parameter: a reflecting pad has one and does not use it


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
        Elements that are not the expression rounded to nearest even, from float64 or from float32 (as converters
        compute), in the stored type.
    note : str
        For a wrong constant: which element, found, expected.
    stored : str
        How a compressed constant is stored; empty for others.
    """

    layer: str
    expression: str
    constant: str
    dtype: str
    wrong: int = 0
    note: str = ""
    stored: str = ""


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
    unread : list of str
        Floating-point constants that nothing of the output depends on.
    arguments : int
        How many constants are no numbers but shapes, axes, pads and indices: what they do is proved where data is
        moved (movement.py), and held by the run in float64 elsewhere.
    """

    entries: list[Entry] = field(default_factory=list)
    carried: dict[str, np.ndarray] = field(default_factory=dict)
    untraced: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    arguments: int = 0

    @property
    def owners(self) -> dict[str, list[str]]:
        """What every stored constant stands for: several expressions where a converter stored equal ones once."""
        found = {}
        for entry in self.entries:
            if entry.constant:
                found.setdefault(entry.constant, []).append(entry.expression)
        return found

    def enter(self, entry, carried):
        """Add an entry, and what the golden side carries of it."""
        self.entries.append(entry)
        self.carried |= carried

    def defects(self):
        """Wrong entries by layer."""
        return {e.layer: e for e in reversed(self.entries) if e.wrong}


def keep_ledger(model, program, pairs, graph, size):
    """Trace the package's floating-point constants to the checkpoint.

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
    Ledger
    """
    ledger, known = Ledger(), model.expressions(size) | dict(model.parameters)
    boundary, met = {p.output for p in pairs.values() if p.output}, {}
    for pair in [pair for pair in pairs.values() if pair.output]:
        operations = [op for op in graph.group(pair.output, boundary) if op.type != "cast"]
        constants = _constants_of(program, operations)
        met |= {name: None for _, name, _ in constants}
        if pair.operator == "affine" and pair.source != "folded":
            for sense in senses(pair.layer, operations, program, known):
                ledger.enter(*_of_sense(pair.layer, sense, ledger.carried))
        elif pair.operator == "cyclic_shift":
            ledger.entries += _rolls(pair, program, operations, known)
        elif pair.operator == "relu1" and [op.type for op in operations] != ["clip"]:
            ledger.entries += [_bound(pair.layer, name, value) for _, name, value in constants]
        else:
            for entry, carried in _of_layer(pair, constants, known, graph.dtype[pair.output]):
                ledger.enter(entry, carried)
    traced = {entry.constant for entry in ledger.entries}
    ledger.untraced = [name for name in met if name not in traced]
    read = {name for op in graph.operation.values() for name in op.reads} & set(program.constants)
    floats = [name for name, value in program.constants.items() if value.dtype.name in FORMATS]
    packed = {name for op in program.compressed.values() for name in op.reads}
    ledger.unread = [name for name in floats if name not in read | packed]
    ledger.arguments = len(read.difference(floats))
    ledger.entries = [_with_storage(entry, program) for entry in ledger.entries]
    return ledger


def _with_storage(entry, program):
    """The entry of a compressed constant says so: its elements are what they decompress to."""
    if entry.constant not in program.compressed:
        return entry
    operation = program.compressed[entry.constant]
    types = [f"{key} {program.stored[n]}" for key, n in operation.inputs.items() if n in program.stored]
    stored = operation.type + (f" ({', '.join(types)})" if types else "")
    return replace(entry, stored=stored, note=f"{entry.note}, stored as {stored}" if entry.note else "")


def _expected(pair, known):
    """(role, checkpoint key or number) of every constant that a layer's operation should carry."""
    if pair.source == "folded":  # the convolution before scales and adds the mean
        return [("weight", "conv_last.weight"), ("bias", "conv_last.bias")]
    if pair.layer == ":absolute_position":
        return [("y", "absolute_pos_embed")]
    expected = EXPECTED.get(pair.operator, {})
    keys = [(role, f"{pair.layer}.{m}" if isinstance(m, str) else m) for role, m in expected.items()]
    return [(role, key) for role, key in keys if key in known or not isinstance(key, str)]


def _of_layer(pair, constants, known, dtype):
    """(entry, what the golden side carries) of every constant that a layer's operation should carry."""
    for role, key in _expected(pair, known):
        exact = np.asarray(known.get(key, key), np.float64)
        factor, mean = _folded(pair, role, known)
        name, value = _claim(constants, role, exact)
        if value is None and str(key).endswith(":bias.value"):  # gathered when the program runs, not by the converter
            key = f"{pair.layer.removesuffix(':bias')}.relative_position_bias_table"
            exact = np.asarray(known[key], np.float64)
            name, value = _claim(constants, "x", exact)
        entry, carried = _hold(pair.layer, str(key), exact, name, value, dtype, factor, mean)
        yield entry, {key: (carried - mean) / factor} if key in known else {}


def _of_sense(layer, sense, carried):
    """The same of a constant of the shift and scaling of colours."""
    held = (sense.name, sense.value, sense.dtype, sense.factor)
    entry, stored = _hold(layer, sense.expression, sense.exact, *held)
    return entry, {sense.key: sense.carried(stored, carried)}


def _folded(pair, role, known):
    """(factor, summand) that a converter has folded into a constant: of the scaling and the mean behind conv_last."""
    if pair.source != "folded":
        return 1.0, NOTHING
    return known[":denormalise.factor"], np.ravel(known[":denormalise.value"]) if role == "bias" else NOTHING


def _rolls(pair, program, operations, known):
    """The index lists of a cyclic shift of (B, H, W, C), where a converter rolls by gathering."""
    for op in operations:
        constants = [program.constant_of(op, role) for role in ("axis", "indices")]
        if op.type != "gather" or None in constants:
            continue
        axis, indices = constants
        key = f"{pair.layer}.{ {1: 'rows', 2: 'columns'}.get(int(axis.value)) }"
        if key in known and indices.value.shape == known[key].shape:
            wrong = np.flatnonzero(indices.value % len(known[key]) != known[key])
            note = ""
            if wrong.size:
                i = wrong[0]
                note = f"{indices.name}[{i}] is {indices.value[i]}, expected {key}[{i}] = {known[key][i]}"
            yield Entry(pair.layer, key, indices.name, indices.dtype, wrong.size, note)


def _bound(layer, name, value):
    """A constant of a clip that is spread over several operations."""
    good = np.isin(value, [0.0, 1.0]) | (np.abs(value) >= FLOAT16.largest)  # no bound: infinity or as good as
    note = "" if good.all() else f"{name} is {value[~good].flat[0]:.6g}, expected 0, 1 or no bound"
    return Entry(layer, "0 or 1", name, value.dtype.name, int(np.count_nonzero(~good)), note)


def _constants_of(program, operations):
    """(role, name, array) of every floating-point constant that some operations read."""
    found = []
    for op in operations:
        for role in op.inputs:
            constant = program.constant_of(op, role)
            if constant is not None and constant.dtype in FORMATS and (op.type, role) not in UNREAD:
                found.append((role, constant.name, constant.value))
    return found


def _claim(constants, role, exact):
    """The constant in the named role; else the one of its size that is nearest, where a layer is several operations."""
    sized = [(found, name, value) for found, name, value in constants if value.size == exact.size]
    named = [(name, value) for found, name, value in sized if found == role]
    if named and (exact.size > 1 or len(sized) == 1):
        return named[0]
    if len(sized) == 1 and exact.size > 1:
        return sized[0][1:]
    near = [(relative_rms(exact.ravel(), value.ravel()), found != role, name, value) for found, name, value in sized]
    distance, _, name, value = min(near, key=lambda found: found[:2], default=(np.inf, False, "", None))
    return (name, value) if distance < NEAR else (named or [("", None)])[0]


def _hold(layer, key, exact, name, value, dtype, factor=1.0, mean: np.ndarray = NOTHING):
    """Compare one constant with its expression, exact * factor + mean: (entry, what the golden side carries)."""
    with np.errstate(over="ignore"):
        single = exact.astype(np.float32) * np.float32(factor) + mean.astype(np.float32)  # as converters compute
    exact = exact * factor + mean
    stored = value.dtype.name if value is not None else dtype
    fmt = FORMATS[stored]
    with np.errstate(over="ignore"):
        rounded = exact.astype(stored).astype(np.float64)
    if value is None:  # a converter may drop a bias that rounds to nothing
        wrong = int(np.count_nonzero(rounded))
        note = f"{key} is not in the package" if wrong else ""
        return Entry(layer, key, "", stored, wrong, note), rounded
    found = value.astype(np.float64).reshape(exact.shape)  # converters reshape biases; their values tell the order
    with np.errstate(over="ignore"):
        good = (found == rounded) | (found == single.astype(stored))
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
