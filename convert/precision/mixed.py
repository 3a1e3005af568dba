"""What coremltools makes of an ``op_selector``, on the program as data: any mixture of precisions without a converter.

A network is exported twice, once with every operator in float32 and once with every operator lowered. Every mixture
takes each operator from one of the two, and has a cast wherever a value changes its type.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from ...refimpl.errors import BadInput
from ..mil.operation import Operation
from ..mil.package import open_package
from ..mil.program import Program

HALF = ".float16"  # behind the name of a value: the same one in half precision; no name in a package has a dot
_INT16 = ("", "_cast_uint16", "_cast_int16")  # of operators with indices
# What the converter's later passes append to the name of an operator that they change.
_APPENDED = (*_INT16[1:], *(f"_cast_fp16{end}{suffix}" for end in ("", "_0") for suffix in _INT16))


@dataclass
class Recorder:
    """An ``op_selector`` that remembers which operators it was asked about.

    Attributes
    ----------
    lower : bool
        Its answer to everything.
    asked : dict of str to tuple of str
        Operator's name -> its output variables, constants left out.
    """

    lower: bool
    asked: dict = field(default_factory=dict)

    def __call__(self, op):
        """Whether to lower ``op``: coremltools' question."""
        if op.op_type != "const":
            self.asked[op.name] = tuple(output.name for output in op.outputs)
        return self.lower


def written_names(asked):
    """How operators are called in a package.

    Parameters
    ----------
    asked : dict of str to tuple of str
        From a Recorder.

    Returns
    -------
    dict of str to str
        First output variable in a package, in either precision -> operator's name when the converter asks.
    """
    from coremltools.converters.mil.mil.passes.defs.preprocess import NameSanitizer

    found, doubtful = {}, set()
    for name, outputs in asked.items():
        for written in (outputs[0], *(name + suffix for suffix in _APPENDED)):
            variable = NameSanitizer("var_").sanitize_name(written)
            if found.setdefault(variable, name) != name:
                doubtful.add(variable)
    return {variable: name for variable, name in found.items() if variable not in doubtful}


@dataclass(frozen=True)
class Forms:
    """A network in its two uniform precisions.

    Attributes
    ----------
    wide, half : Program
        Every operator in float32, every operator lowered; both take and give float32.
    names : dict of str to str
        See `written_names`.
    layers : dict of str to str
        Layer by variable of ``wide``.
    """

    wide: Program
    half: Program
    names: dict
    layers: dict

    @cached_property
    def operators(self):
        """Operation of the float32 program by operator's name, in execution order: all that can be lowered."""
        floating = [op for op in self.wide.operations if any(out.dtype == "float32" for out in op.outputs)]
        return {self.names[op.name]: op for op in floating if op.type != "cast" and op.name in self.names}

    @cached_property
    def lowered(self):
        """Their operations in the lowered program; those that do nothing may be missing there."""
        return {self.names[op.name]: op for op in self.half.operations if op.name in self.names}

    def lowered_constants(self, name):
        """Floating constants of an operator, lowered: parameter -> name in ``half.constants``."""
        found = {}
        for parameter in self.operators[name].inputs:
            ours = self.wide.constant_of(self.operators[name], parameter)
            if ours is None or ours.dtype != "float32":
                continue
            theirs = self.half.constant_of(self.lowered[name], parameter) if name in self.lowered else None
            if theirs is None:
                raise BadInput(f"operator {name} has another constant {parameter} in float16; karat cannot plan it")
            found[parameter] = theirs.name
        return found

    def kept_in(self, program):
        """Names of the operators that a package computes in float32, in execution order."""
        wide = [op for op in program.operations if op.type != "cast" and op.outputs[0].dtype == "float32"]
        kept = {self.names.get(op.name) for op in wide}
        return [name for name in self.operators if name in kept]


def export_forms(model, shape, folder):
    """Export a network with every operator in float32, and with every operator lowered.

    Parameters
    ----------
    model : Model
    shape : tuple of int
        (N, C, H, W) of the input.
    folder : Path
        Where the two packages go.

    Returns
    -------
    Forms
    """
    from ..export.coreml import export  # torch and coremltools

    keeps, lowers = Recorder(False), Recorder(True)
    wide = open_package(export(model, folder / "wide.mlpackage", shape, op_selector=keeps))
    half = open_package(export(model, folder / "half.mlpackage", shape, op_selector=lowers))
    return Forms(wide, half, written_names(keeps.asked), wide.layers())


def mixed(forms: Forms, kept: Collection[str]) -> Program:
    """The program in which the operators ``kept`` compute in float32 and all others in float16.

    Parameters
    ----------
    forms : Forms
    kept : collection of str
        Names of operators.

    Returns
    -------
    Program
        Without a file; run it as any other.
    """
    wide, build = forms.wide, _Casts(forms.wide)
    constants = wide.constants | {name + HALF: value for name, value in forms.half.constants.items()}
    for op in wide.operations:
        name = forms.names.get(op.name)
        if name in forms.operators and name not in kept:
            build.lower(op, forms.lowered_constants(name))
        else:
            build.keep(op)
    for feature in wide.outputs:
        build.value(feature.name, "float32")
    parts = (wide.path, wide.specification_version, wide.function, wide.opset, wide.inputs, wide.outputs)
    return Program(*parts, constants | build.targets, build.operations)


class _Casts:
    """Operations so far; a value is cast when something first needs it in its other type."""

    def __init__(self, wide):
        self.operations, self.constants = [], wide.constants
        self.variables = {feature.name: feature for feature in wide.inputs}
        self.shapes = {out.name: out for op in wide.operations for out in op.outputs}
        self.targets = {"to.float32": np.array("fp32"), "to.float16": np.array("fp16")}

    def value(self, name, dtype):
        """Name of the value ``name`` of the float32 program, in that type."""
        other = {"float32": name + HALF, "float16": name}[dtype]
        wanted = {"float32": name, "float16": name + HALF}[dtype]
        if wanted not in self.variables and other in self.variables:
            output = replace(self.shapes.get(name, self.variables[other]), name=wanted, dtype=dtype)
            self._add(Operation("cast", wanted, {"x": other, "dtype": f"to.{dtype}"}, (output,)))
        return wanted if wanted in self.variables else name

    def _add(self, operation):
        self.operations.append(operation)
        self.variables.update({output.name: output for output in operation.outputs})

    def _inputs(self, op, dtype):
        """The operation's inputs, floating values in that type."""

        def of(name):
            variable = self.shapes.get(name) or self.variables.get(name)
            floating = name not in self.constants and variable is not None and variable.dtype == "float32"
            return self.value(name, dtype) if floating else name

        return {k: of(v) if isinstance(v, str) else tuple(map(of, v)) for k, v in op.inputs.items()}

    def keep(self, op):
        """Add ``op`` as it is."""
        self._add(Operation(op.type, op.name, self._inputs(op, "float32"), op.outputs))

    def lower(self, op, constants):
        """Add ``op`` in float16, with its lowered constants (parameter -> name)."""
        inputs = self._inputs(op, "float16") | {parameter: name + HALF for parameter, name in constants.items()}
        pairs = [(out, out.dtype == "float32") for out in op.outputs]
        outputs = tuple(replace(out, name=out.name + HALF, dtype="float16") if f else out for out, f in pairs)
        self._add(Operation(op.type, outputs[0].name, inputs, outputs))
