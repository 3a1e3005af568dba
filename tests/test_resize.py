"""MATLAB-style bicubic: SwinIR's own low-resolution images byte for byte, and what any such resize must satisfy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from karat.refimpl.ops import resize_bicubic
from karat.refimpl.ops.resize_bicubic import bicubic_taps
from karat.refimpl.protocol import degrade


def read(path):
    return np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_set5_low_resolution_comes_out_byte_for_byte(data, scale):
    pictures = sorted((data / "images/Set5/HR").glob("*.png"))
    assert len(pictures) == 5
    for path in pictures:
        expected = read(data / f"images/Set5/LR_bicubic/X{scale}/{path.stem}x{scale}.png")
        lr, _ = degrade(read(path), scale)
        assert np.count_nonzero(lr != expected) == 0, path.name


def test_rounding_once_at_the_end_would_not_do(data):
    """The mutant: float all the way and one rounding differs from the published bytes."""
    hr = read(data / "images/Set5/HR/baby.png")
    expected = read(data / "images/Set5/LR_bicubic/X2/babyx2.png")
    once = np.floor(np.clip(resize_bicubic(hr.astype(np.float64), scale=0.5), 0, 255) + 0.5)
    assert np.count_nonzero(once != expected) > 0


@given(st.integers(1, 40), st.integers(1, 80))
def test_every_output_is_a_mean_of_its_neighbourhood(size_in, size_out):
    indices, weights = bicubic_taps(size_in, size_out)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-12)
    assert indices.min() >= 0
    assert indices.max() < size_in


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 24), st.integers(1, 24), st.integers(0, 255))
def test_a_flat_picture_stays_flat(h, w, height, width, value):
    assert np.all(resize_bicubic(np.full((2, h, w), value, np.uint8), size=(height, width)) == value)


@given(st.integers(2, 12), st.integers(2, 12), st.integers(1, 24), st.integers(1, 24), st.integers(0, 2**32 - 1))
def test_mirrored_in_mirrored_out(h, w, height, width, seed):
    x = np.random.default_rng(seed).random((h, w))
    y, mirrored = resize_bicubic(x, size=(height, width)), resize_bicubic(x[::-1, ::-1], size=(height, width))
    np.testing.assert_allclose(y[::-1, ::-1], mirrored, rtol=0, atol=1e-12)


@given(st.integers(12, 30), st.integers(2, 3))
def test_a_ramp_is_kept_away_from_the_border(size, factor):
    """Cubic interpolation reproduces straight lines, stretched kernel or not."""
    x = np.arange(float(size * factor))[None]
    y = resize_bicubic(x, size=(1, size))[0]
    inner = slice(3, -3)
    np.testing.assert_allclose(y[inner], (np.arange(size) * factor + (factor - 1) / 2)[inner], rtol=0, atol=1e-9)


@pytest.mark.parametrize("kwargs", [{}, {"scale": 1, "size": (1, 1)}, {"size": (0, 3)}])
def test_nonsense_is_refused(kwargs):
    with pytest.raises(ValueError, match="resiz"):
        resize_bicubic(np.zeros((2, 2)), **kwargs)
