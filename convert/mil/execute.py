"""A program becomes a list of steps once, and runs by calling them: values live as long as something needs them."""

import math
from dataclasses import dataclass

import numpy as np

from ...refimpl.errors import BadInput, UnsupportedOperator
from .operation import Operation
from .ops import OPERATORS, Operator
from .profiles import Profile
from .values import MAX_ELEMENTS

# What NumPy and Python raise when parameters do not fit each other: the program is wrong then, and says where.
UNFIT = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, MemoryError)


@dataclass(frozen=True)
class OpRecord:
    """What one operator computed.

    Attributes
    ----------
    name : str
        The output variable.
    op_type : str
    layer : str or None
        The layer it came from, when the package has a sidecar that says so (see pairing.py).
    value : ndarray
        In the dtype the profile holds it in.
    """

    name: str
    op_type: str
    layer: str | None
    value: np.ndarray


@dataclass(frozen=True)
class Step:
    """One operation, ready to call.

    Attributes
    ----------
    operation : Operation
    operator : Operator
    bound : dict of str to (ndarray or str)
        Constants by name, already in the dtype of the profile.
    frees : tuple of str
        Variables that no later step reads.
    profile : Profile
    """

    operation: Operation
    operator: Operator
    bound: dict
    frees: tuple
    profile: Profile

    def __call__(self, values):
        """Compute the outputs from ``values`` and put them there."""
        operation = self.operation
        arguments = {parameter: self._argument(names, values) for parameter, names in operation.inputs.items()}
        try:
            with np.errstate(all="ignore"):  # infinities and NaN are results here, and are reported as such
                results = self.operator.function(**arguments)
        except UnsupportedOperator as error:
            raise UnsupportedOperator(f"{operation}: {error}") from error
        except UNFIT as error:
            raise BadInput(f"{operation} cannot be computed ({error}); export it again") from error
        results = results if isinstance(results, (tuple, list)) else (results,)
        if len(results) != len(operation.outputs):
            raise BadInput(f"{operation} gives {len(results)} values, not {len(operation.outputs)}; export it again")
        for output, result in zip(operation.outputs, results, strict=True):
            values[output.name] = self.profile.store(_of_shape(np.asarray(result), output, operation), output.dtype)

    def _argument(self, names, values):
        if isinstance(names, tuple):
            return tuple(self._argument(name, values) for name in names)
        if names in self.bound:
            return self.bound[names]
        return values[names] if self.operator.exact else self.profile.load(values[names])


def _of_shape(result, output, operation):
    """``result``, checked against the shape that the program declares."""
    fits = result.ndim == len(output.shape)
    if not fits or any(want not in (None, have) for have, want in zip(result.shape, output.shape, strict=True)):
        raise BadInput(f"{operation} gives {result.shape}, declared is {output.shape}; export it again")
    return result


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
    known = {feature.name for feature in program.inputs} | set(program.constants)
    for operation in program.operations:
        _check(operation, known)
        for output in operation.outputs:
            if output.name in known:
                raise BadInput(f"variable {output.name!r} is computed twice; the file is damaged, export it again")
            known.add(output.name)
    last = {}
    for index, operation in enumerate(program.operations):
        last.update(dict.fromkeys((*_reads(operation), *(output.name for output in operation.outputs)), index))
    kept = set(program.constants) | {feature.name for feature in program.outputs}
    frees = [[] for _ in program.operations]
    for name, index in last.items():
        if name not in kept:
            frees[index].append(name)
    loaded = {}
    pairs = zip(program.operations, frees, strict=True)
    return [_step(operation, tuple(done), program, profile, loaded) for operation, done in pairs]


def _reads(operation):
    """All names that an operation refers to."""
    return operation.reads()


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
    for name in _reads(operation):
        if name not in known:
            raise BadInput(f"{operation} reads {name!r}, which nothing computes before; export it again")
    for output in operation.outputs:
        _check_output(output, operation)


def _check_output(output, operation):
    try:
        np.dtype(output.dtype)
    except TypeError as error:
        raise UnsupportedOperator(f"{operation} gives {output.dtype}, which karat cannot hold; use floats") from error
    if math.prod(size for size in output.shape if size is not None) > MAX_ELEMENTS:
        raise BadInput(f"{operation} gives {output.shape}, more than {MAX_ELEMENTS} elements; use a smaller input")


def _step(operation, frees, program, profile, loaded):
    """A Step; ``loaded`` shares the converted constants between steps."""
    operator = OPERATORS[operation.type]
    bound = {}
    for name in _reads(operation):
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


def trace_steps(steps, values, layers):
    """Execute, and show every value before it is freed.

    Parameters
    ----------
    steps, values
        As for ``run_steps``.
    layers : dict of str to str
        Layer by variable name.

    Yields
    ------
    OpRecord
    """
    for step in steps:
        step(values)
        for output in step.operation.outputs:
            yield OpRecord(output.name, step.operation.type, layers.get(output.name), values[output.name])
        for name in step.frees:
            del values[name]
