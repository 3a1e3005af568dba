"""crop and crop_resize of MIL: loops over the output places, and the versions of Core ML."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mil_images import LINE, MODES, SEEDS, close, run, uniform
from mil_programs import model, one_operation, operation, write_package
from numpy.testing import assert_array_equal

from karat.convert.mil import open_package
from karat.convert.mil.ops.resize import grid
from karat.refimpl.errors import BadInput


def test_crop_takes_off_each_side():
    assert_array_equal(run("crop", LINE, [0, 1], [1, 1])[0, 0], [[2, 3], [6, 7], [10, 11]])
    assert_array_equal(run("crop", LINE, [3, 0], [0, 2]), LINE[..., 3:, :2])
    for rows in ([3, 2], [-1, 0]):
        with pytest.raises(BadInput, match="impossible"):
            run("crop", LINE, rows, [0, 0])


def plain_crop(image, box, sizes, mode, pad_value):
    """One box (first row, first column, last row, last column) of (C, H, W), place by place."""
    out = np.full((len(image), *sizes), float(pad_value))
    spans = [(box[axis], box[axis + 2]) for axis in (0, 1)]
    steps = [grid(abs(b - a) + 1, size, mode) for (a, b), size in zip(spans, sizes, strict=True)]
    for i, j in np.ndindex(*sizes):
        y, x = (a + math.copysign(step[k], b - a) for (a, b), step, k in zip(spans, steps, (i, j), strict=True))
        if 0 <= y <= image.shape[1] - 1 and 0 <= x <= image.shape[2] - 1:
            for row in range(image.shape[1]):
                for column in range(image.shape[2]):  # a tent around every sample
                    out[:, i, j] += image[:, row, column] * max(0, 1 - abs(y - row)) * max(0, 1 - abs(x - column))
            out[:, i, j] -= pad_value
    return out


# Multiples of 1/64: no rounding decides whether a sample lies outside
PLACES = st.integers(-64, 5 * 64).map(lambda n: n / 64)
WITHIN = st.integers(0, 3 * 64).map(lambda n: n / 64)


@given(SEEDS, st.lists(st.tuples(PLACES, PLACES, PLACES, PLACES), min_size=1, max_size=3), st.sampled_from([1, 2, 3]))
def test_boxes_may_leave_the_image_and_run_backwards(seed, boxes, size):
    x, mode = uniform(seed, 2, 3, 4, 6), "ALIGN_CORNERS"  # sizes 1, 2, 3: the grid stays exact
    images = [i % 2 for i in range(len(boxes))]
    ours = run(
        "crop_resize",
        x,
        boxes=np.array(boxes),
        box_indices=np.array(images),
        target_height=size,
        target_width=2,
        sampling_mode=mode,
        pad_value=7.0,
    )
    close(ours, np.stack([plain_crop(x[i], b, (size, 2), mode, 7) for i, b in zip(images, boxes, strict=True)]))


@given(SEEDS, st.tuples(WITHIN, WITHIN, WITHIN, WITHIN), st.integers(1, 5), st.integers(1, 5), st.sampled_from(MODES))
def test_boxes_within_the_image_take_the_grid_of_resize_bilinear(seed, box, height, width, mode):
    x = uniform(seed, 1, 2, 4, 4)
    sizes = {"target_height": height, "target_width": width, "sampling_mode": mode}
    close(run("crop_resize", x, boxes=np.array([box]), **sizes)[0], plain_crop(x[0], box, (height, width), mode, 0))
    whole = run("crop_resize", x, boxes=np.array([[0, 0, 3, 3]]), **sizes)
    close(whole, run("resize_bilinear", x, height, width, mode))


@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("normalized", [False, True])
def test_every_way_to_write_a_box(scale, normalized):
    x = uniform(1, 1, 1, 5, 9)
    over = np.array([4.0, 8.0, 4.0, 8.0]) if normalized else np.ones(4)
    top, left, bottom, right = np.array([1.0, 2.0, 3.0, 7.0]) / over / scale
    ways = {
        "CORNERS_HEIGHT_FIRST": [top, left, bottom, right],
        "CORNERS_WIDTH_FIRST": [left, top, right, bottom],
        "CENTER_SIZE_HEIGHT_FIRST": [(top + bottom) / 2, (left + right) / 2, bottom - top, right - left],
        "CENTER_SIZE_WIDTH_FIRST": [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top],
    }
    for mode, box in ways.items():
        options = {"box_coordinate_mode": mode, "normalized_coordinates": normalized, "spatial_scale": scale}
        ours = run("crop_resize", x, boxes=np.array([box]), target_height=3, target_width=6, **options)
        close(ours, plain_crop(x[0], (1, 2, 3, 7), (3, 6), "DEFAULT", 0)[None])
    with pytest.raises(BadInput, match="box_coordinate_mode"):
        run("crop_resize", x, boxes=np.zeros((1, 4)), box_coordinate_mode="CORNERS")


def test_crop_resize_by_opset():
    """roi before iOS17, for all images or one; boxes since; a pad_value since iOS16; zeros outside without one."""
    x = np.stack([LINE[0], 10 * LINE[0], 100 * LINE[0]])  # (3, 1, 4, 4)
    corners = [[1.0, 1, 2, 2], [3, 3, 4, 4]]
    options = {"target_height": 2, "target_width": 2, "sampling_mode": "ALIGN_CORNERS"}
    first, last = np.array([[6.0, 7], [10, 11]]), np.array([[16.0, 0], [0, 0]])
    every = np.array(corners).reshape(2, 1, 4, 1, 1)
    single = np.array([[2.0, *corners[0]], [1, *corners[1]]]).reshape(2, 1, 5, 1, 1)
    for opset in (5, 6):
        ours = run("crop_resize", x, every, **options, opset=opset)
        assert ours.shape == (2, 3, 1, 2, 2)
        assert_array_equal(ours[0, :, 0], [first, 10 * first, 100 * first])
        assert_array_equal(ours[1, :, 0], [last, 10 * last, 100 * last])
        ours = run("crop_resize", x, single, **options, opset=opset)
        assert_array_equal(ours, np.array([100 * first, 10 * last]).reshape(2, 1, 1, 2, 2))
    filled = run("crop_resize", x, single, **options, pad_value=np.float16(5), opset=6)
    assert_array_equal(filled[1, 0, 0], [[160, 5], [5, 5]])
    for opset in (7, 8):
        assert_array_equal(
            run("crop_resize", x, boxes=np.array(corners), **options, opset=opset)[:, 0], [first, 10 * last]
        )
        whole = np.array(corners, np.uint16)
        ours = run("crop_resize", x, boxes=whole, box_indices=np.array([2, 0], np.uint16), **options, opset=opset)
        assert_array_equal(ours[:, 0], [100 * first, last])


@pytest.mark.parametrize(
    ("opset", "words", "parameters"),
    [
        (5, "no pad_value", {"roi": np.zeros((1, 1, 4, 1, 1)), "pad_value": 1.0}),
        (6, "takes roi", {"boxes": np.zeros((1, 4))}),
        (6, "takes roi", {"roi": np.zeros((1, 1, 4, 1, 1)), "box_indices": np.zeros(1)}),
        (7, "takes boxes", {"roi": np.zeros((1, 1, 4, 1, 1))}),
        (8, "takes boxes", {}),
        (8, "numbers each", {"boxes": np.zeros((2, 2))}),
        (6, "numbers each", {"roi": np.zeros((1, 1, 6, 1, 1))}),
        (8, "cannot be cut", {"boxes": np.zeros((1, 4)), "box_indices": np.array([1])}),
        (6, "cannot be cut", {"roi": np.full((1, 1, 5, 1, 1), -1.0)}),
        (8, "cannot be cut", {"boxes": np.zeros((2, 4))}),
        (8, "cannot be cut", {"boxes": np.zeros((1, 4)), "target_height": 0}),
        (8, "beyond", {"boxes": np.zeros((1, 4)), "target_height": 2**31 - 1, "target_width": 2**31 - 1}),
    ],
)
def test_boxes_that_cannot_be(opset, words, parameters):
    with pytest.raises(BadInput, match=words):
        run("crop_resize", LINE, **parameters, opset=opset)


def test_a_box_without_a_sample_in_the_image_is_the_whole_image_when_unaligned():
    """Numbers of coremltools' TestCropResize for iOS15, taken on a Mac; no documentation says it."""
    roi = np.array([2.0, 2, 1, 1]).reshape(1, 1, 4, 1, 1)
    options = {"target_height": 2, "target_width": 2, "normalized_coordinates": True}
    ours = run("crop_resize", LINE, roi, **options, sampling_mode="UNALIGN_CORNERS", opset=5)
    assert_array_equal(ours[0, 0, 0], [[3.5, 5.5], [11.5, 13.5]])
    aligned = run("crop_resize", LINE, roi, **options, sampling_mode="ALIGN_CORNERS", opset=5)  # from 6 to 3
    assert_array_equal(aligned[0, 0, 0], [[0, 0], [0, 16]])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_a_box_of_no_numbers_gives_the_padding(value):
    with np.errstate(all="ignore"):
        for mode in MODES[::2]:
            box = np.array([[value, 0, value, 1]])
            ours = run("crop_resize", LINE, boxes=box, target_height=2, sampling_mode=mode, pad_value=3.0)
            assert_array_equal(ours, np.full((1, 1, 2, 1), 3.0))


@pytest.mark.parametrize("target", ["CoreML5", "CoreML6", "CoreML7", "CoreML8"])
def test_a_program_says_which_crop_resize_it_means(tmp_path, target):
    new = target in ("CoreML7", "CoreML8")
    boxes = np.float32([[1, 1, 2, 2]]) if new else np.float32([1, 1, 2, 2]).reshape(1, 1, 4, 1, 1)
    given_ = {"x": "x", "boxes" if new else "roi": boxes, "target_height": np.int32(2), "target_width": np.int32(2)}
    given_["sampling_mode"] = np.array("ALIGN_CORNERS")
    shape = (1, 1, 2, 2) if new else (1, 1, 1, 2, 2)
    step = operation("crop_resize", given_, [("y", "float32", shape)])
    message = model([("x", "float32", (1, 1, 4, 4))], [step], ["y"], opset=target)
    program = open_package(write_package(tmp_path / "m.mlpackage", message))
    assert_array_equal(program.predict({"x": LINE})["y"].ravel(), [6, 7, 10, 11])
    message = model([("x", "float32", (1, 1, 4, 4))], [step], ["y"], opset="CoreML6" if new else "CoreML7")
    other = open_package(write_package(tmp_path / "o.mlpackage", message))
    with pytest.raises(BadInput, match="takes"):
        other.predict({"x": LINE})


def test_a_crop_that_does_not_fit_is_named(tmp_path):
    picture = [("x", "float32", (1, 1, 4, 4))]
    rows, columns = np.int32([3, 2]), np.int32([0, 0])
    path = one_operation(
        tmp_path / "m.mlpackage",
        "crop",
        picture,
        ("y", "float32", (1, 1, 0, 4)),
        x="x",
        crop_height=rows,
        crop_width=columns,
    )
    with pytest.raises(BadInput, match="impossible"):
        open_package(path).predict({"x": LINE})
