"""What a format cannot hold is refused before any work is done; what it can hold is written and read again."""

import numpy as np
import pytest
from photo_files import coded, pixels_of

from karat.app.photos.limits import LIMITS, check_format, file_bits, suffix_format
from karat.app.photos.photo import Photo
from karat.app.photos.write import write_photo
from karat.refimpl.errors import BadInput


@pytest.mark.parametrize("form", LIMITS)
def test_the_largest_side_passes_and_one_more_does_not(form):
    side, least = LIMITS[form].side, max(32, LIMITS[form].least)
    for width, height in ((side, least), (least, side)):
        check_format(form, width, height, 3)
    for width, height in ((side + 1, least), (least, side + 1)):
        with pytest.raises(BadInput, match=f"expected {side} a side at most"):
            check_format(form, width, height, 3)


@pytest.mark.parametrize(("form", "side"), [("WebP", 16383), ("JPEG", 65500), ("PNG", 1_000_000), ("AVIF", 32768)])
def test_the_largest_side_is_written_and_read_again(form, side):
    for shape in ((1, side), (side, 1)):
        content, _ = coded(Photo(np.full((*shape, 3), 255, np.uint8), 8, "PNG"), form)
        assert pixels_of(content, form)[0].shape == (*shape, 3)


@pytest.mark.parametrize(("form", "side"), [("WebP", 16383), ("JPEG", 65500), ("PNG", 1_000_000), ("AVIF", 65536)])
def test_the_libraries_themselves_refuse_one_more(form, side, monkeypatch):
    """The limit is not too low. (AVIF: the encoder takes 65536, but libavif then reads only 32768.)"""
    monkeypatch.setitem(LIMITS, form, type(LIMITS[form])(side + 1, LIMITS[form].bits))
    with pytest.raises(BadInput, match="expected the encoder to take them; choose TIFF"):
        coded(Photo(np.zeros((1, side + 1, 3), np.uint16), 16, "PNG"), form)


@pytest.mark.parametrize(("width", "height", "channels"), [(8193, 33, 3), (33, 8193, 1), (5000, 8, 3), (1, 1, 4)])
def test_long_heics_are_cut_into_tiles_without_a_trace(width, height, channels):
    pixels = (np.indices((height, width)).sum(0)[..., None] * np.arange(1, channels + 1) % 256).astype(np.uint8)
    content, _ = coded(Photo(pixels, 8, "PNG"), "HEIC", quality=100)
    assert (b"grid" in content) == (max(width, height) > 4096)
    np.testing.assert_array_equal(pixels_of(content, "HEIC")[0], pixels)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("GIF", 4, 4, 3), "the format is 'GIF', expected one of JPEG"),
        (("PNG", 0, 4, 3), "expected 1 a side at least"),
        (("RAW", 400, 21, 3), "expected 22 a side at least in a linear DNG"),
        (("AVIF", 20000, 20000, 3), "expected 268435456 at most in AVIF"),
        (("HEIC", 5000, 8, 4), "with alpha, expected 32 a side"),
        (("JPEG", 4, 4, 2), "the picture is grey with alpha, expected grey or RGB in JPEG; flatten it first"),
        (("RAW", 40, 40, 4), "the picture is RGB with alpha, expected grey or RGB in a linear DNG; choose TIFF"),
        (("TIFF", 4, 4, 5), "the picture is 5 channels, expected grey"),
        (("JPEG", 4, 4, 3, 16), "bits is 16, expected 8 in JPEG"),
        (("HEIC", 4, 4, 3, 16), "bits is 16, expected 8 or 10 or 12 in HEIC"),
        (("PNG", 4, 4, 3, "16"), "bits is '16', expected 8 or 16 in PNG"),
        (("RAW", 40, 40, 3, "auto", False), "no sensor data"),
    ],
)
def test_refusals_are_one_sentence(arguments, match):
    with pytest.raises(BadInput, match=match) as caught:
        check_format(*arguments)
    assert "; " in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("form", LIMITS)
def test_a_depth_that_loses_nothing_is_chosen_where_there_is_one(form):
    for bits in (8, 10, 12, 16):
        made = file_bits(form, bits)
        assert made in LIMITS[form].bits
        assert made >= bits or made == max(LIMITS[form].bits)


def test_suffixes_are_known_in_any_case(tmp_path):
    assert [suffix_format(f"a.{end}") for end in ("JPG", "tiff", "heif", "HIF", "dng")] == [
        "JPEG", "TIFF", "HEIC", "HEIC", "RAW",
    ]  # fmt: skip
    for name in ("a", "a.gif", ".png"):
        with pytest.raises(BadInput, match="expected one of [.]jpg"):
            write_photo(tmp_path / name, Photo(np.zeros((4, 4, 3), np.uint8), 8, "PNG"))
    assert list(tmp_path.iterdir()) == []
