"""Functions of one vector: powers of two and GELU as polynomials, leaky ReLUs.

The coefficients are fitted to the definitions when the module is loaded: no table of numbers to trust. The fits leave
2^x a relative error of 2e-7 and GELU an error of 7e-8, about what rounding leaves.
"""

import math

import numpy as np
from llvmlite import ir
from numpy.polynomial import Chebyshev, Polynomial

from .simd import I16, I32, INTEGERS, LANES, VECTOR, Emitter

LOG2_E = math.log2(math.e)
GELU_BOUND = 5.25  # beyond it x and 0 are as near to GELU(x) as the polynomial
ROUND = 12582912.0  # 1.5 2^23: adding it leaves the nearest integer in the last bits
# operands of AVX-512's instructions: to floor, as rounded everywhere else, in all lanes
TO_FLOOR, ROUNDING, ALL_LANES = ir.Constant(I32, 1), ir.Constant(I32, 4), ir.Constant(I16, -1)


def _fitted(function, weight, degree, domain):
    """Polynomial with nearly the smallest largest error times weight: least squares at Chebyshev's points."""
    x = np.interp(np.cos(np.pi * (np.arange(100) + 0.5) / 100), [-1, 1], domain)
    values, weights = (np.array([f(v) for v in x]) for f in (function, weight))
    fit = Chebyshev.fit(x, values, degree, domain=domain, w=weights)
    return np.asarray(fit.convert(kind=Polynomial, domain=domain, window=domain).coef, np.float64)


def _beside_half(x):
    """(Phi(x) - 1/2) / x, which is even."""
    return 0.5 * math.erf(x / math.sqrt(2)) / x


def _gelu_argument(s):
    """x of s = 2 (x / bound)^2 - 1."""
    return GELU_BOUND * math.sqrt((s + 1) / 2)


def _tail(a):
    """a Phi(-a)."""
    return 0.5 * a * math.erfc(a / math.sqrt(2))


EXP2_NEAREST = _fitted(lambda x: 2.0**x, lambda x: 2.0**-x, 5, [-0.5, 0.5])
EXP2_FLOOR = _fitted(lambda x: 2.0**x, lambda x: 2.0**-x, 5, [0, 1])
GELU = _fitted(lambda s: _beside_half(_gelu_argument(s)), lambda s: _gelu_argument(s) ** 2, 14, [-1, 1])
PIECES_END = 6.0  # a Phi(-a) is 6e-9 there
GELU_PIECES = np.array(
    [_fitted(lambda t, i=i: _tail((i + t) * PIECES_END / LANES), lambda t: 1.0, 5, [0, 1]) for i in range(LANES)]
)


def exp2(e: Emitter, t):
    """2^t; below 2^-126 it is 2^-126 or what is true."""
    if e.target.name == "avx512":
        return _exp2_avx512(e, t)
    t = e.maximum(t, e.constant(-126))
    shifted = e.add(t, e.constant(ROUND))
    fraction = e.sub(t, e.sub(shifted, e.constant(ROUND)))
    exponent = e.builder.shl(e.builder.bitcast(shifted, INTEGERS), ir.Constant(INTEGERS, [23] * LANES))
    mantissa = e.builder.bitcast(e.polynomial(fraction, EXP2_NEAREST), INTEGERS)
    return e.builder.bitcast(e.builder.add(mantissa, exponent), VECTOR)


def _exp2_avx512(e, t):
    """AVX-512 has t - floor(t) and y 2^floor(t) in one instruction each."""
    y = e.polynomial(_above_floor(e, t), EXP2_FLOOR)
    return e.call("llvm.x86.avx512.mask.scalef.ps.512", VECTOR, y, t, y, ALL_LANES, ROUNDING)


def _above_floor(e, t):
    """t - floor(t)."""
    return e.call("llvm.x86.avx512.mask.reduce.ps.512", VECTOR, t, TO_FLOOR, t, ALL_LANES, ROUNDING)


def gelu(e: Emitter, x):
    """x Phi(x), with Phi the normal distribution function."""
    if e.target.name == "avx512":
        return _gelu_avx512(e, x)
    near = e.maximum(e.minimum(x, e.constant(GELU_BOUND)), e.constant(-GELU_BOUND))
    s = e.fma(e.mul(near, near), e.constant(2 / GELU_BOUND**2), e.constant(-1))
    return e.mul(x, e.fma(near, e.polynomial(s, GELU), e.constant(0.5)))


def _gelu_avx512(e, x):
    """max(x, 0) - a Phi(-a) with a = |x|: AVX-512 looks the coefficients of a piece up, and short polynomials do."""
    distance = e.minimum(e.call("llvm.fabs.v16f32", VECTOR, x), e.constant(PIECES_END * (1 - 2**-23)))
    scaled = e.mul(distance, e.constant(LANES / PIECES_END))
    piece = e.builder.fptosi(scaled, INTEGERS)
    inside = _above_floor(e, scaled)

    def coefficient(power):
        table = ir.Constant(VECTOR, [float(np.float32(value)) for value in GELU_PIECES[:, power]])
        return e.call("llvm.x86.avx512.permvar.sf.512", VECTOR, table, piece)

    y = coefficient(GELU_PIECES.shape[1] - 1)
    for power in range(GELU_PIECES.shape[1] - 2, -1, -1):
        y = e.fma(y, inside, coefficient(power))
    return e.sub(e.maximum(x, e.constant(0)), y)


def leaky_relu(e: Emitter, x, slope):
    """max(x, slope x); ``slope`` is a vector in [0, 1]."""
    return e.maximum(x, e.mul(x, slope))
