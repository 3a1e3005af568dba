"""Functions of one vector: powers of two and GELU as polynomials, clips and leaky ReLUs.

The coefficients are interpolated from the definitions at Chebyshev's points when the module is loaded: no table of
numbers to trust. Largest errors over a fine grid, in exact arithmetic: 2^x 1.2e-7 relative, GELU 1e-7.
"""

import math

import numpy as np
from llvmlite import ir
from numpy.polynomial import Chebyshev, Polynomial

from .simd import INTEGERS, LANES, VECTOR, Emitter

LOG2_E = math.log2(math.e)
GELU_BOUND = 5.5  # x and 0 are as near to GELU(x) as float32 can tell beyond it
ROUND = 12582912.0  # 1.5 2^23: adding it leaves the nearest integer in the last bits


def _interpolated(function, degree, domain):
    points = Chebyshev.interpolate(lambda x: np.array([function(v) for v in x]), degree, domain)
    return points.convert(kind=Polynomial, domain=domain, window=domain).coef


EXP2 = _interpolated(lambda x: 2.0**x, 5, [-0.5, 0.5])
# Phi(x) = 1/2 + x P(2 x^2 / bound^2 - 1): what is left is even and smooth
GELU = _interpolated(
    lambda s: (lambda x: 0.5 * math.erf(x / math.sqrt(2)) / x)(GELU_BOUND * math.sqrt(max(s + 1, 1e-12) / 2)), 16, [-1, 1]
)


def exp2(e: Emitter, t):
    """2^t; 2^-126 for everything smaller."""
    t = e.maximum(t, e.constant(-126))
    shifted = e.add(t, e.constant(ROUND))
    fraction = e.sub(t, e.sub(shifted, e.constant(ROUND)))
    exponent = e.builder.shl(e.builder.bitcast(shifted, INTEGERS), ir.Constant(INTEGERS, [23] * LANES))
    mantissa = e.builder.bitcast(e.polynomial(fraction, EXP2), INTEGERS)
    return e.builder.bitcast(e.builder.add(mantissa, exponent), VECTOR)


def gelu(e: Emitter, x):
    """x Phi(x), with Phi the normal distribution function."""
    near = e.maximum(e.minimum(x, e.constant(GELU_BOUND)), e.constant(-GELU_BOUND))
    s = e.fma(e.mul(near, near), e.constant(2 / GELU_BOUND**2), e.constant(-1))
    return e.mul(x, e.fma(near, e.polynomial(s, GELU), e.constant(0.5)))


def clip(e: Emitter, x):
    """To [0, 1]."""
    return e.maximum(e.minimum(x, e.constant(1)), e.constant(0))


def leaky_relu(e: Emitter, x, slope):
    """max(x, slope x); ``slope`` is a vector in [0, 1]."""
    return e.maximum(x, e.mul(x, slope))
