"""The smallest part of a package that shows its first defect, with inputs, and with what it should give.

A defect of the package (structure, constant) is shown in float64: the operations between the layers before and the
culprit run on the golden layers, where an honest package gives the next golden layer. Operations behind a variable are
cut off when they turn a golden layer that was not found into the layer that was: then that variable should have been
it. Further inside no value is known to be right: there is only what the suspected operations give.

A defect of the arithmetic and an overflow are shown in the types of the package: there every operator has its own
float64 recomputation from the recorded inputs, and the first that is off by more than its bound is shown alone.
"""

import io
import os
import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...refimpl.errors import BadInput
from ..mil.extract import extract
from ..mil.program import Program
from ..mil.write import write_package
from .graph import Graph
from .interface import interface
from .judge import DEFECT, OVERFLOW
from .rounding import compare
from .structure import stress


@dataclass(frozen=True)
class SubProgram:
    """A part of a package and what it should compute.

    Attributes
    ----------
    layer : str
        Golden layer that the part computes.
    program : Program
    inputs, expected : dict of str to ndarray
        By variable name.
    profile : str
        Arithmetic in which it shows the defect.
    """

    layer: str
    program: Program
    inputs: dict
    expected: dict
    profile: str

    def compare(self):
        """Run it: a list of `Difference`, one per output."""
        return compare(self.program, self.inputs, self.expected, self.profile)

    @property
    def shows(self):
        """Whether running it here gives something else than expected."""
        return not all(difference.agrees for difference in self.compare())


def isolate(verdict, model, program, x, layer=None):
    """Cut the smallest part of a package that shows a defect out of it.

    Parameters
    ----------
    verdict : Verdict
        Of `verify` on the other arguments.
    model : Model
    program : Program
    x : ndarray, (N, C, H, W)
        A second input is tried where this one does not show the defect.
    layer : str, optional
        The layer to cut out; the culprit by default. One of an honest package agrees.

    Returns
    -------
    SubProgram or None
        None when the verdict has no defect or overflow, and no layer is named.

    Raises
    ------
    BadInput
        When the verdict has no such layer.
    """
    through = interface(program, Graph(program))
    model, second = through.around(model), through.enter(stress(x.shape))
    x = through.enter(np.asarray(x, np.float64))
    names = [row.layer for row in verdict.rows]
    if layer is None:
        culprit = verdict.culprit
        if culprit is None or verdict.faithful is not False:
            return None
        layer = culprit.layer
    if layer not in names:
        raise BadInput(f"the verdict has no layer {layer!r}; name one of its rows")
    wrong, *after = verdict.rows[names.index(layer) :]
    row = next((row for row in (wrong, *after) if row.variable), None)  # of a missing layer: what comes out different
    if row is None:
        raise BadInput(f"no operation behind {layer!r} was found in the package; there is nothing to cut out")
    before = {r.variable: r.layer for r in verdict.rows[: names.index(row.layer)] if r.variable}
    missing = names[names.index(layer) : names.index(row.layer)]
    if wrong.verdict == OVERFLOW or (wrong.verdict == DEFECT and wrong.kind == "arithmetic"):
        return _by_operator(program, row, before, x, verdict.profile)
    carrying = model.carrying(verdict.ledger.carried)
    for picture in (x, second):
        part = _by_layer(program, carrying, row, before, missing, picture)
        if part.shows:
            break
    return part


def _by_layer(program, carrying, row, before, missing, x):
    """The operations from the layers before to this one, or to one that is missing before it, on golden values."""
    part = extract(program, [row.variable], before)
    needed = {before[feature.name] for feature in part.inputs if feature.name in before} | {row.layer, *missing}
    golden, value = {}, x
    for name, value in carrying.trace(x):
        if name in needed:
            golden[name] = value
    golden.setdefault(":output", value)
    inputs = {f.name: golden[before[f.name]] if f.name in before else x for f in part.inputs}
    whole = _sized(program, row.layer, part, inputs, {row.variable: golden[row.layer]}, "float64")
    shorter = (_ending_at(program, whole, layer, golden[layer]) for layer in missing) if whole.shows else ()
    return next((found for found in shorter if found), whole)


def _ending_at(program, whole, layer, value):
    """The part of ``whole`` that should have computed a missing layer: what follows makes the right thing of that."""
    (output,) = whole.expected
    for operation in whole.program.operations[:-1]:
        for variable in operation.outputs:
            rest = extract(whole.program, [output], [variable.name])
            given = {f.name: value if f.name == variable.name else whole.inputs.get(f.name) for f in rest.inputs}
            if variable.name not in given or variable.shape != value.shape:  # not read by the rest, or another thing
                continue
            if not SubProgram(layer, rest, given, whole.expected, "float64").shows:
                part = extract(whole.program, [variable.name])
                inputs = {feature.name: whole.inputs[feature.name] for feature in part.inputs}
                return _sized(program, layer, part, inputs, {variable.name: value}, "float64")
    return None


def _by_operator(program, row, before, x, profile):
    """The first operation of a layer that is off by more than its bound from its own inputs; without one, all."""
    part = extract(program, [row.variable], before)
    first = next((found.name for found in row.operators if found.wrong), None)
    if first is not None:
        others = {output.name for operation in part.operations for output in operation.outputs}
        part = extract(program, [first], (others - {first}) | set(before))
    needed = {feature.name for feature in part.inputs}
    given = {feature.name: x for feature in program.inputs}
    inputs = {name: value for name, value in given.items() if name in needed}
    inputs |= {r.name: r.value for r in program.trace(given, profile=profile) if r.name in needed}
    return _sized(program, row.layer, part, inputs, part.predict(inputs, profile="float64"), profile)


def _sized(program, layer, part, inputs, expected, profile):
    """A SubProgram whose inputs and outputs have the sizes of their values, whatever the package leaves open."""
    found = part.predict(inputs, profile=profile)
    shapes = {name: value.shape for name, value in (inputs | found).items()}
    sized = extract(program, list(found), [feature.name for feature in part.inputs], shapes)
    return SubProgram(layer, sized, {name: np.asarray(inputs[name]) for name in inputs}, expected, profile)


def check_folder(folder):
    """To be asked before any work is done: a new folder can be made there.

    Raises
    ------
    BadInput
    """
    folder = Path(folder)
    taken = folder.is_symlink() or (any(folder.iterdir()) if folder.is_dir() else folder.exists())
    if taken:
        raise BadInput(f"{folder} exists and is not empty, expected a new folder; choose another name")
    if not folder.absolute().parent.is_dir() or not os.access(folder.absolute().parent, os.W_OK):
        raise BadInput(f"the folder {folder.parent} cannot be written to, expected one that can; make it first")


def write_culprit(verdict, model, program, x, folder):
    """Write the smallest part of a package that shows its first defect: a package, inputs, and what it should give.

    Parameters
    ----------
    verdict, model, program, x
        As for `isolate`.
    folder : path_like
        New or empty; appears as a whole, with ``culprit.mlpackage``, ``inputs.npz`` and ``expected.npz``.

    Returns
    -------
    SubProgram or None
        None, and nothing is written, when the verdict has no defect or overflow.

    Raises
    ------
    BadInput
        When the folder is taken or cannot be written.
    """
    check_folder(folder)
    found = isolate(verdict, model, program, x)
    if found is not None:
        write_sub_program(found, folder)
    return found


def write_sub_program(part, folder):
    """Write package, inputs and expected values into a new folder, which appears as a whole."""
    folder = Path(folder)
    check_folder(folder)
    with tempfile.TemporaryDirectory(dir=folder.absolute().parent, prefix=".karat-") as temporary:
        fresh = Path(temporary) / "culprit"
        fresh.mkdir()
        write_package(part.program, fresh / "culprit.mlpackage")
        for name, arrays in (("inputs.npz", part.inputs), ("expected.npz", part.expected)):
            content = io.BytesIO()
            np.savez(content, **arrays)
            (fresh / name).write_bytes(content.getvalue())
        os.replace(fresh, folder)


def command(part, folder):
    """The line to type that shows the defect.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> command(SimpleNamespace(profile="float64"), "bad")
    'karat run bad/culprit.mlpackage --input bad/inputs.npz --against bad/expected.npz --profile float64'
    """
    package, inputs, expected = (
        shlex.quote(str(Path(folder) / name)) for name in ("culprit.mlpackage", "inputs.npz", "expected.npz")
    )
    return f"karat run {package} --input {inputs} --against {expected} --profile {part.profile}"
