"""What a run leaves behind of every operation: its value, and the evidence that the value is right."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ...refimpl.numerics.formats import FORMATS
from .bounds import error_bound, is_correctly_rounded
from .step import Step


class Shadow:
    """The same program in float64 from the same inputs, run as far as it is asked for.

    Parameters
    ----------
    begin : callable
        Gives (steps bound to float64, inputs in float64 by name); called when they are first needed.
    """

    def __init__(self, begin):
        self._begin = begin
        self._values, self._done = {}, 0

    @cached_property
    def steps(self):
        return self._begin()[0]

    def value(self, index, name):
        """Output ``name`` of step ``index``; asking in the order of execution runs every step once."""
        if not self._done or index < self._done - 1:
            self._values, self._done = dict(self._begin()[1]), 0
        while self._done <= index:
            if self._done:
                for freed in self.steps[self._done - 1].frees:
                    del self._values[freed]
            self.steps[self._done](self._values)
            self._done += 1
        return self._values[name]


@dataclass(frozen=True, eq=False)
class Evidence:
    """One executed operation: enough to compute it again in float64, and to bound its error.

    Attributes
    ----------
    step : Step
        As it ran.
    index : int
        Its place in the program.
    inputs : dict of str to ndarray
        The variables that it read, as they were.
    shadow : Shadow
    """

    step: Step
    index: int
    inputs: dict
    shadow: Shadow

    @cached_property
    def widened(self):
        """The inputs in float64, which is exact."""
        return {name: _wide(value) for name, value in self.inputs.items()}

    @cached_property
    def recomputed(self):
        """All outputs, computed in float64 from the inputs that it had."""
        moving = is_correctly_rounded(self.step.operation) and self.step.operator.exact  # no need to widen before
        return self.shadow.steps[self.index].compute(self.inputs if moving else self.widened)

    @property
    def decides(self):
        """Whether it rounds floating numbers to others (quantize): one unit more or less may be honest."""
        moves = is_correctly_rounded(self.step.operation)
        return not moves and any(value.dtype.kind == "f" for value in self.inputs.values())

    def bound(self, name, stored):
        """How far the output may honestly be from ``recomputed``; None where nothing is known."""
        exact = self.recomputed[name]
        arguments = self.shadow.steps[self.index].arguments(self.widened)
        held = [value.dtype.name for value in self.inputs.values() if value.dtype.kind == "f"]
        computed = [self.step.profile.computed.get(dtype, dtype) for dtype in held] or [stored.name]
        coarsest = max((FORMATS[dtype] for dtype in computed), key=lambda fmt: fmt.unit_roundoff)
        return error_bound(self.step.operation, arguments, exact, coarsest, stored)


@dataclass(frozen=True, eq=False)
class OpRecord:
    """What one operator computed.

    Everything but the first four is computed when it is first asked for. A record keeps the operator's inputs alive.

    Attributes
    ----------
    name : str
        The output variable.
    op_type : str
    layer : str or None
        The layer it came from, when the package has a sidecar that says so (see pairing.py).
    value : ndarray
        In the dtype the profile holds it in.
    wide : ndarray
        The same in float64 where it is floating.
    exact : ndarray
        What the operator gives in float64 from the inputs that it had.
    shadow : ndarray
        The value of a run that is in float64 from the beginning.
    local_error : ndarray of float64
        |value - exact|, the error made here; zero where both are the same infinity or no number.
    bound : ndarray of float64, or None
        The largest honest local error under the profile (`karat.refimpl.numerics.bounds`); None where the operator has
        no known one.
    """

    name: str
    op_type: str
    layer: str | None
    value: np.ndarray
    evidence: Evidence = field(repr=False)

    @cached_property
    def wide(self):
        return _wide(self.value)

    @property
    def exact(self):
        return self.evidence.recomputed[self.name]

    @cached_property
    def shadow(self):
        return self.evidence.shadow.value(self.evidence.index, self.name)

    @cached_property
    def local_error(self):
        value, exact = self.wide, self.exact
        if value.dtype.kind != "f":
            return (value != exact).astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            error = np.abs(value - exact)
            if np.isfinite(np.max(error, initial=0.0)):  # NaN would be the largest
                return error
            same = (value == exact.astype(self.value.dtype)) | (np.isnan(value) & np.isnan(exact))
        return np.where(same, 0.0, np.where(np.isnan(error), np.inf, error))

    @cached_property
    def bound(self):
        fmt = FORMATS.get(self.value.dtype.name)
        if fmt is not None:
            return self.evidence.bound(self.name, fmt)
        return None if self.evidence.decides else np.zeros(self.value.shape)

    @property
    def correctly_rounded(self):
        """Whether an honest value is the nearest number to ``exact``, bit for bit."""
        return is_correctly_rounded(self.evidence.step.operation)


def _wide(value):
    """Floating numbers in float64; others as they are."""
    return value.astype(np.float64, copy=False) if value.dtype.kind == "f" else value
