"""The constants of a package, each held bit for bit against the expression of the checkpoint that it stands for."""

from dataclasses import dataclass, field, replace

import numpy as np

from ...refimpl.metrics import relative_rms
from ...refimpl.numerics.formats import FLOAT16, FORMATS
from .affine import expected, senses, whole
from .entry import NOTHING, Entry, hold
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
UNREAD = {("pad", "constant_val")}  # MIL operator and parameter: a reflecting pad has one and does not use it


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
            single = senses(pair.layer, operations, program, known)
            for sense in single:
                ledger.enter(*_of_sense(pair.layer, sense, ledger.carried))
            if not single:
                for entry, carried in _of_whole(pair.layer, whole(operations, program), known):
                    ledger.enter(entry, carried)
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
        entry, carried = hold(pair.layer, str(key), exact, name, value, dtype, factor, mean)
        yield entry, {key: (carried - mean) / factor} if key in known else {}


def _of_sense(layer, sense, carried):
    """The same of a constant of the shift and scaling of colours: one for all channels, or one for each."""
    value, exact = sense.value, sense.exact
    if value.size != exact.size:
        value, exact = np.broadcast_arrays(value, exact)
    entry, stored = hold(layer, sense.expression, exact, sense.name, value, sense.dtype, sense.factor)
    return entry, {sense.key: sense.carried(stored, carried)}


def _of_whole(layer, found, known):
    """The same of several sums and scalings in a row, which only together stand for something."""
    if found is None:
        return
    factor, value, keys = expected(layer, known)
    right = found.holds(factor, value)
    does, should = (f"{_shown(f)} x + {_shown(v)}" for f, v in ((found.factor, found.value), (factor, value)))
    names = ", ".join(constant.name for constant in found.constants)
    note = "" if right else f"{names} together give {does}, expected {layer} = {should}"
    for constant in found.constants:
        yield Entry(layer, f"part of {layer}", constant.name, constant.dtype, 0 if right else 1, note), {}
    if right:
        yield (
            Entry(layer, f"{layer} as a whole", "", found.constants[0].dtype),
            {key: carried(found.factor, found.value) for key, carried in keys.items()},
        )


def _shown(numbers):
    """A number, or the first of several."""
    return f"{np.ravel(numbers)[0]:.6g}"


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
