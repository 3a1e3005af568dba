"""Compressed weights become plain constants once, when a package is opened."""

from ...refimpl.errors import BadInput
from .ops import OPERATORS
from .profiles import profile_named
from .step import Step

PREFIX = "constexpr_"


def decompress(operations, constants):
    """Compute every constant that a package stores compressed, in its declared type.

    Parameters
    ----------
    operations : list of Operation
        In execution order.
    constants : dict of str to ndarray
        As stored; not changed.

    Returns
    -------
    operations : list of Operation
        Without those that decompress. An unknown one stays: it is refused when the program runs, not when it is opened.
    constants : dict of str to ndarray
        What is stored, and what it decompresses to; read-only.
    compressed : dict of str to Operation
        Which operation a decompressed constant comes from.

    Raises
    ------
    BadInput
        When the parameters of one do not fit each other.
    """
    values, left, compressed = dict(constants), [], {}
    typed = profile_named("fp32-accumulate")
    for operation in operations:
        operator = OPERATORS.get(operation.type) if operation.type.startswith(PREFIX) else None
        if operator is None or not set(operation.inputs) <= operator.parameters:
            left.append(operation)
            continue
        missing = [name for name in operation.reads if name not in values]
        if missing or operator.required - set(operation.inputs):
            reason = f"reads {missing[0]!r}, which is no constant" if missing else "lacks a parameter"
            raise BadInput(f"{operation} {reason}; the file is damaged, export it again")
        bound = {name: _argument(values[name]) for name in operation.reads}
        for name, value in Step(operation, operator, bound, (), typed).compute({}).items():
            if name in values:
                raise BadInput(f"there are two constants {name!r}; the file is damaged, export it again")
            value = value.view()
            value.flags.writeable = False
            values[name], compressed[name] = value, operation
    return left, values, compressed


def _argument(array):
    return array.item() if array.dtype.kind == "U" and array.ndim == 0 else array
