"""The Gaussian error linear unit, x times the normal distribution function, and its two usual approximations."""

import math
from functools import cache

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial
from scipy.special import erfcx, ndtr

from ....refimpl.errors import BadInput
from .activation import logistic
from .registry import operator
from .rows import rowwise

KNEE = 3.75  # J. Shepherd, J. Laframboise, Math. Comp. 36(153), 1981. doi:10.1090/S0025-5718-1981-0595058-X
DEGREE = 11  # leaves an error of 5e-9, a tenth of float32's unit roundoff


@operator("gelu", exact=True)
def gelu(x, mode="EXACT"):
    """x Phi(x), or with tanh or a logistic function in place of Phi.

    A half precision x has 65,536 values and the result as many: a table of them, computed in float64.
    """
    if mode not in _MODES:
        raise BadInput(f"mode is {mode!r}, expected {', '.join(_MODES)}")
    if x.dtype == np.float16:
        return np.take(_of_every_half(mode), x.view(np.uint16))
    return _MODES[mode](x)


@cache
def _of_every_half(mode):
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    with np.errstate(all="ignore"):  # infinities and NaN are among them
        return _MODES[mode](halves.astype(np.float64)).astype(np.float16)


def _exact(x):
    if x.dtype != np.float32:
        return x * ndtr(x)
    return rowwise(lambda rows: rows * _distribution(rows), x)


def _distribution(x):
    """Phi(x) in float32 arithmetic, to a relative error of (12 + x^2) 2^-24 in the lower tail and less above.

    1 - Phi(t) = exp(-t^2 / 2) f(s) / (t + k) for t >= 0, with f smooth in s = (t - k) / (t + k).
    """
    t = np.minimum(np.abs(x), np.float32(16))  # exp(-128) is 0
    inverse = 1 / (t + np.float32(KNEE))
    s = 1 - np.float32(2 * KNEE) * inverse
    tail = np.full_like(s, _polynomial()[-1])
    for coefficient in _polynomial()[-2::-1]:  # Horner's scheme in one array
        tail *= s
        tail += coefficient
    tail *= inverse
    tail *= np.exp(np.float32(-0.5) * t * t)
    return np.where(x < 0, tail, 1 - tail)


@cache
def _polynomial():
    """Coefficients of f by interpolation in Chebyshev points, lowest power first."""

    def f(s):
        s = np.minimum(s, 1 - 1e-12)  # the last point is at infinity
        t = KNEE * (1 + s) / (1 - s)
        return (t + KNEE) * erfcx(t / math.sqrt(2)) / 2

    return Chebyshev.interpolate(f, DEGREE).convert(kind=Polynomial).coef.astype(np.float32)


def _with_tanh(x):
    cubic = x + np.asarray(0.044715, x.dtype) * x * x * x
    return x * x.dtype.type(0.5) * (1 + np.tanh(x.dtype.type(math.sqrt(2 / math.pi)) * cubic))


def _with_logistic(x):
    return x * logistic(x.dtype.type(1.702) * x)


_MODES = {"EXACT": _exact, "TANH_APPROXIMATION": _with_tanh, "SIGMOID_APPROXIMATION": _with_logistic}
