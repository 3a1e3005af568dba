"""A Core ML program as one object: what goes in, what comes out, its constants and its operations."""

import copy
from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ...refimpl.errors import BadInput
from .blob import HELD
from .execute import compile_steps, run_steps, trace_steps
from .features import Feature, checked, default_of
from .ops.parameters import room
from .pairing import read_pairing
from .profiles import profile_named
from .record import Shadow
from .values import enough_memory

__all__ = ["Constant", "Feature", "Program"]

NEWEST_OPSET = 9  # iOS26


class Constant(NamedTuple):
    """A constant: its name, its array, and the dtype of its elements; of a compressed one, after decompression."""

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
        Everything stored, inline values included (named ``operation.parameter``), and what compressed ones
        decompress to.
    operations : list of Operation
        In execution order, without constants.
    states : list of Feature
        Tensors that outlive a run.
    compressed : dict of str to Operation
        The operation that a decompressed constant comes from.
    stored : dict of str to str
        Core ML's name of the type that a constant is stored in ("uint4", "bfloat16" ...), of constants with a name.

    Examples
    --------
    >>> program = open_package("m.mlpackage")  # doctest: +SKIP
    >>> program.predict({"x": np.zeros((1, 3, 64, 64), np.float32)})["y"].shape  # doctest: +SKIP
    (1, 3, 128, 128)
    """

    def __init__(
        self,
        path,
        specification_version,
        function,
        opset,
        inputs,
        outputs,
        constants,
        operations,
        states=(),
        compressed=None,
        stored=None,
    ):
        self.path, self.specification_version, self.function, self.opset = path, specification_version, function, opset
        self.inputs, self.outputs, self.constants, self.operations = inputs, outputs, constants, operations
        self.states, self.compressed, self.stored = list(states), compressed or {}, stored or {}
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

    def with_constants(self, constants):
        """The same program with other values of its constants.

        Parameters
        ----------
        constants : dict of str to ndarray
            All of them, by name, in their shapes.

        Returns
        -------
        Program
        """
        other = copy.copy(self)
        other.constants, other._steps = constants, {}
        return other

    def make_state(self):
        """Every state as a program begins with it: zeros of the declared type and shape.

        Returns
        -------
        dict of str to ndarray
        """
        for feature in self.states:
            if None in feature.shape:
                raise BadInput(f"state {feature.name!r} has the flexible shape {feature.shape}; export a fixed one")
        return {f.name: np.zeros(room(f.shape), HELD.get(f.dtype, f.dtype)) for f in self.states}

    def predict(self, inputs, profile="fp32-accumulate", state=None):
        """Run the program.

        Parameters
        ----------
        inputs : dict of str to array_like
            One array per input, of its shape; the dtype is converted to the declared one, as Core ML does. An image
            may be a PIL.Image.Image. Optional inputs may be left out.
        profile : str
            Arithmetic: "fp32-accumulate" (fp16 values are computed on in fp32 and rounded once when stored),
            "float32" or "float64" (every floating value is held and computed in that, floating casts do nothing).
        state : dict of str to array_like, optional
            From ``make_state``; afterwards it holds the new values. Without, the run begins with a new one.

        Returns
        -------
        dict of str to ndarray
            A classifier's label is a str or an int, its probabilities are a dict of float by class.

        Raises
        ------
        UnsupportedOperator
            When the program has an operator that karat cannot execute.
        BadInput
            For wrong names, shapes, state, or profile.
        """
        chosen = profile_named(profile)
        with enough_memory("the input"):
            values = self.bind(inputs, chosen, state)
        run_steps(self.compiled(chosen), values)
        if state is not None:
            state.update({feature.name: values[feature.name].copy() for feature in self.states})
        return {feature.name: self._result(feature.name, values) for feature in self.outputs}

    def _result(self, name, values) -> Any:
        """An output as Core ML gives it."""
        operation = self._producers.get(name)
        if operation is None or operation.type != "classify":
            return values[name]
        label, probabilities = (output.name for output in operation.outputs)
        if name == label:
            return values[name].item()
        classes = self.constant_of(operation, "classes")
        if classes is None:
            raise BadInput(f"the classes of {operation} are computed, expected stored ones; export it again")
        return dict(zip(classes.value.tolist(), values[probabilities].tolist(), strict=True))

    def trace(self, inputs, profile="fp32-accumulate", state=None):
        """Run the program and yield the value of every operation.

        Parameters
        ----------
        inputs, profile, state
            As for ``predict``; the state is left as it is.

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
        state = None if state is None else dict(state)
        shadow = Shadow(lambda: (self.compiled(exact), self.bind(inputs, exact, state)))
        return trace_steps(self.compiled(chosen), self.bind(inputs, chosen, state), self.layers(), shadow)

    @cached_property
    def pairing(self):
        """The sidecar beside the package, read when it is first asked for: see `read_pairing`."""
        return read_pairing(self.path)

    def layers(self):
        """Layer name by variable name, from the sidecar beside the package; empty when there is none."""
        return {name: entry["layer"] for name, entry in self.pairing.items()}

    def compiled(self, profile):
        """The operations bound to a Profile: a list of Step, kept for the next run."""
        if profile.name not in self._steps:
            self._steps[profile.name] = compile_steps(self, profile)
        return self._steps[profile.name]

    def bind(self, inputs, profile, state=None):
        """Initial values by name, as the steps of ``compiled`` want them.

        Parameters
        ----------
        inputs, state
            As for ``predict``.
        profile : Profile

        Returns
        -------
        dict of str to ndarray
            Checked inputs and states, and the constants that are outputs.

        Raises
        ------
        BadInput
        """
        known = [feature.name for feature in self.inputs]
        _check_named(inputs, "inputs are")
        for name in inputs:
            if name not in known:
                raise BadInput(f"there is no input {name!r}, the program takes {known}; rename it")
        given = {f.name: default_of(f) for f in self.inputs if f.default is not None} | dict(inputs)
        missing = [name for name in known if name not in given]
        if missing:
            raise BadInput(f"input {missing[0]!r} is missing, the program takes {known}; give it an array")
        values = {feature.name: checked(given[feature.name], feature, profile) for feature in self.inputs}
        for feature in self.outputs:
            if feature.name in self.constants:
                values[feature.name] = profile.store(self.constants[feature.name], feature.dtype)
        return values | self._bind_state(state, profile)

    def _bind_state(self, state, profile):
        """Checked states; new ones when none are given."""
        state = self.make_state() if state is None else state
        _check_named(state, "state is")
        names = [feature.name for feature in self.states]
        if set(state) != set(names):
            raise BadInput(f"the state holds {sorted(state)}, the program keeps {names}; begin with make_state()")
        return {feature.name: checked(state[feature.name], feature, profile, "state") for feature in self.states}


def _check_named(arrays, what):
    if not isinstance(arrays, Mapping):
        raise BadInput(f"the {what} a {type(arrays).__name__}, expected a dict of arrays by name; give one")
