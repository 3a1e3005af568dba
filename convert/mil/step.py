"""One operation of a program, bound to its constants and to the arithmetic that it runs in."""

from dataclasses import dataclass

import numpy as np

from ...refimpl.errors import BadInput, UnsupportedOperator
from .operation import Operation
from .ops import Operator
from .profiles import Profile
from .values import AnyShape

# What NumPy and Python raise when parameters do not fit each other: the program is wrong then, and says where.
UNFIT = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, MemoryError)


@dataclass(frozen=True)
class Step:
    """One operation, ready to call.

    Attributes
    ----------
    operation : Operation
    operator : Operator
    bound : dict of str to (ndarray or str)
        Constants by name, already in the dtype of the profile.
    frees : tuple of str
        Variables that no later step reads.
    profile : Profile
    """

    operation: Operation
    operator: Operator
    bound: dict
    frees: tuple
    profile: Profile

    def __call__(self, values):
        """Compute the outputs from ``values`` and put them there."""
        values.update(self.compute(values))

    def compute(self, values):
        """The outputs that ``values`` give, by name, as the profile holds them."""
        operation, arguments, outputs = self.operation, self.arguments(values), {}
        try:
            with np.errstate(all="ignore"):  # infinities and NaN are results here, and are reported as such
                results = self.operator.function(**arguments)
        except UnsupportedOperator as error:
            raise UnsupportedOperator(f"{operation}: {error}") from error
        except MemoryError as error:
            raise BadInput(f"{operation} needs more memory than there is; use a smaller input") from error
        except UNFIT as error:
            raise BadInput(f"{operation} cannot be computed ({error}); try other inputs or export it again") from error
        results = results if isinstance(results, (tuple, list)) else (results,)
        if len(results) != len(operation.outputs):
            raise BadInput(f"{operation} gives {len(results)} values, not {len(operation.outputs)}; export it again")
        for output, result in zip(operation.outputs, results, strict=True):
            outputs[output.name] = self.profile.store(_of_shape(np.asarray(result), output, operation), output.dtype)
        return outputs

    def arguments(self, values):
        """What the operator is called with, by parameter."""
        return {parameter: self._argument(names, values) for parameter, names in self.operation.inputs.items()}

    def _argument(self, names, values):
        if isinstance(names, tuple):
            return tuple(self._argument(name, values) for name in names)
        if names in self.bound:
            return self.bound[names]
        return values[names] if self.operator.exact else self.profile.load(values[names])


def _of_shape(result, output, operation):
    """``result``, checked against the shape that the program declares."""
    if isinstance(output.shape, AnyShape):
        return result
    fits = result.ndim == len(output.shape)
    if not fits or any(want not in (None, have) for have, want in zip(result.shape, output.shape, strict=True)):
        raise BadInput(f"{operation} gives {result.shape}, declared is {output.shape}; export it again")
    return result


def _reads(operation):
    """All names that an operation refers to."""
    for names in operation.inputs.values():
        yield from names if isinstance(names, tuple) else (names,)
