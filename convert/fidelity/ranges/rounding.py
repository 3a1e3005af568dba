"""Roundings of a float32 computation, which every rule allows for."""

from ....refimpl.numerics import bounds
from ....refimpl.numerics.formats import FLOAT32

U = FLOAT32.unit_roundoff  # operators compute in float32 or finer
TINY = 2.0**-126  # a float32 result below this may be flushed to zero


def gamma(terms) -> float:
    """The relative error of so many float32 roundings in any order."""
    return float(bounds.gamma(terms, U))
