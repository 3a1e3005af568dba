"""Refuses weights that no network can use."""

import numpy as np

from ..errors import BadInput
from .messages import shown


def check_finite(arrays):
    """Refuse NaN and infinity: they would make every comparison downstream meaningless.

    Parameters
    ----------
    arrays : mapping of str to ndarray

    Raises
    ------
    BadInput
        Naming the first such tensor.

    Examples
    --------
    >>> check_finite({"bias": np.array([1.0, np.nan])})
    Traceback (most recent call last):
        ...
    karat.refimpl.errors.BadInput: tensor 'bias' has 1 of 2 numbers NaN or infinite, expected all finite; train it again
    """
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not (finite := np.isfinite(array)).all():
            bad = array.size - np.count_nonzero(finite)
            found = f"tensor {shown(name)} has {bad} of {array.size} numbers NaN or infinite"
            raise BadInput(f"{found}, expected all finite; train it again")
