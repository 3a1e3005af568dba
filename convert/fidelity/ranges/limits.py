"""Magnitudes that half precision values must not exceed, and the operators that each concerns."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ....refimpl.numerics.formats import FLOAT16, NEURAL_ENGINE_LARGEST, NEURAL_ENGINE_SLICE_LARGEST
from ...mil.operation import Operation

REPORTED = "reported in arXiv:2606.22283, a hypothesis"
_MULTIPLY_ACCUMULATE = ("conv", "conv_transpose", "linear", "matmul", "einsum")


@dataclass(frozen=True)
class Limit:
    """A magnitude that half precision values of some operators must not exceed.

    Attributes
    ----------
    name, source : str
    largest : float
    watched : callable
        Operation, constants -> name of the variable that must stay within, None when the limit does not concern it.
    reached : bool
        The magnitude itself is too large already.
    """

    name: str
    largest: float
    source: str
    watched: Callable[[Operation, dict], str | None]
    reached: bool = False

    def exceeded(self, magnitude):
        """Whether a magnitude is too large."""
        return magnitude >= self.largest if self.reached else magnitude > self.largest


def _stored(operation, constants):
    return operation.outputs[0].name


def _accumulated(operation, constants):
    return operation.outputs[0].name if operation.type in _MULTIPLY_ACCUMULATE else None


def _sliced(operation, constants):
    """The operand of a slice along the last axis that does not begin at 0; later parts of a split are such slices."""
    source = operation.inputs.get("x")
    if operation.type in ("slice_by_index", "slice_by_size"):
        begin = constants.get(operation.inputs["begin"])
        mask = constants.get(operation.inputs.get("begin_mask"))
        if begin is not None and (np.ravel(begin)[-1] == 0 or (mask is not None and np.ravel(mask)[-1])):
            return None
        return source
    if operation.type == "split":
        rank, axis = len(operation.outputs[0].shape), constants.get(operation.inputs["axis"])
        return source if axis is None or int(axis) % rank == rank - 1 else None
    return None


LIMITS = (
    Limit("65504", FLOAT16.largest, "fp16's largest number, IEEE 754", _stored),
    Limit(
        "32768",
        NEURAL_ENGINE_LARGEST,
        f"where the Neural Engine's multiply-accumulate output saturates, {REPORTED}",
        _accumulated,
        True,
    ),
    Limit("4094", NEURAL_ENGINE_SLICE_LARGEST, f"slices along the width on M1 and A14, {REPORTED}", _sliced),
)
HALF = LIMITS[0]
