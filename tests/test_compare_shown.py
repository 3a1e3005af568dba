"""What the page shows of a photograph: 8 bits of sRGB, within bounded sizes."""

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from compare_pairs import cut_out, photo, sensor
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from skimage.data import astronaut

from karat.app.photos.color import PRIMARIES, cicp_profile, srgb_profile
from karat.app.photos.compare import pictures, shown
from karat.app.photos.compare.crops import Crop
from karat.app.photos.compare.pictures import DETAIL, LONGEST, WHOLE, detail, whole_pictures
from karat.app.photos.compare.shown import board, over, resized
from karat.app.photos.curve import decoded, encoded
from karat.app.photos.photo import Metadata
from karat.refimpl.ops import resize_bicubic

P3 = (12, 13, 0)


def xyz_of(chromaticities):
    """The matrix from light of three primaries to XYZ, (3, 3): SMPTE RP 177 (1993)."""
    *primaries, white = (np.array([x, y, 1 - x - y]) / y for x, y in np.reshape(chromaticities, (4, 2)))
    columns = np.stack(primaries, axis=1)
    return columns * np.linalg.solve(columns, white)


def numbers(seed, height, width, channels, bits=8):
    drawn = np.random.default_rng(seed).integers(0, 2**bits, (height, width, channels))
    return drawn.astype(np.uint8 if bits == 8 else np.uint16)


@given(st.integers(0, 99), st.integers(1, 40), st.sampled_from([1, 2, 3, 4]), st.sampled_from([8, 10, 12, 16]))
def test_numbers_of_srgb_are_only_rounded(seed, height, channels, bits):
    pixels = numbers(seed, height, 9, channels, bits)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shown, "ROWS", 7)
        found, notes = shown.shown(photo(pixels, bits))
    assert found.dtype == np.uint8
    assert np.abs(found - pixels * (255 / (2**bits - 1))).max() <= 0.5 + 255 * 2.0**-52
    assert ("16 bits shown as 8" in notes) == (bits == 16)
    assert any("checkerboard" in note for note in notes) == (channels in (2, 4) and bool((found[..., -1] < 255).any()))


def test_an_opaque_photograph_of_8_bits_needs_no_words():
    pixels = np.dstack([astronaut()[:50, :60], np.full((50, 60), 255, np.uint8)])
    for found in (photo(pixels), photo(pixels[..., :3]), photo(pixels[..., :1])):
        same, notes = shown.shown(found)
        assert np.array_equal(same, found.pixels)
        assert notes == ()


@pytest.mark.parametrize("held", [{"icc": cicp_profile(P3)}, {"cicp": P3}])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_wide_gamut_is_converted_and_said(held, bits):
    pixels = astronaut()[300:360, 150:230]  # orange
    deep = pixels if bits == 8 else pixels.astype(np.uint16) * 257
    found, notes = shown.shown(photo(deep, bits, metadata=Metadata(**held)))
    primaries = [xyz_of(PRIMARIES[number]) for number in (1, 12)]
    light = decoded(pixels / 255) @ np.linalg.solve(*primaries).T
    exact = 255 * encoded(np.clip(light, 0, 1))
    assert np.abs(found - exact).max() <= 1
    assert np.abs(found - pixels.astype(int)).max() > 10  # and what is left as it is would be caught
    assert any("to sRGB" in note for note in notes)


def test_a_profile_of_srgb_is_not_worth_a_word():
    found, notes = shown.shown(photo(astronaut()[:60, :80], metadata=Metadata(icc=srgb_profile())))
    assert np.abs(found - astronaut()[:60, :80].astype(int)).max() <= 1
    assert notes == ()


@pytest.mark.parametrize("held", [{"cicp": (9, 16, 0)}, {"icc": b"no profile" * 20}])
def test_what_cannot_be_converted_is_shown_and_said(held):
    pixels = astronaut()[:9, :9]
    found, notes = shown.shown(photo(pixels, metadata=Metadata(**held)))
    assert np.array_equal(found, pixels)
    assert len(notes) == 1
    assert notes[0].startswith("colours shown as if they were sRGB's, since ")


def test_sensor_data_is_shown_through_the_curve():
    pair = sensor()
    found, notes = shown.shown(pair.before)
    exact = 255 * encoded(pair.before.pixels / 65535)
    assert np.abs(found - exact).max() <= 0.5 + 0.5 / 257 + 1e-9  # rounded to 16 bits, then to 8
    assert notes == ("light shown through sRGB's curve", "16 bits shown as 8")
    balanced = replace(pair.before, camera={"as_shot_neutral": [0.5, 1.0, 0.6]})
    developed, notes = shown.shown(balanced)
    assert developed[..., 0].astype(int).sum() > found[..., 0].astype(int).sum()  # red was given back
    assert any("developed" in note for note in notes)


@given(st.integers(0, 99), st.integers(4, 30), st.integers(4, 30), st.sampled_from([1, 3]), st.integers(2, 4))
def test_before_is_the_bicubic_of_the_reference(seed, height, width, channels, scale):
    pixels = 64 + numbers(seed, height, width, channels) // 2  # no overshoot is clipped between the passes
    found = resized(pixels, scale * width, scale * height).astype(int)
    expected = resize_bicubic(pixels.transpose(2, 0, 1), scale=scale).transpose(1, 2, 0)
    inside = slice(2 * scale, -2 * scale)  # at the borders Pillow forgets what is outside, MATLAB mirrors
    # each rounds after its first pass (at most 0.5 x the 1.25 of its weights' magnitudes) and after its second
    assert np.abs(found - expected)[inside, inside].max(initial=0) <= 2 * (0.5 * 1.25 + 0.5)
    nearest = resized(pixels, scale * width, scale * height, Image.Resampling.NEAREST).astype(int)
    assert np.abs(nearest - expected)[inside, inside].max(initial=9) > 2.25


def test_transparent_colours_do_not_bleed():
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, :4] = 0, 0, 255, 255
    pixels[:, 4:] = 255, 0, 0, 0  # red, and not to be seen
    seen = over(resized(pixels, 32, 32), 0)
    assert seen[..., 0].max() == 0
    plain = resized(np.ascontiguousarray(pixels[..., :3]), 32, 32)
    assert plain[..., 0].max() > 200  # as it would be without regard to alpha


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_over_is_a_mean_weighted_by_alpha(colour, alpha, background):
    found = over(np.array([[[colour, alpha]]], np.uint8), background)
    assert abs(int(found[0, 0, 0]) - (colour * alpha + background * (255 - alpha)) / 255) <= 0.5


def bytes_of(address):
    head, data = address.split(",")
    return head, base64.b64decode(data)


@pytest.mark.parametrize(("height", "width"), [(2000, 1500), (1, 5000), (5000, 1), (10, 20), (1, 1)])
@pytest.mark.parametrize("channels", [1, 4])
def test_whole_pictures_are_bounded(height, width, channels):
    noise = numbers(1, height, width, channels)
    addresses, size = whole_pictures(noise, noise // 2)
    assert max(size) <= LONGEST
    assert abs(size[0] / size[1] - width / height) <= max(1 / size[1], width / height / size[0]) or min(size) == 1
    for head, file in map(bytes_of, addresses):
        assert head == "data:image/jpeg;base64"
        assert len(file) <= WHOLE
        assert Image.open(io.BytesIO(file)).size == size


def test_the_bound_is_what_bounds_them(monkeypatch):
    monkeypatch.setattr(pictures, "WHOLE", 10**9)
    addresses, _ = whole_pictures(numbers(1, 1200, 1200, 3))
    assert len(bytes_of(addresses[0])[1]) > WHOLE


@pytest.mark.parametrize("channels", [1, 3])
def test_details_are_the_pixels_themselves_and_bounded(channels):
    noise = numbers(2, 400, 500, channels)
    head, file = bytes_of(detail(noise, Crop(30, 70, 320, 320, 0)))
    found = np.asarray(Image.open(io.BytesIO(file))).reshape(320, 320, channels)
    assert head == "data:image/png;base64"
    assert np.array_equal(found, noise[30:350, 70:390])
    assert not np.array_equal(found, noise[31:351, 70:390])
    assert len(file) <= DETAIL


def test_details_lie_on_the_checkerboard_where_they_are_transparent():
    pixels = cut_out().before.pixels.copy()
    pixels[..., -1] = 0
    _, file = bytes_of(detail(pixels, Crop(0, 0, 40, 40, 0)))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(file)))[..., :1], board(40, 40))
