"""The one registry of operators: MIL's name -> a NumPy function whose parameters have MIL's names."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass

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
    """

    function: Callable
    exact: bool
    parameters: frozenset
    required: frozenset


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
            OPERATORS[name] = Operator(function, exact, frozenset(signature), required)
        return function

    return register
