"""Operators on single elements, one and two inputs, with NumPy's broadcasting."""

import numpy as np

from ....refimpl.errors import BadInput, UnsupportedOperator
from .parameters import IOS17, like
from .registry import operator

CAST_TYPES = {"fp16": "float16", "fp32": "float32", "fp64": "float64", "bool": "bool"}
CAST_TYPES |= {name: name for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")}


@operator("cast", exact=True)
def cast(x, dtype):
    """To integers towards zero, to bool: not zero. Between floating types the storing of the result rounds.

    A number beyond the integers becomes the last one, NaN 0, as on Apple's processors; Core ML leaves that open.
    Integers too long for others are cut to the lowest bits.
    """
    if dtype not in CAST_TYPES:
        raise UnsupportedOperator(f"cast to {dtype!r} is not executed by karat; choose one of {', '.join(CAST_TYPES)}")
    target = np.dtype(CAST_TYPES[dtype])
    if x.dtype.kind == "f" and target.kind in "iu":
        least, beyond = float(np.iinfo(target).min), float(np.iinfo(target).max) + 1
        x = np.clip(np.nan_to_num(x.astype(np.float64), posinf=np.inf), least, np.nextafter(beyond, 0))
    return x if target.kind == "f" else x.astype(target)


@operator("add")
def add(x, y):
    """x + y."""
    return x + y


@operator("sub")
def sub(x, y):
    """x - y."""
    return x - y


@operator("mul")
def mul(x, y):
    """x y."""
    return x * y


@operator("real_div")
def real_div(x, y):
    """x / y; the quotient of integers is cut towards zero when it is stored as an integer."""
    return x / y


@operator("floor_div")
def floor_div(x, y):
    """The largest integer not above x / y."""
    return np.floor_divide(x, y)


@operator("mod")
def mod(x, y):
    """x - y floor(x / y): has the sign of y."""
    return np.mod(x, y)


@operator("pow")
def power(x, y):
    """x to the power y; of integers with a negative exponent what is left when it is cut towards zero."""
    whole = np.result_type(x, y).kind in "iu"
    return np.power(x, y, dtype=np.float64) if whole and np.min(y, initial=0) < 0 else np.power(x, y)


@operator("maximum", exact=True)
def maximum(x, y):
    """The larger; NaN if one is."""
    return np.maximum(x, y)


@operator("minimum", exact=True)
def minimum(x, y):
    """The smaller; NaN if one is."""
    return np.minimum(x, y)


@operator("sqrt")
def sqrt(x):
    """Square root; NaN below zero."""
    return np.sqrt(x)


@operator("rsqrt")
def rsqrt(x, epsilon=1e-12):
    """1 / sqrt(x + epsilon)."""
    return 1 / np.sqrt(x + like(epsilon, x))


@operator("inverse")
def inverse(x, epsilon=1e-4):
    """1 / (x + epsilon)."""
    return 1 / (x + like(epsilon, x))


@operator("log")
def log(x, epsilon=1e-45):
    """log(x + epsilon)."""
    return np.log(x + like(epsilon, x))


@operator("square")
def square(x):
    """x x."""
    return x * x


@operator("exp")
def exp(x):
    """e to the power x."""
    return np.exp(x)


@operator("exp2")
def exp2(x):
    """2 to the power x."""
    return np.exp2(x)


@operator("abs", exact=True)
def absolute(x):
    """|x|."""
    return np.abs(x)


@operator("sign", exact=True)
def sign(x):
    """-1, 0 or 1."""
    return np.sign(x)


@operator("clip")
def clip(x, alpha, beta, opset=IOS17):
    """min(max(x, alpha), beta): everything beta where alpha is larger, which iOS17 and later refuse."""
    if opset >= IOS17 and np.any(alpha >= beta):
        raise BadInput(f"it clips to {alpha} ... {beta}, from iOS17 on the first has to be less")
    return np.minimum(np.maximum(x, like(alpha, x)), like(beta, x))


@operator("floor", exact=True)
def floor(x):
    """The largest integer not above x."""
    return np.floor(x)


@operator("ceil", exact=True)
def ceil(x):
    """The smallest integer not below x."""
    return np.ceil(x)


@operator("round", exact=True)
def round_even(x):
    """The nearest integer, ties to even."""
    return np.rint(x)


@operator("identity", exact=True)
def identity(x):
    """x."""
    return x


@operator("logical_not", exact=True)
def logical_not(x):
    """Not x."""
    return np.logical_not(x)


@operator("select", exact=True)
def select(cond, a, b):
    """a where cond, else b; all three broadcast."""
    return np.where(cond, a, b)


def _binary(name, function):
    """Register a comparison or logical function of two inputs under its MIL name."""
    operator(name, exact=True)(lambda x, y: function(x, y))


for _name in ("equal", "not_equal", "greater", "greater_equal", "less", "less_equal"):
    _binary(_name, getattr(np, _name))
for _name in ("logical_and", "logical_or", "logical_xor"):
    _binary(_name, getattr(np, _name))


def _unary(name, function):
    """Register a function of one input under its MIL name."""
    operator(name)(lambda x: function(x))


for _name, _function in {
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "atanh": np.arctanh,
}.items():
    _unary(_name, _function)
