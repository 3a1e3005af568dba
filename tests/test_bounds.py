"""Rounding-error bounds: no result of the executor ever leaves its bound, and the bounds are near.

``python tests/test_bounds.py`` prints how near.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mil_programs import model, one_operation, operation, write_package

from karat.convert.mil import open_package
from karat.refimpl.numerics.bounds import FUNCTION, dot, gamma, softmax
from karat.refimpl.numerics.formats import FLOAT16, FLOAT32

INT = np.int32


def unary(kind, **parameters):
    """An operator of one input over rows of 64."""
    return (7, 64), lambda rng: (kind, parameters)


def weights(rng, shape):
    return (rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float16)


def convolution(channels):
    def make(rng):
        parameters = {"weight": weights(rng, (4, channels, 3, 3)), "bias": weights(rng, (4,))}
        return "conv", parameters | {"pad_type": np.array("custom"), "pad": np.ones(4, INT)}

    return (1, channels, 6, 6), make


def linear(width):
    return (9, width), lambda rng: ("linear", {"weight": weights(rng, (8, width)), "bias": weights(rng, (8,))})


def layer_norm(width):
    def make(rng):
        affine = {"gamma": weights(rng, (width,)), "beta": weights(rng, (width,))}
        return "layer_norm", affine | {"axes": np.array([-1], INT), "epsilon": np.float16(1e-5)}

    return (9, width), make


def binary(kind):
    return (7, 64), lambda rng: (kind, {"y": rng.normal(size=(7, 64)).astype(np.float16)})


# operator: ((shape of x, from a random generator to (MIL type, parameters)), most that bound / observed may be, median)
OPERATORS = {
    "add": (binary("add"), 1),
    "sub": (binary("sub"), 1),
    "mul": (binary("mul"), 1),
    "real_div": (binary("real_div"), 1),
    "clip": (unary("clip", alpha=np.float16(-0.3), beta=np.float16(0.7)), 1),
    "reshape": (unary("reshape", shape=np.array([64, 7], INT)), 1),
    "transpose": (unary("transpose", perm=np.array([1, 0], INT)), 1),
    "gather": (unary("gather", indices=np.array([3, 1, 2], INT), axis=INT(0)), 1),
    "gelu": (unary("gelu", mode=np.array("EXACT")), 5),
    "gelu by tanh": (unary("gelu", mode=np.array("TANH_APPROXIMATION")), 5),
    "leaky_relu": (unary("leaky_relu", alpha=np.float16(0.2)), 5),
    "sigmoid": (unary("sigmoid"), 5),
    "softmax": (unary("softmax", axis=INT(-1)), 5),
    "layer_norm 60": (layer_norm(60), 5),
    "layer_norm 180": (layer_norm(180), 5),
    "linear 60": (linear(60), 10),
    "linear 180": (linear(180), 10),
    "linear 360": (linear(360), 10),
    "conv 540": (convolution(60), 10),
    "conv 576": (convolution(64), 10),
    "conv 1620": (convolution(180), 40),
    "average pool": (((1, 3, 6, 8), lambda rng: ("avg_pool", {"kernel_sizes": np.array([2, 2], INT)})), 10),
}


def shape_of(kind, parameters, shape):
    """The declared shape of a result."""
    if kind == "conv":
        return (shape[0], len(parameters["weight"]), *shape[2:])
    if kind == "linear":
        return (shape[0], len(parameters["weight"]))
    if kind == "gather":
        return (len(parameters["indices"]), *shape[1:])
    if kind == "avg_pool":
        return (*shape[:2], shape[2] - 1, shape[3] - 1)
    return {"reshape": (64, 7), "transpose": shape[::-1]}.get(kind, shape)


def record(name, seed, dtype="float16", spread=1.0):
    """One executed operation on random numbers."""
    (shape, make), _ = OPERATORS[name]
    rng = np.random.default_rng(seed)
    kind, parameters = make(rng)
    if dtype == "float32":
        parameters = {k: v.astype(dtype) if v.dtype == "float16" else v for k, v in parameters.items()}
    out = [("y", dtype, shape_of(kind, parameters, shape))]
    message = model([("x", dtype, shape)], [operation(kind, {"x": "x"} | parameters, out)], ["y"])
    x = np.clip(rng.normal(size=shape) * spread * 2.0 ** rng.integers(-4, 5, shape), -6e4, 6e4).astype(dtype)
    with TemporaryDirectory() as folder:
        (found,) = open_package(write_package(Path(folder) / "m.mlpackage", message)).trace({"x": x})
    return found


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("name", OPERATORS)
@given(seed=st.integers(0, 2**32 - 1), spread=st.sampled_from([1e-6, 1e-3, 0.1, 1.0, 30.0, 2000.0]))
def test_no_result_leaves_its_bound(name, dtype, seed, spread):
    found = record(name, seed, dtype, spread)
    assert found.bound.shape == found.value.shape
    assert np.all(found.local_error <= found.bound)
    if OPERATORS[name][1] == 1:
        assert found.correctly_rounded
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(found.value, found.exact.astype(dtype))


@pytest.mark.parametrize("name", OPERATORS)
def test_bounds_are_near(name):
    """Median over elements of bound / observed, in half precision with float32 accumulation."""
    assert 1 <= nearness(name, "float16") <= OPERATORS[name][1]


@pytest.mark.parametrize("name", ["gelu", "softmax", "linear 180", "layer_norm 60", "sigmoid"])
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


def nearness(name, dtype):
    """Median over elements of bound / observed; 1 where nothing is off."""
    ratios = [np.ones(0)]
    for seed in range(20):
        found = record(name, seed, dtype)
        off = found.local_error > 0
        ratios.append(found.bound[off] / found.local_error[off])
    return np.median(np.concatenate(ratios)) if any(part.size for part in ratios) else 1.0


if __name__ == "__main__":
    print("| operator, terms | float16 | at most | float32 |\n|---|---|---|---|")
    for operator_name, (_, most) in OPERATORS.items():
        near = [nearness(operator_name, dtype) for dtype in ("float16", "float32")]
        print(f"| {operator_name} | {near[0]:.2f} | {most} | {near[1]:.2f} |")


@pytest.mark.parametrize("kind", ["reduce_mean", "reduce_sum", "reduce_max", "reduce_min"])
def test_a_result_without_axes_has_a_bound(kind, tmp_path):
    """Arithmetic on arrays of rank 0 gives NumPy's scalars."""
    x, y = ("x", "float32", (2, 3)), ("y", "float32", ())
    path = one_operation(tmp_path / "m", kind, [x], y, x="x", keep_dims=np.False_)
    (record,) = open_package(path).trace({"x": np.random.default_rng(0).random((2, 3), np.float32)})
    assert record.value.shape == ()
    assert float(record.local_error) <= float(record.bound)
