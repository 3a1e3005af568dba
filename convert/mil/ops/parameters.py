"""Parameters as operators want them."""

import math

import numpy as np

from ....refimpl.errors import BadInput
from ..values import MAX_ELEMENTS

MAX_TURNS = 2**16  # of a loop in Python
MAX_VISITS = 2**36  # of elements by one operator: a minute or two
IOS17 = 7  # opset: from here on many operators mean something else


def ints(values):
    """A parameter as a tuple of int."""
    return tuple(int(v) for v in np.ravel(values))


def like(scalar, x):
    """A scalar parameter in the dtype of x; from iOS17 on it is float32 whatever x is, and must not set the precision.

    Examples
    --------
    >>> like(np.float32(0.5), np.zeros(2)).dtype
    dtype('float64')
    """
    return np.asarray(scalar).astype(x.dtype)


def per_axis(values, rank, default):
    """A parameter with one int per spatial axis, as a tuple."""
    values = tuple(int(v) for v in np.ravel(values)) if values is not None else (default,) * rank
    if len(values) != rank or min(values) < 0:
        raise BadInput(f"{values} has not one number per each of {rank} spatial axes")
    return values


def room(shape):
    """``shape`` as a tuple of int, refused when no program means it: a damaged number must not eat the memory."""
    shape = ints(shape)
    if math.prod(shape) > MAX_ELEMENTS or min(shape, default=0) < 0:
        raise BadInput(f"a tensor of shape {shape} is beyond {MAX_ELEMENTS} elements")
    return shape


def work(turns, elements):
    """Refuse what no program means: so many turns of a loop, each over so many elements.

    Examples
    --------
    >>> work(9, 10**6)
    """
    if turns > MAX_TURNS or turns * elements > MAX_VISITS:
        raise BadInput(f"{turns} times {elements} elements are more work than karat does for one operator")
