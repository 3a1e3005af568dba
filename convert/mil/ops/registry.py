"""The one registry of operators: MIL's name -> a NumPy function whose parameters have MIL's names."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

OPERATORS = {}


@dataclass(frozen=True)
class Operator:
    """How to execute one MIL operator.

    Attributes
    ----------
    function : callable
        From MIL's parameters as keyword arguments to an array, or a tuple of them. Floating results need not have
        the declared dtype: whoever calls rounds them, once.
    exact : bool
        It only moves or compares values, so half precision is not widened for it.
    parameters, required : frozenset of str
    by_opset : bool
        What it means changed between versions of Core ML: the function has a parameter ``opset`` beside MIL's, a
        number (5 is iOS15, 6 iOS16, 7 iOS17, 8 iOS18).
    """

    function: Callable
    exact: bool
    parameters: frozenset
    required: frozenset
    by_opset: bool = False

    def at(self, opset):
        """The operator as one opset means it."""
        return replace(self, function=partial(self.function, opset=opset)) if self.by_opset else self


def operator(*names, exact=False):
    """Register the decorated function under MIL's names for it.

    Parameters
    ----------
    *names : str
    exact : bool
        See Operator.

    Returns
    -------
    callable
        The decorator, which returns the function unchanged.
    """

    def register(function):
        signature = inspect.signature(function).parameters
        required = frozenset(name for name, p in signature.items() if p.default is inspect.Parameter.empty)
        for name in names:
            if name in OPERATORS:
                raise ValueError(f"operator {name} is registered twice")
            parameters = frozenset(signature) - {"opset"}
            OPERATORS[name] = Operator(function, exact, parameters, required, "opset" in signature)
        return function

    return register
