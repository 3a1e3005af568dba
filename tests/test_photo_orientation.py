"""A picture is turned once: by its EXIF, or by the file's own properties, and never by both."""

import io
import struct

import numpy as np
import pillow_heif
import pytest
from hypothesis import given
from hypothesis import strategies as st
from photo_files import UPRIGHT, exif, heic, pillow, png, smooth, tiff, with_chunk
from PIL import Image

from karat.app.photos import heif_file, turn
from karat.app.photos.read import read_header, read_photo
from karat.app.photos.turn import composed

STORED = smooth(24, 40)


def avif(pixels, orientation):
    content = io.BytesIO()
    block = exif(orientation)
    Image.fromarray(pixels).save(content, "AVIF", quality=100, subsampling="4:4:4", exif=block)
    return content.getvalue()


WRITERS = {
    "JPEG": lambda pixels, o: pillow(pixels, "JPEG", quality=100, subsampling=0, exif=b"Exif\0\0" + exif(o)),
    "PNG": lambda pixels, o: pillow(pixels, "PNG", exif=exif(o)),
    "PNG of 16 bits": lambda pixels, o: with_chunk(png(pixels.astype(np.uint16) * 257), b"eXIf", exif(o, "<")),
    "TIFF": lambda pixels, o: tiff(pixels, extratags=[(274, 3, 1, o, True)]),
    "WebP": lambda pixels, o: pillow(pixels, "WEBP", lossless=True, exif=exif(o)),
    "HEIC": lambda pixels, o: heic(pixels, exif=exif(o)),
    "AVIF": avif,
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("form", WRITERS)
def test_orientation(tmp_path, form, orientation):
    path = tmp_path / "photo"
    path.write_bytes(WRITERS[form](STORED, orientation))
    photo, header = read_photo(path), read_header(path)
    upright = UPRIGHT[orientation](STORED)
    assert photo.pixels.shape == upright.shape == (header.height, header.width, header.channels)
    difference = photo.pixels / photo.most - upright / 255
    lossy = {"JPEG": 0.02, "AVIF": 0.02}  # of these two; any other turn differs by more than 0.1 on average
    assert np.abs(difference).mean() <= lossy.get(form, 1e-9)
    for other, turned in UPRIGHT.items():
        if other != orientation and turned(STORED).shape == upright.shape:
            assert np.abs(photo.pixels / photo.most - turned(STORED) / 255).mean() > 0.1


def test_a_turn_of_the_file_itself_wins_over_exif(tmp_path):
    """Where both say something, EXIF is ignored: the writers of HEIC and AVIF keep it, and turning twice is wrong."""
    with_another = exif(6, more=[(296, 6)])
    for form in ("HEIC", "AVIF"):
        content = heic(STORED, exif=exif(6)) if form == "HEIC" else pillow(STORED, "AVIF", exif=with_another)
        if form == "AVIF":  # Pillow takes EXIF's orientation out: another tag becomes one
            content = content.replace(struct.pack(">HHIH", 296, 3, 1, 6), struct.pack(">HHIH", 274, 3, 1, 6))
        assert b"irot" in content
        assert struct.pack(">HHIH", 274, 3, 1, 6) in content
        path = tmp_path / form
        path.write_bytes(content)
        assert read_photo(path).pixels.shape == (40, 24, 3)
        assert read_photo(path).notes == ()


def test_exif_turns_a_heic_that_does_not_turn_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(pillow_heif.heif, "_get_orientation_for_encoder", lambda info: 1)
    content = heic(STORED, exif=exif(6))
    assert b"irot" not in content
    path = tmp_path / "photo"
    path.write_bytes(content)
    photo = read_photo(path)
    np.testing.assert_array_equal(photo.pixels, UPRIGHT[6](STORED))
    assert "as its EXIF says" in photo.notes[0]


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 3), st.sampled_from(list(UPRIGHT)))
def test_turn_is_numpys(height, width, channels, orientation):
    pixels = np.arange(height * width * channels).reshape(height, width, channels)
    np.testing.assert_array_equal(turn.turn(pixels, orientation), UPRIGHT[orientation](pixels))


STEPS = st.lists(
    st.tuples(st.just("irot"), st.integers(0, 3)) | st.tuples(st.just("imir"), st.integers(0, 1)), max_size=4
)


@given(STEPS)
def test_turns_after_each_other_are_one(steps):
    pixels = np.arange(24).reshape(4, 6)
    expected = pixels
    for kind, value in steps:
        expected = np.rot90(expected, value) if kind == "irot" else np.flip(expected, value)
    np.testing.assert_array_equal(turn.turn(pixels, composed(steps)), expected)


def test_turning_twice_is_caught(tmp_path, monkeypatch):
    """The mutant: EXIF is applied on top of what libheif has done."""
    path = tmp_path / "photo"
    path.write_bytes(WRITERS["HEIC"](STORED, 6))
    right = read_photo(path).pixels
    monkeypatch.setattr(heif_file, "_turns", lambda primary: [])
    assert read_photo(path).pixels.shape != right.shape
