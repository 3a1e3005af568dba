"""Non-maximum suppression, ranges, casts and shapes: plain definitions, and where opsets differ."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mil_programs import one_operation
from numpy.testing import assert_allclose, assert_array_equal

from karat.convert.mil import open_package
from karat.convert.mil.ops import OPERATORS, suppression
from karat.refimpl.errors import BadInput

IOS15, IOS16, IOS17, IOS18 = 5, 6, 7, 8
SEEDS = st.integers(0, 2**32 - 1)


def run(kind, *args, **parameters):
    return OPERATORS[kind].function(*args, **parameters)


def at(opset, kind, *args, **parameters):
    return OPERATORS[kind].at(opset).function(*args, **parameters)


def overlap(one, other):
    """Intersection over union of two boxes, number by number."""
    sides = []
    for center, size in ((0, 2), (1, 3)):
        ends = [(b[center] - b[size] / 2, b[center] + b[size] / 2) for b in (one, other)]
        sides.append(max(0.0, min(ends[0][1], ends[1][1]) - max(ends[0][0], ends[1][0])))
    common = sides[0] * sides[1]
    union = one[2] * one[3] + other[2] * other[3] - common
    return common / union if union > 0 else 0.0


def suppressed(boxes, scores, iou, least, count, per_class):
    """Places of one picture, padded with -1: every box against all that were taken before it."""
    best, kept = scores.max(1), []
    for i in sorted(range(len(boxes)), key=lambda i: -best[i]):
        rivals = [j for j in kept if not per_class or scores[j].argmax() == scores[i].argmax()]
        if best[i] >= least and all(overlap(boxes[j], boxes[i]) <= iou for j in rivals):
            kept.append(i)
    kept = kept or [int(best.argmax())]
    return (kept + [-1] * count)[:count]


def pictures(seed):
    rng = np.random.default_rng(seed)
    return rng.uniform(1, 10, (2, 12, 4)), rng.permutation(2 * 12 * 3).reshape(2, 12, 3) / 72.0


@given(
    SEEDS, st.sampled_from([0.01, 0.2, 0.5, 2.0]), st.sampled_from([0.0, 0.9, 2.0]), st.integers(1, 14), st.booleans()
)
def test_non_maximum_suppression(seed, iou, least, count, per_class):
    boxes, scores = pictures(seed)
    want = [suppressed(b, s, iou, least, count, per_class) for b, s in zip(boxes, scores, strict=True)]
    chosen, points, places, number = at(
        IOS16, "non_maximum_suppression", boxes, scores, iou, count, least, per_class_suppression=per_class
    )
    assert_array_equal(places, want)
    assert_array_equal(number, np.sum(np.array(want) >= 0, axis=1))
    for n, row in enumerate(want):
        for slot, place in enumerate(row):
            assert_array_equal(chosen[n, slot], boxes[n, place] if place >= 0 else 0)
            assert_array_equal(points[n, slot], scores[n, place] if place >= 0 else 0)


@given(SEEDS)
def test_from_ios17_on_boxes_are_in_the_last_axis_and_there_is_no_fourth_result(seed):
    boxes, scores = pictures(seed)
    old = at(IOS16, "non_maximum_suppression", boxes, scores, 0.2, 9, -np.inf)
    new = at(IOS17, "non_maximum_suppression", boxes.swapaxes(1, 2), scores.swapaxes(1, 2), 0.2, 9)
    assert (len(old), len(new)) == (4, 3)
    assert_array_equal(new[0], old[0].swapaxes(1, 2))
    assert_array_equal(new[1], old[1].swapaxes(1, 2))
    assert_array_equal(new[2], old[2])


def test_boxes_as_corners_are_a_mutant_that_is_caught(monkeypatch):
    boxes, scores = pictures(1)
    want = [suppressed(b, s, 0.2, 0, 12, False) for b, s in zip(boxes, scores, strict=True)]
    right = suppression._intersection_over_union
    assert_array_equal(at(IOS16, "non_maximum_suppression", boxes, scores, 0.2, 12, 0)[2], want)
    corners = lambda b: np.concatenate([b[..., :2] + b[..., 2:] / 2, b[..., 2:]], -1)  # noqa: E731
    halved = lambda one, others: right(corners(one), corners(others))  # noqa: E731
    monkeypatch.setattr(suppression, "_intersection_over_union", halved)
    assert at(IOS16, "non_maximum_suppression", boxes, scores, 0.2, 12, 0)[2].tolist() != want


@given(
    st.integers(-20, 20), st.integers(-20, 20), st.integers(-5, 5).filter(bool), st.sampled_from([np.int32, np.float32])
)
def test_range(start, end, step, dtype):
    wide = [dtype(v) / (1 if dtype is np.int32 else 4) for v in (start, end, step)]
    numbers = [np.asarray(v, dtype) for v in wide]
    want, value = [], start
    while value < end if step > 0 else value > end:
        want.append(value)
        value += step
    assert_array_equal(run("range_1d", *numbers), np.array(want) / (1 if dtype is np.int32 else 4))


@pytest.mark.parametrize(
    "numbers", [(0, 1, 0), (0, 2**40, 1), (0.0, np.inf, 1.0), (0.0, 1e30, 1e-30), (0.0, 1.0, np.nan)]
)
def test_absurd_ranges_are_refused(numbers):
    with pytest.raises((BadInput, OverflowError)):
        run("range_1d", *map(np.asarray, numbers))


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("one_hot", (np.zeros(4, int), 2**40)),
        ("one_hot", (np.zeros(4, int), -1)),
        ("fill", (np.array([2**20, 2**20]), 0.0)),
        ("tile", (np.zeros((4, 4)), [2**20, 2**20])),
        ("sliding_windows", (np.broadcast_to(np.float32(0), (2**20,)), 0, 2**19)),
        ("non_maximum_suppression", (np.zeros((1, 4, 2)), np.zeros((1, 1, 2)), 0.5, 2**40)),
        (
            "scaled_dot_product_attention",
            (np.broadcast_to(np.float32(0), (1, 2**17, 1)),) * 3,
        ),
    ],
)
def test_results_beyond_all_memory_are_refused(kind, arguments):
    with pytest.raises(BadInput, match="beyond"):
        run(kind, *arguments)


INTEGERS = ["int8", "int16", "int32", "uint8", "uint16"]


@given(st.floats(width=32), st.sampled_from(INTEGERS))
def test_casts_from_floats_cut_and_stay_in_the_type(number, dtype):
    least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
    want = 0 if np.isnan(number) else max(least, min(most, number if np.isinf(number) else int(number)))
    got = run("cast", np.array([number], np.float32), dtype)
    assert got.dtype == dtype
    assert got[0] == want


@pytest.mark.parametrize("dtype", INTEGERS)
@given(st.integers(-128, 127))
def test_casts_between_integers_keep_the_lowest_bits(dtype, number):
    bits = np.iinfo(dtype).bits
    assert int(run("cast", np.array([number], np.int8), dtype)[0]) % 2**bits == number % 2**bits
    assert run("cast", np.array([number], np.int8), "bool")[0] == (number != 0)
    assert run("cast", np.array([number != 0]), dtype)[0] == (number != 0)


def test_a_cast_to_half_precision_overflows_and_keeps_what_fits(tmp_path):
    program = one_operation(
        tmp_path / "c.mlpackage", "cast", [("x", "int32", (4,))], ("y", "float16", (4,)), x="x", dtype=np.array("fp16")
    )
    got = open_package(program).predict({"x": [65504, 65520, -70000, 2049]})["y"]
    assert got.tolist() == [65504, np.inf, -np.inf, 2048]


@given(st.integers(-4, 4), st.integers(-3, 3))
def test_powers_of_integers_are_cut(base, exponent):
    if base == 0 and exponent < 0:
        return
    x, y = np.array([base], np.int32), np.array([exponent], np.int32)
    assert run("pow", x, y).astype(np.int32)[0] == int(float(base) ** exponent)


@given(st.integers(-50, 50), st.integers(-9, 9).filter(bool))
def test_divisions_of_integers(x, y):
    a, b = np.array([x], np.int32), np.array([y], np.int32)
    assert run("floor_div", a, b)[0] == x // y
    assert run("mod", a, b)[0] == x % y
    assert run("real_div", a, b).astype(np.int32)[0] == int(x / y)


def test_reshape_counts_zeros_from_the_right_only_from_ios17_on():
    x = np.zeros((2, 3))
    assert at(IOS17, "reshape", x, [1, 0, -1, 0]).shape == (1, 1, 2, 3)
    for opset in (IOS15, IOS16):
        assert at(opset, "reshape", x, [0, -1]).shape == (2, 3)
        with pytest.raises(BadInput, match="before iOS17"):
            at(opset, "reshape", x, [1, 0, -1, 0])
    with pytest.raises(BadInput, match="negative size"):
        run("reshape", x, [-2, 3])


def test_clip_with_its_ends_swapped_is_refused_from_ios17_on():
    x = np.array([-3.0, 0.0, 3.0])
    assert_array_equal(at(IOS16, "clip", x, 1.0, -1.0), [-1, -1, -1])
    assert_array_equal(at(IOS17, "clip", x, -1.0, 1.0), [-1, 0, 1])
    with pytest.raises(BadInput, match="clips to"):
        at(IOS17, "clip", x, 1.0, -1.0)


def test_squeeze_leaves_longer_axes_alone():
    assert run("squeeze", np.zeros((2, 1, 3)), [0, 1]).shape == (2, 3)
    assert run("squeeze", np.zeros((2, 1, 3)), [-2, 1]).shape == (2, 3)
    assert run("squeeze", np.zeros((1, 2, 1))).shape == (2,)
    with pytest.raises(IndexError):
        run("squeeze", np.zeros((1, 2)), [2])


def test_scalars_are_put_together():
    assert run("concat", (np.float32(1), np.float32(2)), 0).tolist() == [1, 2]
    assert run("fill_like", np.zeros((2, 1)), np.int32(7)).tolist() == [[7], [7]]
    assert run("fill_like", np.zeros((2, 1)), np.int32(7)).dtype == np.int32


@pytest.mark.parametrize("kind", ["reduce_argmax", "reduce_argmin"])
def test_the_dtype_of_a_place_is_one_of_two(kind):
    x = np.array([[1.0, 3.0, 3.0], [0.0, 0.0, -1.0]])
    assert run(kind, x, 1).tolist() == {"reduce_argmax": [1, 0], "reduce_argmin": [0, 2]}[kind]
    assert run(kind, x, output_dtype="uint16", keep_dims=True).dtype == np.uint16
    with pytest.raises(BadInput, match="output_dtype"):
        run(kind, x, output_dtype="S999999999")


def test_a_bias_of_another_kind_joins_a_linear_layer():
    x, w = np.ones((2, 3), np.int32), np.ones((4, 3), np.int32)
    assert_allclose(run("linear", x, w, np.full(4, 0.5)), np.full((2, 4), 3.5))


@pytest.mark.parametrize("shape", [[2, 1, 3], [4], []])
def test_a_result_of_any_rank_is_taken_as_it_comes(tmp_path, shape):
    inputs, value = [("shape", "int32", (len(shape),))], np.float32(2)
    free = one_operation(tmp_path / "f.mlpackage", "fill", inputs, ("y", "float32", None), shape="shape", value=value)
    assert open_package(free).predict({"shape": shape})["y"].shape == tuple(shape)
    one = one_operation(tmp_path / "o.mlpackage", "fill", inputs, ("y", "float32", (None,)), shape="shape", value=value)
    if len(shape) != 1:  # an axis of unknown size is an axis
        with pytest.raises(BadInput, match="declared"):
            open_package(one).predict({"shape": shape})
