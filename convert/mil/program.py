"""A Core ML program as one object: what goes in, what comes out, its constants and its operations."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...refimpl.errors import BadInput
from .execute import compile_steps, run_steps, trace_steps
from .pairing import read_pairing
from .profiles import profile_named
from .record import Shadow
from .values import Variable

NEWEST_OPSET = 9  # iOS26


@dataclass(frozen=True)
class Feature(Variable):
    """An input or output of a program.

    Attributes
    ----------
    image : str or None
        Color space ("RGB", "BGR", "GRAYSCALE") when the package declares an image: the value is then an array of
        the given shape in 0 .. 255, as the program sees it.
    """

    image: str | None = None


class Constant(NamedTuple):
    """A stored constant: its name, its array, and the dtype it is stored in."""

    name: str
    value: np.ndarray
    dtype: str


class Program:
    """A Core ML program, in memory.

    Attributes
    ----------
    path : pathlib.Path
    specification_version : int
    function : str
        Name of the function that runs.
    opset : str
        "CoreML7" is iOS17, and so on.
    inputs, outputs : list of Feature
    constants : dict of str to ndarray
        Everything stored, inline values included (named ``operation.parameter``).
    operations : list of Operation
        In execution order, without constants.

    Examples
    --------
    >>> program = open_package("m.mlpackage")  # doctest: +SKIP
    >>> program.predict({"x": np.zeros((1, 3, 64, 64), np.float32)})["y"].shape  # doctest: +SKIP
    (1, 3, 128, 128)
    """

    def __init__(self, path, specification_version, function, opset, inputs, outputs, constants, operations):
        self.path, self.specification_version, self.function, self.opset = path, specification_version, function, opset
        self.inputs, self.outputs, self.constants, self.operations = inputs, outputs, constants, operations
        self._producers = {output.name: operation for operation in operations for output in operation.outputs}
        self._steps = {}  # by profile name

    @property
    def opset_number(self):
        """7 for "CoreML7"; for a name that nobody knows, the newest number that there is."""
        digits = self.opset.removeprefix("CoreML")
        return min(int(digits), NEWEST_OPSET) if digits.isdecimal() else NEWEST_OPSET

    def producer(self, name):
        """The Operation that computes a variable; None for inputs and constants."""
        return self._producers.get(name)

    def constant_of(self, operation, parameter):
        """The stored constant behind a parameter.

        Parameters
        ----------
        operation : Operation
        parameter : str

        Returns
        -------
        Constant or None
            Looks through casts: what is returned is what the package stores. None when the parameter is absent,
            takes several values, or is computed from an input.
        """
        name = operation.inputs.get(parameter)
        while name in self._producers and self._producers[name].type == "cast":
            name = self._producers[name].inputs.get("x")
        if not isinstance(name, str) or name not in self.constants:
            return None
        return Constant(name, self.constants[name], self.constants[name].dtype.name)

    def predict(self, inputs, profile="fp32-accumulate"):
        """Run the program.

        Parameters
        ----------
        inputs : dict of str to array_like
            One array per input, of its shape; the dtype is converted to the declared one, as Core ML does.
        profile : str
            Arithmetic: "fp32-accumulate" (fp16 values are computed on in fp32 and rounded once when stored),
            "float32" or "float64" (every floating value is held and computed in that, floating casts do nothing).

        Returns
        -------
        dict of str to ndarray

        Raises
        ------
        UnsupportedOperator
            When the program has an operator that karat cannot execute.
        BadInput
            For wrong names, shapes, or profile.
        """
        chosen = profile_named(profile)
        values = self._bind(inputs, chosen)
        run_steps(self.compiled(chosen), values)
        return {feature.name: values[feature.name] for feature in self.outputs}

    def trace(self, inputs, profile="fp32-accumulate"):
        """Run the program and yield the value of every operation.

        Parameters
        ----------
        inputs, profile
            As for ``predict``.

        Yields
        ------
        OpRecord
            In execution order; an operator with several outputs (split) gives one record for each. A value is freed
            when nothing needs it any more, so keep only what you want. Asking each record for its ``shadow`` before
            the next one runs the program a second time in float64, beside the first.

        Raises
        ------
        UnsupportedOperator, BadInput
            As ``predict``, at the call and not at the first value.
        """
        chosen, exact = profile_named(profile), profile_named("float64")
        shadow = Shadow(lambda: (self.compiled(exact), self._bind(inputs, exact)))
        return trace_steps(self.compiled(chosen), self._bind(inputs, chosen), self.layers(), shadow)

    def layers(self):
        """Layer name by variable name, from the sidecar beside the package; empty when there is none."""
        return {name: entry["layer"] for name, entry in read_pairing(self.path).items()}

    def compiled(self, profile):
        """The operations bound to a Profile: a list of Step, kept for the next run."""
        if profile.name not in self._steps:
            self._steps[profile.name] = compile_steps(self, profile)
        return self._steps[profile.name]

    def _bind(self, inputs, profile):
        """Initial values: checked inputs, and the constants that are outputs."""
        known = [feature.name for feature in self.inputs]
        for name in inputs:
            if name not in known:
                raise BadInput(f"there is no input {name!r}, the program takes {known}; rename it")
        missing = [name for name in known if name not in inputs]
        if missing:
            raise BadInput(f"input {missing[0]!r} is missing, the program takes {known}; give it an array")
        values = {feature.name: _checked(inputs[feature.name], feature, profile) for feature in self.inputs}
        for feature in self.outputs:
            if feature.name in self.constants:
                values[feature.name] = profile.store(self.constants[feature.name], feature.dtype)
        return values


def _checked(value, feature, profile):
    """An input array in the shape and dtype that the program declares."""
    array = np.asarray(value)
    if array.dtype.kind not in "buif":
        raise BadInput(f"input {feature.name!r} has dtype {array.dtype}, expected {feature.dtype}; convert it")
    fits = array.ndim == len(feature.shape)
    fits = fits and all(want in (None, have) for have, want in zip(array.shape, feature.shape, strict=True))
    if not fits:
        raise BadInput(
            f"input {feature.name!r} has shape {array.shape}, the program takes {feature.shape}; crop or pad it to that"
        )
    return profile.store(array, feature.dtype)
