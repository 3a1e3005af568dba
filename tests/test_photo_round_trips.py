"""What is written comes back: values, bits and channels, in every format that can lose nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from photo_files import LOSSLESS, coded, photos, pixels_of, random_pixels

from karat.app.photos.depth import change_bits
from karat.app.photos.photo import Photo
from karat.refimpl.errors import BadInput

DEPTHS = {"PNG": (8, 16), "TIFF": (8, 16), "WebP": (8,), "AVIF": (8, 10, 12), "HEIC": (8, 10, 12), "JPEG": (8,)}
PAIRS = [(form, bits) for form in LOSSLESS for bits in DEPTHS[form]]


@pytest.mark.parametrize(("form", "bits"), PAIRS)
@given(data=st.data())
def test_lossless_files_give_back_every_value(form, bits, data):
    photo = data.draw(photos(bits=(bits,)))
    content, written = coded(photo, form, quality=100)
    pixels, depth = pixels_of(content, form)
    expected = photo.pixels
    if form == "WebP" and photo.pixels.shape[2] < 3:
        assert "grey is written as RGB: WebP has no grey" in written.notes
        expected = np.concatenate([np.repeat(expected[..., :1], 3, 2), expected[..., 1:]], 2)
    if "alpha is left out: it is opaque everywhere" in written.notes:
        assert form in ("WebP", "AVIF")
        assert (expected[..., -1] == photo.most).all()
        expected = expected[..., :-1]
    assert written.bits == depth == bits
    np.testing.assert_array_equal(pixels, expected)


@given(photos(channels=(1, 3)))
def test_a_jpeg_keeps_grey_grey_and_its_size(photo):
    pixels, _ = pixels_of(coded(photo, "JPEG")[0], "JPEG")
    assert pixels.shape == photo.pixels.shape


@pytest.mark.parametrize("form", [*LOSSLESS, "JPEG"])
@pytest.mark.parametrize("quality", [None, 100])
@pytest.mark.parametrize("channels", [1, 3])
def test_white_stays_white_and_black_black(form, quality, channels):
    for value in (0, 255):
        flat = Photo(np.full((40, 40, channels), value, np.uint8), 8, "JPEG")
        assert (pixels_of(coded(flat, form, quality=quality)[0], form)[0] == value).all()


@given(st.sampled_from([8, 10, 12, 16]), st.sampled_from([8, 10, 12, 16]))
def test_depths_are_changed_to_the_nearest_value(bits, wanted):
    values = np.arange(2**bits, dtype=np.uint8 if bits == 8 else np.uint16)
    made = change_bits(values, bits, wanted)
    exact = values.astype(np.float64) * (2**wanted - 1) / (2**bits - 1)
    assert (np.abs(made - exact) <= 0.5).all()
    assert made.dtype == (np.uint8 if wanted == 8 else np.uint16)
    if wanted >= bits:
        np.testing.assert_array_equal(change_bits(made, wanted, bits), values)


def test_a_shift_instead_of_a_rounding_is_caught():
    values = np.arange(1024, dtype=np.uint16)
    exact = values * 65535 / 1023
    assert (np.abs((values << 6) - exact) > 0.5).any()  # 1023 would become 65472: white would turn grey


@pytest.mark.parametrize(
    ("form", "bits", "kept"), [("PNG", 10, 16), ("HEIC", 16, 12), ("JPEG", 16, 8), ("AVIF", 10, 10)]
)
def test_a_changed_depth_is_said(form, bits, kept):
    photo = Photo(random_pixels(0, 8, 8, 3, bits), bits, "PNG")
    _, written = coded(photo, form)
    assert written.bits == kept
    assert any("bits were" in note for note in written.notes) == (bits != kept)


@given(photos(bits=(10, 12)))
def test_deep_heic_goes_to_16_bit_png_by_the_rule(photo):
    pixels, _ = pixels_of(coded(photo, "PNG")[0], "PNG")
    expected = np.rint(photo.pixels.astype(np.float64) * 65535 / photo.most)
    np.testing.assert_array_equal(pixels, expected)


def test_alpha_in_a_jpeg_is_refused():
    with pytest.raises(BadInput, match="flatten it first, or choose PNG"):
        coded(Photo(random_pixels(0, 4, 4, 4, 8), 8, "PNG"), "JPEG")


@pytest.mark.parametrize("quality", [0, 101, "90", True, 90.0])
def test_qualities_that_are_none_are_refused(quality):
    with pytest.raises(BadInput, match="expected a whole number from 1 to 100"):
        coded(Photo(random_pixels(0, 4, 4, 3, 8), 8, "PNG"), "JPEG", quality=quality)


def test_two_runs_give_the_same_bytes():
    photo = Photo(random_pixels(0, 40, 50, 3, 8), 8, "PNG")
    for form in DEPTHS:
        assert coded(photo, form)[0] == coded(photo, form)[0]
