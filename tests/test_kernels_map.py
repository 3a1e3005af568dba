"""LayerNorm, upsampling and pictures of feature maps; exact where numbers are only moved."""

import gc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import ENOUGH, U, assert_no_worse, dirty_map, from_map
from kernel_guards import guarded

from karat.kernels.maps import shuffle
from karat.kernels.maps.layer_norm import MapNorm
from karat.kernels.maps.layout import clear_outside, copy_map, to_map
from karat.kernels.maps.shuffle import pixel_shuffle, upsample_nearest, write_picture
from karat.refimpl.ops import layer_norm
from karat.refimpl.ops import pixel_shuffle as shuffled
from karat.refimpl.ops import upsample_nearest as nearest

SIZES = st.tuples(st.integers(1, 19), st.integers(1, 19))
SEEDS = st.integers(0, 2**32 - 1)


def pixels_of(size, channels, seed=0):
    return np.random.default_rng(seed).normal(0, 1, (channels, *size)).astype(np.float32)


def normed(pixels, weight, bias, dtype):
    """By refimpl, (C, H, W)."""
    tokens = pixels.astype(dtype).transpose(1, 2, 0)
    return layer_norm(tokens, weight.astype(dtype), bias.astype(dtype)).transpose(2, 0, 1)


def norm_case(size, channels, seed):
    rng = np.random.default_rng(seed)
    pixels = pixels_of((-(-ENOUGH // (channels * size[1])) + size[0], size[1]), channels, seed)
    weight, bias = rng.normal(1, 0.3, channels).astype(np.float32), rng.normal(0, 0.3, channels).astype(np.float32)
    return pixels + np.float32(rng.normal(0, 3)), weight, bias


def run_norm(pixels, weight, bias, threads=1):
    with guarded() as guards:
        norm, feature_map = MapNorm(weight, bias), dirty_map(pixels)
        guards.poison = True
        norm(feature_map, threads)
        return from_map(feature_map, *pixels.shape[1:])


@given(SIZES, st.integers(2, 70), st.integers(1, 3), SEEDS)
def test_a_norm_is_no_worse_than_its_twin(size, channels, threads, seed):
    pixels, weight, bias = norm_case(size, channels, seed)
    golden, twin = (normed(pixels, weight, bias, dtype) for dtype in (np.float64, np.float32))
    assert_no_worse(golden, twin, run_norm(pixels, weight, bias, threads))


def test_wrong_norms_are_caught():
    pixels, weight, bias = norm_case((5, 6), 8, 0)
    golden, twin = (normed(pixels, weight, bias, dtype) for dtype in (np.float64, np.float32))
    assert_no_worse(golden, twin, run_norm(pixels, weight, bias))
    for wrong in ((np.roll(weight, 1), bias), (weight, np.roll(bias, 1)), (weight, np.zeros_like(bias))):
        with pytest.raises(AssertionError):
            assert_no_worse(golden, twin, run_norm(pixels, *wrong))
    with pytest.raises(AssertionError):
        assert_no_worse(golden, twin, run_norm(np.roll(pixels, 1, axis=2), weight, bias))


@given(SIZES, st.integers(1, 5), st.sampled_from([2, 3, 4, 5, 6]), st.integers(1, 3), SEEDS)
def test_a_pixel_shuffle_moves_every_number_to_its_place(size, channels, factor, threads, seed):
    pixels = pixels_of(size, channels * factor**2, seed)
    with guarded() as guards:
        feature_map = dirty_map(pixels)
        guards.poison = True
        moved = pixel_shuffle(feature_map, factor, threads)
    expected = shuffled(pixels[None], factor)[0]
    np.testing.assert_array_equal(from_map(moved, *expected.shape[1:]), expected)


@given(SIZES, st.integers(1, 9), st.integers(1, 3), SEEDS)
def test_nearest_neighbours_are_exact(size, channels, threads, seed):
    pixels = pixels_of(size, channels, seed)
    with guarded() as guards:
        feature_map = dirty_map(pixels)
        guards.poison = True
        moved = upsample_nearest(feature_map, threads)
    expected = nearest(pixels[None], 2)[0]
    np.testing.assert_array_equal(from_map(moved, *expected.shape[1:]), expected)


@given(SIZES, st.sampled_from([1, 3, 4]), st.integers(1, 6), st.sampled_from([1.0, 1 / 255]), st.integers(1, 3), SEEDS)
def test_a_picture_is_shuffled_scaled_and_moved(size, channels, factor, multiplier, threads, seed):
    """Rounded at most three times: the multiplier, the product, and the sum."""
    pixels = pixels_of(size, channels * factor**2, seed)
    means = np.random.default_rng(seed).random(channels).astype(np.float32)
    picture = run_picture(pixels, factor, multiplier, means, threads)
    expected = shuffled(pixels[None].astype(np.float64), factor)[0] * multiplier
    exact = expected + means[:, None, None]
    assert (np.abs(picture - exact) <= U * (1 + 4 * U) * (2 * np.abs(expected) + np.abs(exact))).all()
    if multiplier == 1:
        unmoved = run_picture(pixels, factor, multiplier, np.zeros(channels), threads)
        np.testing.assert_array_equal(unmoved, expected)


def run_picture(pixels, factor, multiplier, means, threads=1):
    """Into the middle of a larger picture, whose other rows must stay; between guards."""
    with guarded() as guards:
        feature_map = dirty_map(pixels)
        guards.poison = True
        rows, columns = (4 * factor * n for n in feature_map.shape[:2])
        whole = guards.aligned((len(means), rows + 8, columns))
        before = whole.tobytes()
        write_picture(feature_map, factor, multiplier, means, whole[:, 4:-4], threads)
        result = whole[:, 4 : 4 + factor * pixels.shape[1], : factor * pixels.shape[2]].copy()
        whole[:, 4:-4] = np.frombuffer(before, np.float32).reshape(whole.shape)[:, 4:-4]
        assert whole.tobytes() == before, "written beside the picture"
    return result


def test_wrong_moves_are_caught():
    """Phases of rows and columns exchanged, channels and columns moved."""
    pixels = pixels_of((5, 6), 12)
    right = shuffled(pixels[None], 2)[0]
    exchanged = pixels.reshape(3, 2, 2, 5, 6).swapaxes(1, 2).reshape(pixels.shape)
    for wrong in (exchanged, np.roll(pixels, 1, axis=0), np.roll(pixels, 1, axis=2)):
        assert (run_picture(wrong, 2, 1.0, np.zeros(3)) != right).any()
    np.testing.assert_array_equal(run_picture(pixels, 2, 1.0, np.zeros(3)), right)


def test_the_guards_see_a_channel_too_many(monkeypatch):
    def run():
        with guarded() as guards, monkeypatch.context() as patch:
            feature_map = to_map(pixels_of((4, 4), 3))
            patch.setattr(shuffle, "aligned", lambda shape, *rest: guards.aligned((*shape[:2], 2, 16)))
            upsample_nearest(feature_map)

    with pytest.raises(AssertionError, match="written behind"):
        run()


@pytest.mark.parametrize("threads", [1, 4])
def test_numbers_that_a_kernel_reads_outlive_it(threads):
    """`write_picture` and the norm make arrays that nobody else holds."""
    pixels = pixels_of((40, 9), 12)
    expected = None
    for _ in range(250):
        gc.collect(0)
        garbage = [np.full(shape, np.nan, np.float32) for shape in (19, 17, 64) for _ in range(5)]
        picture = np.empty((3, 80, 24), np.float32)
        write_picture(to_map(pixels), 2, 1 / 255, np.array([0.1, 0.2, 0.3]), picture, threads)
        expected = picture.tobytes() if expected is None else expected
        assert picture.tobytes() == expected
        del garbage


@given(SIZES, st.integers(1, 3), st.integers(1, 4), SEEDS)
def test_only_what_lies_outside_is_cleared(size, channels, zoom, seed):
    """Also of maps that were upsampled, which may have whole blocks outside."""
    blocks = [-(-n // 4) * zoom for n in size]
    full = pixels_of([4 * n for n in blocks], channels, seed) + 10
    height, width = (n * zoom for n in size)
    feature_map = to_map(full)
    clear_outside(feature_map, height, width)
    expected = np.zeros_like(full)
    expected[:, :height, :width] = full[:, :height, :width]
    np.testing.assert_array_equal(from_map(feature_map, *full.shape[1:]), expected)


@given(SIZES, st.integers(1, 5), st.integers(1, 3))
def test_maps_hold_a_picture_and_zeros(size, channels, threads):
    pixels = pixels_of(size, channels)
    feature_map = to_map(pixels)
    np.testing.assert_array_equal(from_map(feature_map, *size), pixels)
    assert np.count_nonzero(feature_map) == np.count_nonzero(pixels)
    again = np.full_like(feature_map, np.nan)
    copy_map(feature_map, again, threads)
    np.testing.assert_array_equal(again, feature_map)
