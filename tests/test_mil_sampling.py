"""resample and affine of MIL: PyTorch, and the padded image read sample by sample."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mil_images import LINE, SEEDS, F, close, run, t, uniform
from mil_programs import model, operation, write_package
from numpy.testing import assert_array_equal

from karat.convert.mil import open_package
from karat.refimpl.errors import BadInput, UnsupportedOperator

PADDINGS = {"constant": ("zeros", None), "border": ("border", None), "reflection": ("reflection", True)}
PADDINGS["symmetric"] = ("reflection", False)


@pytest.mark.parametrize("padding", sorted(PADDINGS))
@given(SEEDS, st.sampled_from(["bilinear", "nearest"]), st.booleans(), st.integers(1, 4), st.integers(1, 4))
def test_resample_is_grid_sample(padding, seed, sampling, align, height, width):
    theirs, only = PADDINGS[padding]
    align = align if only is None else only  # PyTorch mirrors where align_corners says; MIL's two modes are free of it
    x, where = uniform(seed, 2, 3, height, width), 3 * uniform(seed + 1, 2, 2, 5, 2)
    ours = run("resample", x, where, sampling, padding, 0.0, "normalized_minus_one_to_one", align)
    close(ours, F.grid_sample(t(x), t(where), sampling, theirs, align).numpy())


def mirrored(index, size, padding):
    """The sample that padding of a 1-D picture shows at a whole index; None for a constant."""
    if padding == "constant":
        return index if 0 <= index < size else None
    if padding == "border":
        return min(max(index, 0), size - 1)
    whole = list(range(size)) + (list(range(size - 2, 0, -1)) if padding == "reflection" else list(range(size))[::-1])
    return whole[index % len(whole)]


@pytest.mark.parametrize("mode", ["unnormalized", "normalized_zero_to_one", "normalized_minus_one_to_one"])
@given(SEEDS, st.sampled_from(sorted(PADDINGS)), st.booleans())
def test_resample_reads_the_padded_image(mode, seed, padding, align):
    height, width = 3, 4
    x, at = uniform(seed, 1, 1, height, width), 9 * uniform(seed + 1, 6, 2)  # (column, row)
    sizes = np.array([width, height])
    unit = at / (sizes - 1) if align else (at + 0.5) / sizes  # positions from 0 to 1
    given_ = {"unnormalized": at, "normalized_zero_to_one": unit}.get(mode, 2 * unit - 1)
    ours = run("resample", x, given_.reshape(1, 1, 6, 2), "bilinear", padding, 2.5, mode, align)
    theirs = []
    for column, row in at:
        value, corner = 0.0, (math.floor(row), math.floor(column))
        for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
            share = (1 - abs(row - corner[0] - i)) * (1 - abs(column - corner[1] - j))
            y, z = mirrored(corner[0] + i, height, padding), mirrored(corner[1] + j, width, padding)
            value += share * (2.5 if y is None or z is None else x[0, 0, y, z])
        theirs.append(value)
    close(ours.ravel(), np.array(theirs))


def test_whole_coordinates_may_be_of_any_type():
    for dtype in (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.float16, np.float32):
        where = np.array([[[[3, 0], [0, 2]]]], dtype)
        ours = run("resample", LINE, where, "nearest", "constant", 0.0, "unnormalized", True)
        assert_array_equal(ours.ravel(), [4, 9])


@pytest.mark.filterwarnings("ignore:Since version 1.3.0, affine_grid:UserWarning")  # of a grid of one sample
@given(SEEDS, st.booleans(), st.booleans(), st.integers(1, 5), st.integers(1, 5))
def test_affine_is_affine_grid_and_grid_sample(seed, align, shared, height, width):
    x, matrix = uniform(seed, 2, 3, 4, 5), 2 * uniform(seed + 1, 1 if shared else 2, 6)
    ours = run("affine", x, matrix, height, width, "bilinear", "constant", 0.0, "normalized_minus_one_to_one", align)
    theta = np.broadcast_to(matrix, (2, 6)).reshape(2, 2, 3)
    where = F.affine_grid(t(theta), (2, 3, height, width), align_corners=align)
    close(ours, F.grid_sample(t(x), where, align_corners=align).numpy())


@pytest.mark.parametrize(
    ("error", "words", "change"),
    [
        (BadInput, "sampling_mode", {"sampling_mode": "bicubic"}),
        (BadInput, "padding_mode", {"padding_mode": "wrap"}),
        (BadInput, "coordinates_mode", {"coordinates_mode": "polar"}),
        (BadInput, "do not fit", {"coordinates": np.zeros((1, 2, 2, 3))}),
        (BadInput, "do not fit", {"coordinates": np.zeros((2, 2, 2, 2))}),
        (BadInput, "do not fit", {"coordinates": np.zeros((1, 2, 2))}),
    ],
)
def test_samplings_that_cannot_be(error, words, change):
    good = {"coordinates": np.zeros((1, 2, 2, 2)), "sampling_mode": "bilinear", "padding_mode": "constant"}
    good |= {"padding_value": 0.0, "coordinates_mode": "unnormalized", "align_corners": True}
    with pytest.raises(error, match=words):
        run("resample", LINE, **good | change)


def test_affine_maps_that_cannot_be():
    good = {"sampling_mode": "bilinear", "padding_mode": "constant", "padding_value": 0.0, "align_corners": True}
    good |= {"coordinates_mode": "normalized_minus_one_to_one", "output_height": 2, "output_width": 2}
    with pytest.raises(UnsupportedOperator, match="coordinates_mode"):
        run("affine", LINE, np.zeros((1, 6)), **good | {"coordinates_mode": "unnormalized"})
    with pytest.raises(BadInput, match="matrices"):
        run("affine", LINE, np.zeros((2, 6)), **good)
    with pytest.raises(BadInput, match="beyond"):
        run("affine", LINE, np.zeros((1, 6)), **good | {"output_height": 2**31 - 1, "output_width": 2**31 - 1})


def test_nearest_takes_the_even_sample_of_two():
    """As PyTorch does; mirrored first, which coremltools' TestResample holds: 6.5 between two samples is the first."""
    where = np.array([[0.5, 0], [1.5, 0], [2.5, 0], [-1.5, 0]]).reshape(1, 1, 4, 2)
    ours = run("resample", LINE, where, "nearest", "border", 0.0, "unnormalized", False)
    assert_array_equal(ours.ravel(), [1, 3, 3, 1])
    theirs = F.grid_sample(t(LINE), t(where / 1.5 - 1), "nearest", "border", True)
    assert_array_equal(ours, theirs)
    mirror = np.array([[[[6.5, 0]]]])
    assert run("resample", LINE[..., :2], mirror, "nearest", "symmetric", 0.0, "unnormalized", False).item() == 1


def test_far_outside_an_infinite_edge_does_not_show():
    edge = np.full((1, 1, 2, 2), np.inf)
    where = np.array([[-1.5, 0], [0, 2.5], [-9, -9]]).reshape(1, 1, 3, 2)
    ours = run("resample", edge, where, "bilinear", "constant", 2.0, "unnormalized", True)
    assert_array_equal(ours.ravel(), [2, 2, 2])


@pytest.mark.parametrize("padding", sorted(PADDINGS))
def test_positions_that_are_no_numbers_do_not_stop_a_run(padding):
    where = np.array([np.nan, 0, np.inf, 0, 0, -np.inf, 1e300, 1e300]).reshape(1, 1, 4, 2)
    with np.errstate(all="ignore"):
        for sampling in ("bilinear", "nearest"):
            assert run("resample", LINE, where, sampling, padding, 0.0, "unnormalized", True).shape == (1, 1, 1, 4)


def sampling_program(folder):
    """x -> crop -> resample -> local_response_norm, in half precision."""
    half = ("float16", (1, 1, 2, 2))
    text = {"sampling_mode": "nearest", "padding_mode": "border", "coordinates_mode": "normalized_zero_to_one"}
    where = np.array([0.3, 0.9, 0, 0, 1, 1, 0.7, 0.2], np.float32).reshape(1, 2, 2, 2)
    steps = [
        operation("crop", {"x": "x", "crop_height": np.int32([1, 1]), "crop_width": np.int32([0, 2])}, [("c", *half)]),
        operation(
            "resample",
            {"x": "c", "coordinates": where, "padding_value": np.float16(0), "align_corners": np.True_}
            | {name: np.array(value) for name, value in text.items()},
            [("r", *half)],
        ),
        operation("local_response_norm", {"x": "r", "size": np.int32(3)}, [("y", *half)]),
    ]
    return write_package(folder / "m.mlpackage", model([("x", "float16", (1, 1, 4, 4))], steps, ["y"]))


def test_every_value_of_a_trace_lies_in_its_bound(tmp_path):
    program = open_package(sampling_program(tmp_path))
    records = list(program.trace({"x": LINE}))
    assert all(np.all(record.local_error <= record.bound) for record in records)
    assert records[0].bound.max() == 0
    assert_array_equal(records[0].value, LINE[..., 1:3, :2].astype(np.float16))
    assert_array_equal(records[1].value.ravel(), [9, 5, 10, 6])
    assert all(record.shadow.dtype == np.float64 for record in records)
