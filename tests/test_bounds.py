"""Rounding-error bounds: no result of the executor ever leaves its bound, and the bounds are near.

``python tests/test_bounds.py`` prints how near.
"""

import numpy as np
import pytest
from bound_cases import OPERATORS, nearness, record
from hypothesis import given
from hypothesis import strategies as st
from mil_programs import one_operation

from karat.convert.fidelity.arithmetic import _share
from karat.convert.mil import open_package
from karat.refimpl.numerics.bounds import FUNCTION, dot, gamma, softmax
from karat.refimpl.numerics.formats import FLOAT16, FLOAT32, FORMATS


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("name", OPERATORS)
@given(seed=st.integers(0, 2**32 - 1), spread=st.sampled_from([1e-6, 1e-3, 0.1, 1.0, 30.0, 2000.0]))
def test_no_result_leaves_its_bound(name, dtype, seed, spread):
    found = record(name, seed, dtype, spread)
    assert found.bound.shape == found.value.shape
    with np.errstate(invalid="ignore"):
        assert _share(found, FORMATS[dtype])[0] <= 1
    if OPERATORS[name][1] == 1:
        assert found.correctly_rounded
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(found.value, found.exact.astype(dtype))


@pytest.mark.parametrize("name", OPERATORS)
@given(st.integers(0, 2**32 - 1), st.integers(-140, 127), st.sampled_from([0, 4, 40]))
def test_no_result_leaves_its_bound_where_numbers_overflow_or_vanish(name, seed, exponent, octaves):
    """Squares, sums and exponentials on the way may be infinite, subnormal or zero."""
    found = record(name, seed, "float32", 2.0**exponent, octaves)
    with np.errstate(all="ignore"):
        assert _share(found, FORMATS["float32"])[0] <= 1


@pytest.mark.parametrize("name", ["layer_norm 60", "instance_norm 48", "l2_norm 192", "reduce_l2_norm 64"])
def test_where_squares_overflow_nothing_is_known(name):
    """The bounds held once only as long as nothing overflowed: 0 instead of 0.36 was beyond a bound of 5e-7."""
    found = record(name, 0, "float32", 2.0**120, 0)
    assert np.isposinf(found.bound).all()


@pytest.mark.parametrize("name", OPERATORS)
def test_bounds_are_near(name):
    """Median over elements of bound / observed, in half precision with float32 accumulation."""
    found = record(name, 0)
    assert np.isfinite(found.bound[np.abs(found.exact) < 6e4]).all()
    assert 1 <= nearness(name, "float16") <= OPERATORS[name][1]


SEEN = ["gelu", "softmax", "linear 180", "layer_norm 60", "sigmoid", "softplus", "instance_norm 48", "batch_norm"]
SEEN += ["l2_norm 192", "conv_transpose 256", "attention 16, 9", "upsample_bilinear", "resample", "local_response_norm"]


@pytest.mark.parametrize("name", SEEN)
def test_a_gain_of_a_thousandth_leaves_the_bound(name):
    """The mutant: correctly rounded, times 1.001."""
    found = record(name, seed=7, spread=0.1)  # scores that differ by 50 would leave zeros and a one
    wrong = (found.exact * 1.001).astype(np.float16).astype(np.float64)
    assert np.mean(np.abs(wrong - found.exact) > found.bound) > 0.5


def test_sequential_half_precision_leaves_the_bound():
    """The mutant: a sum that is accumulated in half precision."""
    found = record("linear 180", seed=7)
    arguments = found.evidence.shadow.steps[0].arguments(found.evidence.widened)
    terms = (arguments["x"][:, None, :] * arguments["weight"]).astype(np.float16)  # (rows, outputs, terms)
    wrong = np.add.accumulate(terms, axis=-1, dtype=np.float16)[..., -1].astype(np.float64) + arguments["bias"]
    assert np.mean(np.abs(wrong - found.exact) > found.bound) > 0.5


def test_masked_scores_have_a_bound():
    """e^-infinity is exactly zero."""
    x = np.array([[0.0, 1.0, -np.inf]])
    y = np.exp(x - 1) / np.exp(x - 1).sum()
    assert np.isfinite(softmax(x, y, -1, FLOAT32)).all()


def test_gamma_says_nothing_where_nothing_is_known():
    assert gamma(2047, FLOAT16.unit_roundoff) < np.inf
    assert gamma(2048, FLOAT16.unit_roundoff) == np.inf
    assert dot(2048, np.ones(1), FLOAT16)[0] == np.inf


@pytest.mark.long
def test_exp_of_every_single():
    """NumPy's float32 exp over every negative float32 down to where the result vanishes."""
    low, high = (int(np.float32(x).view(np.uint32)) for x in (-1e-9, -104.0))
    worst = 0.0
    for start in range(low, high, 2**24):
        x = np.arange(start, min(start + 2**24, high), dtype=np.uint32).view(np.float32)
        exact = np.exp(x.astype(np.float64))
        error = np.abs(np.exp(x) - exact) - FLOAT32.smallest_subnormal
        worst = max(worst, np.max(error / exact) / FLOAT32.unit_roundoff)
    assert worst < FUNCTION
    print(f"exp is off by at most {worst:.2f} u")


FUNCTIONS = (
    "arctanh",
    "exp2",
    "expm1",
    "log",
    "log1p",
    "tanh",
    "sin",
    "cos",
    "tan",
    "arcsin",
    "arccos",
    "arctan",
    "sinh",
    "cosh",
)


@pytest.mark.long
@pytest.mark.parametrize("name", FUNCTIONS)
def test_other_functions_of_a_thousandth_of_all_singles(name):
    """Every 1009th float32, where the result is normal."""
    function = getattr(np, name)
    for first in range(0, 2**32, 2**28):
        x = np.arange(first, first + 2**28, 1009, dtype=np.uint32).view(np.float32)
        with np.errstate(all="ignore"):
            exact, found = function(x.astype(np.float64)), function(x).astype(np.float64)
        normal = (np.abs(exact) >= 2.0**-126) & (np.abs(exact) <= (1 - 2.0**-20) * FLOAT32.largest)
        off = np.abs(found[normal] / exact[normal] - 1) / FLOAT32.unit_roundoff
        assert np.max(off, initial=0.0) < FUNCTION


@pytest.mark.parametrize("kind", ["reduce_mean", "reduce_sum", "reduce_max", "reduce_min"])
def test_a_result_without_axes_has_a_bound(kind, tmp_path):
    """Arithmetic on arrays of rank 0 gives NumPy's scalars."""
    x, y = ("x", "float32", (2, 3)), ("y", "float32", ())
    path = one_operation(tmp_path / "m", kind, [x], y, x="x", keep_dims=np.False_)
    (record,) = open_package(path).trace({"x": np.random.default_rng(0).random((2, 3), np.float32)})
    assert record.value.shape == ()
    assert float(record.local_error) <= float(record.bound)


if __name__ == "__main__":
    print("| operator, terms | float16 | at most | float32 |\n|---|---|---|---|")
    for operator_name, (_, most) in OPERATORS.items():
        near = [nearness(operator_name, dtype) for dtype in ("float16", "float32")]
        print(f"| {operator_name} | {near[0]:.2f} | {most} | {near[1]:.2f} |")
