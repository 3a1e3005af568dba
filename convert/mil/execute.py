"""A program becomes a list of steps once, and runs by calling them: values live as long as something needs them."""

import math

import numpy as np

from ...refimpl.errors import BadInput, UnsupportedOperator
from .blob import HELD
from .ops import OPERATORS
from .ops.state import STATEFUL
from .record import Evidence, OpRecord
from .step import Step
from .values import MAX_ELEMENTS


def compile_steps(program, profile):
    """Bind a program to a profile.

    Parameters
    ----------
    program : Program
    profile : Profile

    Returns
    -------
    list of Step

    Raises
    ------
    UnsupportedOperator
        Naming the first operation that cannot be executed.
    BadInput
        When an operation reads what nothing before it computes.
    """
    states = {feature.name for feature in program.states}
    known = {feature.name for feature in program.inputs} | set(program.constants) | states
    for operation in program.operations:
        _check(operation, known)
        held = states.intersection(operation.reads)
        if held and operation.type not in STATEFUL:
            raise BadInput(f"{operation} takes the state {min(held)!r}, expected its value; export it again")
        for output in operation.outputs:
            if output.name in known and output.name not in states:
                raise BadInput(f"variable {output.name!r} is computed twice; the file is damaged, export it again")
            known.add(output.name)
    last = {}
    for index, operation in enumerate(program.operations):
        last.update(dict.fromkeys((*operation.reads, *(output.name for output in operation.outputs)), index))
    kept = set(program.constants) | states | {feature.name for feature in program.outputs}
    frees = [[] for _ in program.operations]
    for name, index in last.items():
        if name not in kept:
            frees[index].append(name)
    loaded = {}
    pairs = zip(program.operations, frees, strict=True)
    return [_step(operation, tuple(done), program, profile, loaded) for operation, done in pairs]


def _check(operation, known):
    """Refuse what cannot be executed."""
    operator = OPERATORS.get(operation.type)
    if operator is None:
        raise UnsupportedOperator(
            f"operator {operation} is not among the {len(OPERATORS)} that karat executes; "
            "replace it in the model, or judge this program on a device"
        )
    for parameter in operation.inputs:
        if parameter not in operator.parameters:
            raise UnsupportedOperator(f"{operation} has a parameter {parameter!r} unknown to karat; leave it out")
    absent = [parameter for parameter in operator.required if parameter not in operation.inputs]
    if absent:
        raise BadInput(f"{operation} lacks parameter {absent[0]!r}; the file is damaged, export it again")
    for name in operation.reads:
        if name not in known:
            raise BadInput(f"{operation} reads {name!r}, which nothing computes before; export it again")
    for output in operation.outputs:
        _check_output(output, operation, operator.exact)


def _check_output(output, operation, exact):
    try:
        held = (exact and output.dtype == "bfloat16") or (operation.type == "classify" and output.dtype == "dictionary")
        np.dtype(HELD[output.dtype] if held else output.dtype)
    except TypeError as error:
        raise UnsupportedOperator(f"{operation} gives {output.dtype}, which karat cannot hold; use floats") from error
    if math.prod(size for size in output.shape if size is not None) > MAX_ELEMENTS:
        raise BadInput(f"{operation} gives {output.shape}, more than {MAX_ELEMENTS} elements; use a smaller input")


def _step(operation, frees, program, profile, loaded):
    """A Step; ``loaded`` shares the converted constants between steps."""
    operator = OPERATORS[operation.type].at(program.opset_number)
    bound = {}
    for name in operation.reads:
        if name in program.constants:
            if name not in loaded:
                loaded[name] = _bindable(program.constants[name], profile)
            bound[name] = loaded[name][operator.exact]
    return Step(operation, operator, bound, frees, profile)


def _bindable(array, profile):
    """(for operators that round, for those that do not): text as str, floating values as the profile holds them."""
    if array.dtype.kind == "U":
        text = array.item() if array.ndim == 0 else tuple(array.tolist())
        return text, text
    held = profile.store(array, array.dtype.name)
    return profile.load(held), held


def run_steps(steps, values):
    """Execute.

    Parameters
    ----------
    steps : list of Step
    values : dict of str to ndarray
        Inputs; holds the outputs in the end.
    """
    for step in steps:
        step(values)
        for name in step.frees:
            del values[name]


def trace_steps(steps, values, layers, shadow):
    """Execute, and show every value before it is freed.

    Parameters
    ----------
    steps, values
        As for ``run_steps``.
    layers : dict of str to str
        Layer by variable name.
    shadow : Shadow
        The same run in float64.

    Yields
    ------
    OpRecord
    """
    for index, step in enumerate(steps):
        step(values)
        evidence = Evidence(
            step, index, {name: values[name] for name in step.operation.reads if name in values}, shadow
        )
        for output in step.operation.outputs:
            value = values[output.name]
            yield OpRecord(output.name, step.operation.type, layers.get(output.name), value, evidence)
        for name in step.frees:
            del values[name]
