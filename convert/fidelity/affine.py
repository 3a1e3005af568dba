"""Shift and scaling of colours, y = (x - mean) range, and back, y = x / range + mean, in every honest spelling."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...refimpl.numerics.formats import FORMATS
from .interface import FROM_BYTES, TO_BYTES

SUMS = {"add": 1, "sub": -1}  # MIL operator: sign of its constant
SCALES = {"mul": "{}.factor", "real_div": "{}.divisor"}  # MIL operator: what its constant is
AFFINE = {*SUMS, *SCALES}
INVERSE = {":normalise": ":denormalise", ":denormalise": ":normalise"}
INVERSE |= {FROM_BYTES: TO_BYTES, TO_BYTES: FROM_BYTES}


@dataclass(frozen=True)
class Sense:
    """What a constant of such an operation stands for.

    Attributes
    ----------
    name, dtype : str
        Of the constant, as it is stored.
    value : ndarray
    expression : str
        What it should be, for a reader.
    exact : ndarray
        A number of the golden model, and
    factor : float
        what it is to be multiplied by.
    key : str
        What the golden side carries instead of its own number, and
    carried : callable
        how that follows from the stored constant; it takes what is carried already.
    """

    name: str
    dtype: str
    value: np.ndarray
    expression: str
    exact: np.ndarray
    factor: float
    key: str
    carried: Callable


def senses(layer, operations, program, known):
    """What the constants of a layer's sums and scalings stand for, the scalings first.

    Nothing is said of a layer with several sums or several scalings that do something: what each should be is open, and
    `whole` tells what they do together.

    Parameters
    ----------
    layer : str
        ":normalise" or ":denormalise"; ":from_bytes" or ":to_bytes", where the mean is 0.
    operations : list of Operation
        In execution order.
    program : Program
    known : dict of str to ndarray
        The golden model's numbers.

    Returns
    -------
    list of Sense
    """
    found = [(i, op, _constant(op, program)) for i, op in enumerate(operations) if _of_numbers(op)]
    found = [(i, op, constant) for i, op, constant in found if constant is not None]
    scales, sums = (_of_kind(found, kind, idle) for kind, idle in ((SCALES, 1), (SUMS, 0)))
    if len(scales) > 1 or len(sums) > 1:
        return []
    senses = [_scale(layer, op, constant, known) for _, op, constant in scales]
    for i, op, constant in sums:
        after = any(place < i for place, _, _ in scales)
        senses.append(_sum(layer, op, constant, known, scaled=bool(scales) and after == (layer == ":normalise")))
    return senses


@dataclass(frozen=True)
class Whole:
    """What several sums and scalings do together, factor x + value.

    Attributes
    ----------
    constants : tuple of Constant
    factor, value : ndarray of float64
    factor_slack, value_slack : ndarray of float64
        What rounding every constant to its type explains of them.
    """

    constants: tuple
    factor: np.ndarray
    value: np.ndarray
    factor_slack: np.ndarray
    value_slack: np.ndarray

    def holds(self, factor, value):
        """Whether they are these, but for rounding."""
        near = np.abs(self.factor - factor) <= self.factor_slack, np.abs(self.value - value) <= self.value_slack
        return bool(np.all(near[0]) and np.all(near[1]))


def whole(operations, program):
    """The Whole of some operations in a row; None where a constant is missing or divided."""
    factor, value, size = np.ones(()), np.zeros(()), np.zeros(())
    constants = []
    for op in [op for op in operations if _of_numbers(op)]:
        constant = _constant(op, program)
        if constant is None or (op.type == "real_div" and program.constant_of(op, "x")):
            return None
        constants.append(constant)
        number = constant.value.astype(np.float64)
        if op.type in SCALES:
            number = 1 / number if op.type == "real_div" else number
            factor, value, size = factor * number, value * number, size * np.abs(number)
        elif op.type == "sub" and program.constant_of(op, "x"):
            factor, value, size = -factor, number - value, size + np.abs(number)
        else:
            value, size = value + SUMS[op.type] * number, size + np.abs(number)
    off = np.expm1(len(constants) * np.log1p(max(FORMATS[c.dtype].unit_roundoff for c in constants)))  # (1 + u)^n - 1
    return Whole(tuple(constants), factor, value, off * np.abs(factor), off * size)


def expected(layer, known):
    """(factor, value) of a layer, and how the golden side carries others instead: key -> function of the two."""
    factor, value = known[f"{layer}.factor"], known[f"{layer}.value"]
    keys = {f"{layer}.factor": lambda f, v: f, f"{layer}.value": lambda f, v: v}
    if layer != ":normalise":
        return factor, value, keys
    return factor, -value * factor, keys | {f"{layer}.value": lambda f, v: -v / f}


def _of_numbers(operation):
    """Not arithmetic on sizes."""
    return operation.type in AFFINE and operation.outputs[0].dtype in FORMATS


def _constant(operation, program):
    return program.constant_of(operation, "y") or program.constant_of(operation, "x")


def _of_kind(found, kind, idle):
    """Those that do something; where none does, the first."""
    own = [entry for entry in found if entry[1].type in kind]
    return [entry for entry in own if np.any(entry[2].value != idle)] or own[:1]


def _scale(layer, operation, constant, known):
    """A factor; a divisor is the factor of the way back."""
    key, divides = f"{layer}.factor", operation.type == "real_div"
    exact = known[f"{INVERSE[layer]}.factor" if divides else key]
    expression = SCALES[operation.type].format(layer)
    return Sense(*_stored(constant), expression, exact, 1.0, key, lambda c, _: 1 / c if divides else c)


def _sum(layer, operation, constant, known, scaled):
    """The mean, taken away or added; multiplied by the range where it meets numbers of that range."""
    key, ranged = f"{layer}.value", f"{layer}.factor"
    sign = SUMS[operation.type] * (-1 if layer == ":normalise" else 1)
    expression = ("-" if sign < 0 else "") + key + (" * range" if scaled else "")
    range_of = layer if layer == ":normalise" else INVERSE[layer]
    size = float(known[f"{range_of}.factor"]) if scaled else 1.0

    def carried(stored, held):
        factor = held.get(ranged, known[ranged]) if scaled else 1.0
        return sign * stored * (factor if layer == ":denormalise" else 1 / factor)

    return Sense(*_stored(constant), expression, known[key], sign * size, key, carried)


def _stored(constant):
    return constant.name, constant.dtype, constant.value
