"""Profiles: which arithmetic a program runs in."""

from dataclasses import dataclass

import numpy as np

from ...refimpl.errors import BadInput
from ...refimpl.numerics.formats import BFLOAT16, nearest
from .blob import HELD
from .half import narrow, widen

HALF, SINGLE, DOUBLE = "float16", "float32", "float64"


@dataclass(frozen=True)
class Profile:
    """How floating values are held between operators and computed on inside them.

    Attributes
    ----------
    name : str
    held : dict of str to str
        Declared floating dtype -> dtype of the array. Other dtypes are held as declared.
    computed : dict of str to str
        Dtype of a held array -> dtype that an operator computes in.
    """

    name: str
    held: dict
    computed: dict

    def store(self, array, declared):
        """``array`` as a value of the declared dtype: one rounding to nearest even, or none."""
        target = self.held.get(declared, declared)
        with np.errstate(over="ignore", invalid="ignore"):  # overflow to infinity is what the format does
            if target == BFLOAT16.name:
                return nearest(np.asarray(array, np.float64), BFLOAT16).astype(SINGLE)
            if array.dtype == SINGLE and target == HALF:
                return narrow(array)
            return array.astype(HELD.get(target, target), copy=False)

    def load(self, array):
        """``array`` as an operator that rounds computes on it: exact."""
        target = self.computed.get(array.dtype.name, array.dtype)
        if array.dtype == HALF and target == SINGLE:
            return widen(array)
        return array.astype(target, copy=False)


def _uniform(dtype):
    return Profile(dtype, dict.fromkeys((HALF, SINGLE, DOUBLE, BFLOAT16.name), dtype), {})


PROFILES = {
    "fp32-accumulate": Profile("fp32-accumulate", {}, {HALF: SINGLE}),
    "float32": _uniform(SINGLE),
    "float64": _uniform(DOUBLE),
}


def profile_named(name):
    """The profile of that name; a Profile is itself.

    Raises
    ------
    BadInput
        For an unknown one.

    Examples
    --------
    >>> profile_named("float64").held["float16"]
    'float64'
    """
    if isinstance(name, Profile):
        return name
    if name not in PROFILES:
        raise BadInput(f"there is no profile {name!r}; choose one of {', '.join(PROFILES)}")
    return PROFILES[name]
