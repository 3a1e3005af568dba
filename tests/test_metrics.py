"""PSNR, SSIM and luma against scikit-image and against values worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from karat.refimpl.metrics import crop_border, decibels, luma, psnr, relative_rms, ssim

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS, st.integers(11, 30), st.integers(11, 30), st.floats(0.001, 1), st.sampled_from([1.0, 255.0]))
def test_psnr_and_ssim_are_scikit_image_s(seed, h, w, noise, peak):
    rng = np.random.default_rng(seed)
    a = rng.random((h, w)) * peak
    b = np.clip(a + rng.normal(0, noise * peak, a.shape), 0, peak)
    assert psnr(a, b, peak) == pytest.approx(peak_signal_noise_ratio(a, b, data_range=peak), rel=1e-12)
    other = structural_similarity(a, b, data_range=peak, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
    assert ssim(a, b, peak) == pytest.approx(other, rel=1e-9, abs=1e-12)


@given(SEEDS)
def test_luma_is_scikit_image_s(seed):
    image = np.random.default_rng(seed).random((3, 4, 5))
    other = rgb2ycbcr(image.transpose(1, 2, 0))[..., 0] / 255
    np.testing.assert_allclose(luma(image)[0], other, rtol=1e-12)


def test_hand_values():
    assert psnr(np.zeros(4), np.full(4, 0.5)) == pytest.approx(10 * np.log10(4))
    assert psnr(np.zeros((1, 3)), np.array([[0, 0, 3.0]]), peak=3) == pytest.approx(10 * np.log10(3))
    assert luma(np.zeros((3, 1, 1)))[0, 0, 0] == pytest.approx(16 / 255)
    assert luma(np.array([1.0, 0, 0]).reshape(3, 1, 1))[0, 0, 0] * 255 == pytest.approx(16 + 65.481)
    flat, other = np.full((11, 11), 0.25), np.full((11, 11), 0.75)  # no variance: only the luminance term is left
    c1 = 0.01**2
    assert ssim(flat, other) == pytest.approx((2 * 0.25 * 0.75 + c1) / (0.25**2 + 0.75**2 + c1))
    assert decibels(relative_rms([3.0, 4.0], [3.0, 4.5])) == pytest.approx(20)


def test_identical_data_is_infinitely_like_itself():
    x = np.random.default_rng(0).random((3, 12, 12))
    assert psnr(x, x) == np.inf
    assert decibels(relative_rms(x, x)) == np.inf
    assert ssim(x, x) == pytest.approx(1)
    assert relative_rms(x, x) == 0


def test_half_precision_does_not_overflow_the_metric():
    a, b = np.full(8, 60000, np.float16), np.full(8, 59968, np.float16)
    assert psnr(a, b, peak=65504) == pytest.approx(20 * np.log10(65504 / 32))


def test_the_whole_tensor_counts_not_its_first_axis():
    rng = np.random.default_rng(0)
    a = rng.random((1, 3, 64, 64))
    b = a + rng.normal(0, 1e-3, a.shape)
    assert psnr(a, b) == pytest.approx(60, abs=0.2)


def test_the_border_is_cut_on_every_side():
    a, b = np.zeros((1, 3, 6, 7)), np.zeros((1, 3, 6, 7))
    b[..., 0, :], b[..., -1, :], b[..., :, 0], b[..., :, -1] = 1, 1, 1, 1
    assert psnr(a, b, border=1) == np.inf
    assert crop_border(a, 2).shape == (1, 3, 2, 3)
    with pytest.raises(ValueError, match="leaves nothing"):
        crop_border(a, 3)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: psnr(np.zeros((1, 4)), np.zeros((4, 1))), "cannot compare"),
        (lambda: ssim(np.zeros((10, 11)), np.zeros((10, 11))), "11 x 11"),
        (lambda: luma(np.zeros((1, 4, 4))), r"\(\.\.\., 3, H, W\)"),
    ],
)
def test_what_cannot_be_compared_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()
