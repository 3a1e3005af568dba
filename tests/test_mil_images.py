"""Resizing, cropping and sampling of images in MIL: PyTorch and loops over the output places as definitions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mil_programs import model, one_operation, operation, write_package
from numpy.testing import assert_allclose, assert_array_equal

from karat.convert.mil import open_package
from karat.convert.mil.ops import OPERATORS
from karat.convert.mil.ops.resize import grid
from karat.refimpl.errors import BadInput, UnsupportedOperator

torch = pytest.importorskip("torch", reason="PyTorch is the independent definition here; install karat[test]")
F = torch.nn.functional
SEEDS = st.integers(0, 2**32 - 1)
U = np.finfo(np.float64).eps
REACH = 64  # positions of these tests, in samples, are smaller
MODES = ("DEFAULT", "UNALIGN_CORNERS", "ALIGN_CORNERS", "STRICT_ALIGN_CORNERS", "OFFSET_CORNERS")
LINE = np.arange(16.0).reshape(1, 1, 4, 4) + 1  # coremltools' picture: 4 row + column + 1


def run(kind, *args, opset=8, **parameters):
    one = OPERATORS[kind].at(opset)
    return one.function(*args, **parameters)


def close(ours, theirs):
    """Equal but for a few roundings of the positions, each of which moves a value by the step between two samples."""
    assert ours.shape == theirs.shape
    assert_allclose(ours, theirs, rtol=0, atol=16 * REACH * U * max(1.0, np.abs(theirs[np.isfinite(theirs)]).max()))


def uniform(seed, *shape):
    return np.random.default_rng(seed).uniform(-1, 1, shape)


def t(x):
    return torch.from_numpy(np.array(x))  # a copy: PyTorch warns of arrays that cannot be written


# Resizing


def documented_grid(size_in, size_out, mode):
    """The formulas of coremltools' documentation, for more than one output sample."""
    spacing = {
        "STRICT_ALIGN_CORNERS": (size_in - 1) / (size_out - 1),
        "ALIGN_CORNERS": (size_in - 1) / (size_out - 1),
        "DEFAULT": (size_in - size_in / size_out) / (size_out - 1),
        "OFFSET_CORNERS": max(1, size_in - 1) / size_out,
        "UNALIGN_CORNERS": size_in / size_out,
    }[mode]
    first = {"OFFSET_CORNERS": spacing / 2, "UNALIGN_CORNERS": spacing / 2 - 0.5}.get(mode, 0)
    return [min(size_in - 1, max(0, first + i * spacing)) for i in range(size_out)]


@given(st.integers(1, 12), st.integers(2, 30), st.sampled_from(MODES))
def test_grids_are_the_documented_ones(size_in, size_out, mode):
    assert_allclose(grid(size_in, size_out, mode), documented_grid(size_in, size_out, mode), rtol=0, atol=REACH * U)


def test_one_sample_tells_the_two_aligned_modes_apart():
    assert (grid(5, 1, "ALIGN_CORNERS"), grid(5, 1, "STRICT_ALIGN_CORNERS")) == (2, 0)


@given(SEEDS, st.integers(1, 9), st.integers(1, 9), st.sampled_from(MODES))
def test_resize_is_resize_bilinear_and_rounds_the_grid_for_nearest(seed, height, width, mode):
    x = uniform(seed, 2, 3, 4, 5)
    old = run("resize_bilinear", x, height, width, mode)
    assert_array_equal(run("resize", x, [height, width], np.uint32(2), "LINEAR", mode), old)
    near = run("resize", x, [7, height, width], 2, "NEAREST_NEIGHBOR", mode)
    rows, columns = ([math.floor(v + 0.5) for v in grid(n, m, mode)] for n, m in ((4, height), (5, width)))
    assert_array_equal(near, x[:, :, rows][..., columns])


def test_resize_keeps_what_is_zero_and_counts_from_the_last_axis():
    x = uniform(0, 2, 3, 4, 5)
    assert_array_equal(run("resize", x, [9, 0, 10], 2), run("resize_bilinear", x, 4, 10))
    assert run("resize", x.astype(np.int32), [8, 0], 2, "NEAREST_NEIGHBOR").dtype == np.int32


@pytest.mark.parametrize(
    ("error", "words", "parameters"),
    [
        (BadInput, "do not fit", {"shape": [2, 2], "resized_dims": 3}),
        (BadInput, "do not fit", {"shape": [1] * 5, "resized_dims": 5}),
        (BadInput, "beyond", {"shape": [-3, 2], "resized_dims": 2}),
        (BadInput, "beyond", {"shape": [2**31, 2**31], "resized_dims": 2}),
        (BadInput, "sampling_mode", {"shape": [2, 2], "resized_dims": 2, "sampling_mode": "ROUND"}),
        (UnsupportedOperator, "CUBIC", {"shape": [2, 2], "resized_dims": 2, "interpolation_mode": "CUBIC"}),
    ],
)
def test_damaged_sizes_are_refused(error, words, parameters):
    with pytest.raises(error, match=words):
        run("resize", LINE, **parameters)


def test_whole_numbers_are_not_interpolated():
    with pytest.raises(UnsupportedOperator, match="int32"):
        run("resize", LINE.astype(np.int32), [2, 2], 2, "LINEAR")


def test_a_scale_is_multiplied_in_the_precision_it_is_stored_in():
    x = uniform(0, 1, 1, 10, 10)  # 0.7 in single precision is smaller than 0.7
    scales = {"scale_factor_height": np.float32(0.7), "scale_factor_width": np.float64(np.float32(0.7))}
    assert run("upsample_nearest_neighbor", x, **scales).shape == (1, 1, 7, 7)
    assert run("upsample_bilinear", x, **scales).shape == (1, 1, 7, 7)


def test_half_pixel_centers_came_with_ios16():
    """Neither aligned nor half a pixel: what iOS15 has no words for."""
    x = np.array([[[[1.0, 2.0]]]])
    both = {"scale_factor_width": 3, "align_corners": False}
    assert_allclose(run("upsample_bilinear", x, **both).ravel()[:3], [1, 1, 4 / 3], rtol=4 * U)
    plain = run("upsample_bilinear", x, **both, half_pixel_centers=False).ravel()
    assert_allclose(plain[:4], [1, 4 / 3, 5 / 3, 2], rtol=4 * U)
    with pytest.raises(BadInput, match="exclude"):
        run("upsample_bilinear", x, align_corners=True, half_pixel_centers=True)


# Cropping


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


# Sampling

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


# Normalisation


@given(SEEDS, st.integers(1, 9), st.integers(1, 5), st.integers(1, 3), st.sampled_from([0.5, 0.75, 1.0]))
def test_local_response_norm(seed, size, channels, rank, beta):
    x = uniform(seed, 2, channels, *(2, 3, 2)[:rank])
    ours = run("local_response_norm", x, size, 0.25, beta, 2.0)
    close(ours, F.local_response_norm(t(x), size, 0.25, beta, 2.0).numpy())


def test_damaged_normalisations_are_refused():
    with pytest.raises(BadInput, match="at least 1"):
        run("local_response_norm", LINE, 0)
    assert run("local_response_norm", LINE, 2**31 - 1).shape == LINE.shape
    with pytest.raises(BadInput, match="do not exist"):
        run("layer_norm", LINE, [4])


# In programs


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


def test_new_operators_in_a_trace_are_exact_or_not_judged(tmp_path):
    program = open_package(sampling_program(tmp_path))
    records = list(program.trace({"x": LINE}))
    assert [record.bound is None for record in records] == [False, True, True]
    assert records[0].bound.max() == 0
    assert_array_equal(records[0].value, LINE[..., 1:3, :2].astype(np.float16))
    assert_array_equal(records[1].value.ravel(), [9, 5, 10, 6])
    assert all(record.shadow.dtype == np.float64 for record in records)


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
