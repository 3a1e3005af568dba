"""Powers of two, GELU and leaky ReLUs of one vector, against their definitions on dense grids.

The bounds are derived: what the polynomials leave, measured in float64 with the coefficients as float32 has them, and
what rounding adds to Horner's rule (Higham, Accuracy and Stability of Numerical Algorithms, section 5.1: a running
error, one rounding a step, or two where multiplying and adding are two instructions).
"""

import math

import numpy as np
import pytest
from kernel_cases import U

from karat.kernels.cache import KERNELS, kernel
from karat.kernels.cpu import target
from karat.kernels.emit import pointwise
from karat.kernels.emit.simd import VECTOR_BYTES, emitted
from karat.kernels.memory import address, aligned
from karat.refimpl.numerics.formats import FLOAT32

ROUNDINGS = 1 if target().fma else 2  # of a step of Horner's rule


def _each(e, source, result, count, function):
    def one(i, _):
        e.store(function(e, e.load(source, (i, VECTOR_BYTES))), result, (i, VECTOR_BYTES))
        return []

    e.loop(count, [], one)


@emitted
def _exp2(e, source, result, count):
    _each(e, e.at(source), e.at(result), count, lambda e, x: pointwise.exp2(e, x))


@emitted
def _gelu(e, source, result, count):
    _each(e, source, result, count, lambda e, x: pointwise.gelu(e, x))


@emitted
def _leaky(e, source, result, count):
    _each(e, source, result, count, lambda e, x: pointwise.leaky_relu(e, x, e.constant(0.2)))


@kernel
def exp2_of(source, result, count):
    """2^x."""
    _exp2(source, result, count)


@kernel
def gelu_of(source, result, count):
    """GELU(x)."""
    _gelu(source, result, count)


@kernel
def leaky_of(source, result, count):
    """max(x, 0.2 x)."""
    _leaky(source, result, count)


for own in (exp2_of, gelu_of, leaky_of):
    del KERNELS[own.name]  # of the tests only: `karat warm` need not know them


def run(function, values):
    """The function of every value, by vectors."""
    values = np.asarray(values, np.float32)
    source, result = (aligned(-(-values.size // 16) * 16) for _ in range(2))
    source[: values.size] = values
    function(address(source), address(result), source.size // 16)
    return result[: values.size].copy()


def horner(coefficients, x):
    """(value in float64, bound of what rounding adds) of a float32 polynomial, the constant term first."""
    coefficients = np.asarray(coefficients, np.float32).astype(np.float64)
    x = np.asarray(x, np.float64)
    value, bound = np.full(x.shape, coefficients[-1]), np.zeros(x.shape)
    for c in coefficients[-2::-1]:
        value = value * x + c
        bound = bound * np.abs(x) + ROUNDINGS * U * (np.abs(value) + abs(c))
    return value, bound


def grid(first, last, count=200_001):
    """float32 numbers, all of the same distance but for rounding."""
    return np.linspace(first, last, count).astype(np.float32)


def exp2_bound():
    """Largest relative error of 2^t for -126 <= t <= 0."""
    coefficients, part = (
        (pointwise.EXP2_FLOOR, np.linspace(0, 1, 100_001))
        if target().name == "avx512"
        else (pointwise.EXP2_NEAREST, np.linspace(-0.5, 0.5, 100_001))
    )
    value, rounding = horner(coefficients, part)
    exact = 2.0**part
    fitted = np.max((np.abs(value - exact) + rounding) / exact)
    return fitted + math.log(2) * U  # t - floor(t) is rounded where t is tiny


def test_powers_of_two_keep_their_bound():
    t = np.concatenate([grid(-126, 0), grid(-1, 0), -np.logspace(-45, 0, 5000).astype(np.float32), [-0.0, 0.0]])
    exact = 2.0 ** t.astype(np.float64)
    assert np.max(np.abs(run(exp2_of, t) / exact - 1)) <= exp2_bound() < 1e-6


def test_powers_below_the_normal_numbers_are_nothing():
    """Keys that are no token, masks, and a score far below the largest: 2^-126 or what is true, never NaN."""
    t = np.concatenate([-np.logspace(math.log10(126), 38, 4000), [-1e30, -2e30, -3e38, -np.inf]])
    y = run(exp2_of, t)
    assert np.isfinite(y).all()
    assert (y >= 0).all()
    assert (y <= 2.0**-126 * (1 + exp2_bound())).all()


def gelu_exact(x):
    """In float64: by erfc, which loses nothing far left."""
    return np.array([0.5 * v * math.erfc(-v / math.sqrt(2)) for v in np.asarray(x, np.float64).ravel()])


def gelu_bound(x):
    """Of the error of every GELU(x)."""
    x = np.asarray(x, np.float64)
    if target().name == "avx512":
        return _pieces_bound() + U * np.abs(np.maximum(x, 0)) + U * _pieces_bound()
    near = np.clip(x, -pointwise.GELU_BOUND, pointwise.GELU_BOUND)
    s = 2 * near**2 / pointwise.GELU_BOUND**2 - 1
    value, rounding = horner(pointwise.GELU, s)
    steps = ROUNDINGS * U * np.abs(s + 2) + 2 * U * (np.abs(s) + 1)  # of s: the square, the constant, the sum
    slope = np.abs(horner(pointwise.GELU[1:] * np.arange(1, len(pointwise.GELU)), s)[0])
    share = np.abs(near) * (rounding + slope * steps) + ROUNDINGS * U * (np.abs(near * value) + 1)
    fitted = np.abs(0.5 + near * value - np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x]))
    return np.abs(x) * (share + fitted) * (1 + U) + U * np.abs(gelu_exact(x))


def _pieces_bound():
    """Largest error of a Phi(-a)."""
    t = np.linspace(0, 1, 2001)
    worst = 0.5 * pointwise.PIECES_END * math.erfc(pointwise.PIECES_END / math.sqrt(2))  # what lies beyond is dropped
    for piece, coefficients in enumerate(pointwise.GELU_PIECES):
        value, rounding = horner(coefficients, t)
        a = (piece + t) * pointwise.PIECES_END / 16
        moved = 2 * U * 16 * np.max(np.abs(np.gradient(value, t)))  # a, times 16 / 6, is rounded twice
        worst = max(worst, np.max(np.abs(value + gelu_exact(-a)) + rounding) + moved)
    return worst


@pytest.mark.parametrize(("first", "last"), [(-7, 7), (-1, 1), (-1e-3, 1e-3), (-1000, -5), (5, 1000)])
def test_gelu_keeps_its_bound(first, last):
    x = grid(first, last, 40_001)
    x = x[np.concatenate([[True], np.diff(x) > 0])]
    error = np.abs(run(gelu_of, x) - gelu_exact(x))
    bound = gelu_bound(x) + FLOAT32.smallest_subnormal
    assert (error <= bound).all(), (x[np.argmax(error - bound)], np.max(error - bound))
    assert np.max(bound / np.maximum(np.abs(x.astype(np.float64)), 1)) < 1e-6


def test_gelu_of_extreme_numbers():
    x = np.array([0.0, -0.0, 1e-45, -1e-45, 1e-30, -1e-30, 1e30, 3e38, -1e30, -3e38, np.inf], np.float32)
    y = run(gelu_of, x)
    assert y[-1] == np.inf
    assert (np.abs(y[:-1] - gelu_exact(x[:-1])) <= gelu_bound(x[:-1]) + FLOAT32.smallest_subnormal).all()


def test_a_wrong_coefficient_is_caught(monkeypatch):
    """The bounds are those of the functions, not of what the tables hold."""
    for name, bound in (("EXP2_FLOOR", exp2_bound), ("EXP2_NEAREST", exp2_bound)):
        if (name == "EXP2_FLOOR") == (target().name == "avx512"):
            monkeypatch.setattr(pointwise, name, getattr(pointwise, name) * (1 + 2e-6))
            assert bound() > 1e-6
    monkeypatch.setattr(pointwise, "GELU_PIECES", np.roll(pointwise.GELU_PIECES, 1, axis=0))
    monkeypatch.setattr(pointwise, "GELU", pointwise.GELU * (1 + 1e-5))
    assert np.max(gelu_bound(grid(1, 2, 101))) > 1e-6


def test_leaky_relu_is_exact():
    x = np.concatenate([grid(-2, 2), [1e30, -1e30, np.inf, -np.inf, 1e-45, -1e-45, 0, 1]]).astype(np.float32)
    np.testing.assert_array_equal(run(leaky_of, x), np.maximum(x, np.float32(0.2) * x))
