"""Resizing in MIL, and local_response_norm: coremltools' documented formulas and PyTorch."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mil_images import LINE, MODES, REACH, SEEDS, F, U, close, run, t, uniform
from numpy.testing import assert_allclose, assert_array_equal

from karat.convert.mil.ops.resize import grid
from karat.refimpl.errors import BadInput, UnsupportedOperator


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
