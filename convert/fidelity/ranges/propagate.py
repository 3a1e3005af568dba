"""Through a program in execution order: bounds of every value, for every image."""

import numpy as np

from ....refimpl.errors import BadInput
from ...mil.ops import OPERATORS
from ...mil.step import UNFIT
from . import RULES
from .bounds import Bounds, bounds, stored, unbounded
from .mixtures import BY_OPSET
from .moves import MOVES


def propagate(program):
    """Bounds of the value of every operation.

    What they hold for: images in [0, 1] (in [0, 255] where the package declares an image); the operator's exact
    result rounded to nearest into its declared type, or not rounded; computed in float32 or finer, sums in any order.
    And only as long as no operator before overflowed: bounds beyond a format are carried on as if it held them.

    Parameters
    ----------
    program : Program
        With fixed input shapes.

    Yields
    ------
    operation : Operation
    arguments : dict of str to (Bounds or ndarray or str or tuple)
    results : tuple of Bounds or ndarray
        One per output. ndarray: the value does not depend on the image.

    Raises
    ------
    BadInput
        When an input has no fixed shape.
    """
    values = {feature.name: _any_image(feature) for feature in program.inputs}
    values |= {f.name: unbounded(f.shape, f"state {f.name!r} may hold anything") for f in program.states}
    values |= {name: _constant(value) for name, value in program.constants.items()}
    last = {name: i for i, op in enumerate(program.operations) for name in op.reads}
    for index, operation in enumerate(program.operations):
        arguments = {
            parameter: tuple(values[name] for name in names) if isinstance(names, tuple) else values[names]
            for parameter, names in operation.inputs.items()
        }
        with np.errstate(all="ignore"):  # an overflow of float64 is a bound like any other
            results = _results(operation, arguments, program.opset_number)
        values |= {output.name: result for output, result in zip(operation.outputs, results, strict=True)}
        yield operation, arguments, results
        for name in operation.reads:
            if last[name] == index:
                values.pop(name, None)


def _several(names):
    return names if isinstance(names, tuple) else (names,)


def _any_image(feature):
    if None in feature.shape:
        raise BadInput(f"input {feature.name!r} has shape {feature.shape}, expected fixed sizes; export it with a size")
    return Bounds(np.zeros(feature.shape), np.full(feature.shape, 255.0 if feature.image else 1.0))


def _constant(value):
    """As operators want it: text as str; numbers as float64, which holds all of them."""
    if value.dtype.kind == "U":
        return value.item() if value.ndim == 0 else tuple(value.tolist())
    return value.astype(np.float64) if value.dtype.kind == "f" else value


def _results(operation, arguments, opset):
    """Bounds of every output."""
    operator = OPERATORS.get(operation.type)
    flat = [part for value in arguments.values() for part in _several(value)]
    if not any(isinstance(part, Bounds) for part in flat) and not _rounds(operation) and operator:
        return _each(operator.at(opset).function(**arguments), operation)
    vague = next((part.unbounded for part in flat if isinstance(part, Bounds) and part.unbounded), "")
    if vague:
        return tuple(unbounded(output.shape, vague) for output in operation.outputs)
    moved = operation.type in MOVES
    if operator and operator.by_opset and (moved or operation.type in BY_OPSET):  # rules that ask the operator itself
        arguments = arguments | {"opset": opset}
    try:
        found = RULES[operation.type](**_boxed(arguments)) if operation.type in RULES else None
    except UNFIT as error:
        raise BadInput(f"{operation} cannot be bounded ({error}); export it again") from error
    if found is None:
        reason = f"no rule for {operation}"
        return tuple(unbounded(output.shape, reason) for output in operation.outputs)
    pairs = zip(_each(found, operation), operation.outputs, strict=True)
    return tuple(_finished(result, output.dtype, moved, operation) for result, output in pairs)


def _rounds(operation):
    """Whether an operation on constants gives a floating number: its rounding depends on who computes it."""
    return operation.type not in MOVES and any(output.dtype.startswith("float") for output in operation.outputs)


def _boxed(arguments):
    """The first operand as Bounds, wherever it comes from: a rule need not ask."""
    if isinstance(arguments.get("x"), np.ndarray):
        return arguments | {"x": bounds(arguments["x"])}
    return arguments


def _each(results, operation):
    results = results if isinstance(results, tuple) else (results,)
    if len(results) != len(operation.outputs):
        raise BadInput(f"{operation} gives {len(results)} values, not {len(operation.outputs)}; export it again")
    return results


def _finished(result, dtype, moved, operation):
    """Stored, or unbounded where a bound is not finite."""
    if not isinstance(result, Bounds) or result.unbounded:
        return result
    result = stored(result, dtype, moved)
    if np.isfinite(result.low).all() and np.isfinite(result.high).all():
        return result
    return unbounded(result.shape, f"{operation} has no finite bound")
