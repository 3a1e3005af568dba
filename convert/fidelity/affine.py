"""Shift and scaling of colours, y = (x - mean) range, and back, y = x / range + mean, in every honest spelling."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

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

    Nothing is said of a layer with several sums or several scalings that do something: what each should be is open.

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
    found = [(i, op, _constant(op, program)) for i, op in enumerate(operations) if op.type in AFFINE]
    found = [(i, op, constant) for i, op, constant in found if constant is not None]
    scales, sums = (_of_kind(found, kind, idle) for kind, idle in ((SCALES, 1), (SUMS, 0)))
    if len(scales) > 1 or len(sums) > 1:
        return []
    senses = [_scale(layer, op, constant, known) for _, op, constant in scales]
    for i, op, constant in sums:
        after = any(place < i for place, _, _ in scales)
        senses.append(_sum(layer, op, constant, known, scaled=bool(scales) and after == (layer == ":normalise")))
    return senses


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
