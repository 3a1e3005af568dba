"""Colours kept, or converted to sRGB as LittleCMS does it through Pillow."""

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from written_files import coded, metadata_of, photos, pixels_of, random_pixels

from karat.app.photos.color import PRIMARIES, cicp_profile, srgb_profile, to_srgb
from karat.app.photos.photo import Metadata, Photo
from karat.refimpl.errors import BadInput

imagecodecs = pytest.importorskip("imagecodecs")

DISPLAY_P3, ADOBE = cicp_profile((12, 13, 0)), imagecodecs.cms_profile("adobergb")
GREY = imagecodecs.cms_profile("gray", gamma=1.8, whitepoint=[0.3457, 0.3585, 1.0])


def by_pillow(pixels, profile):
    """8-bit RGB to sRGB."""
    from PIL import Image, ImageCms

    image = ImageCms.profileToProfile(
        Image.fromarray(pixels), io.BytesIO(profile), io.BytesIO(srgb_profile()), renderingIntent=0
    )
    return np.asarray(image)


@given(photos(bits=(8,), channels=(3, 4)), st.sampled_from([DISPLAY_P3, ADOBE]))
def test_eight_bits_are_converted_as_pillow_does(photo, profile):
    made, notes = to_srgb(replace(photo, metadata=Metadata(icc=profile)))
    expected = by_pillow(np.ascontiguousarray(photo.pixels[..., :3]), profile)
    np.testing.assert_array_equal(made.pixels[..., :3], expected)
    np.testing.assert_array_equal(made.pixels[..., 3:], photo.pixels[..., 3:])
    assert made.metadata.icc == srgb_profile()
    assert notes == ("the colours were converted to sRGB",)


def test_a_conversion_that_does_nothing_is_caught():
    pixels = random_pixels(0, 9, 9, 3, 8)
    assert (by_pillow(pixels, DISPLAY_P3) != pixels).any()


@given(photos(bits=(10, 12, 16), channels=(1, 2, 3, 4)))
def test_deep_numbers_are_converted_deep(photo):
    """By P3's definition in float64: the curve of sRGB, and the matrix between the primaries."""
    made, _ = to_srgb(replace(photo, metadata=Metadata(cicp=(12, 13, 6))))
    expected, count = by_definition(photo)
    assert np.abs(made.pixels[..., :count] - expected).max() <= deep_bound(photo.most)
    np.testing.assert_array_equal(made.pixels[..., count:], photo.pixels[..., count:])


def deep_bound(most):
    """What LittleCMS may be off, in numbers of the file.

    In units of 1/65535 of light: 1 of a curve in a table of 16 bits, times 1.45 (the largest row of P3 to sRGB); and
    half a unit in each of three colorants (s15.16) of two profiles, times 5.3 (the largest row of XYZ to sRGB). The
    curve of sRGB is 12.92 steep at black; rounding to 16 bits and to the file's are at most 1.
    """
    return 12.92 * (1.45 + 2 * 3 * 0.5 * 5.3) * most / 65535 + 1


def test_the_table_that_littlecms_puts_in_between_is_caught():
    photo = Photo(random_pixels(0, 50, 50, 3, 16), 16, "PNG")
    made = imagecodecs.cms_transform(photo.pixels, DISPLAY_P3, srgb_profile(), colorspace="rgb", outcolorspace="rgb")
    assert np.abs(made - by_definition(photo)[0]).max() > deep_bound(65535)


def by_definition(photo):
    """P3 as sRGB, and how many channels are colours."""
    count = photo.pixels.shape[2] - (photo.pixels.shape[2] % 2 == 0)
    colours = np.repeat(photo.pixels[..., :1], 3, 2) if count == 1 else photo.pixels[..., :3]
    light = _light(colours / photo.most) @ _to_srgb_matrix().T
    return _coded(np.clip(light, 0, 1))[..., :count] * photo.most, count


def _light(coded_):
    return np.where(coded_ <= 0.04045, coded_ / 12.92, ((coded_ + 0.055) / 1.055) ** 2.4)


def _coded(light):
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055)


def _to_srgb_matrix():
    """From P3 to sRGB through XYZ, both with the white D65 (SMPTE RP 177)."""

    def to_xyz(points):
        rx, ry, gx, gy, bx, by, wx, wy = points
        columns = np.array([[rx, gx, bx], [ry, gy, by], [1 - rx - ry, 1 - gx - gy, 1 - bx - by]])
        return columns * np.linalg.solve(columns, np.array([wx, wy, 1 - wx - wy]) / wy)

    return np.linalg.inv(to_xyz(PRIMARIES[1])) @ to_xyz(PRIMARIES[12])


@given(photos(bits=(8, 16), channels=(1, 2)))
def test_grey_profiles_leave_grey_pictures_grey(photo):
    made, _ = to_srgb(replace(photo, metadata=Metadata(icc=GREY)))
    expected = _coded((photo.pixels[..., 0] / photo.most) ** 1.8) * photo.most
    assert made.pixels.shape == photo.pixels.shape
    assert made.metadata.icc is None
    assert np.abs(made.pixels[..., 0] - expected).max() <= deep_bound(photo.most)
    np.testing.assert_array_equal(made.pixels[..., 1:], photo.pixels[..., 1:])


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WebP", "AVIF", "HEIC"])
def test_the_profile_is_replaced_in_files(form):
    photo = Photo(random_pixels(0, 20, 30, 3, 8), 8, "JPEG", Metadata(icc=ADOBE))
    content, _ = coded(photo, form, quality=100, color="srgb")
    assert metadata_of(content, form)[2] == srgb_profile()
    if form != "JPEG":
        np.testing.assert_array_equal(pixels_of(content, form)[0], by_pillow(photo.pixels, ADOBE))


def test_grey_with_a_grey_profile_becomes_a_webp_in_srgb():
    photo = Photo(random_pixels(0, 20, 30, 1, 8), 8, "PNG", Metadata(icc=GREY))
    content, written = coded(photo, "WebP", quality=100)
    assert "the colours were converted to sRGB" in written.notes
    assert metadata_of(content, "WebP")[2] is None
    assert (pixels_of(content, "WebP")[0][..., :1] == to_srgb(photo)[0].pixels).all()


@pytest.mark.parametrize(
    ("metadata", "match"),
    [
        (Metadata(cicp=(9, 16, 9)), r"HDR \(PQ\)"),
        (Metadata(cicp=(9, 18, 9)), r"HDR \(HLG\)"),
        (Metadata(cicp=(77, 13, 0)), "is not known"),
        (Metadata(icc=b"broken"), "for "),
        (Metadata(icc=ADOBE[:200]), "cannot be used"),
        (Metadata(icc=ADOBE[:16] + b"CMYK" + ADOBE[20:]), "for CMYK, expected RGB or grey"),
        (Metadata(icc=GREY), "for grey and the picture is RGB"),
    ],
)
def test_what_cannot_be_converted_is_refused(metadata, match):
    photo = Photo(random_pixels(0, 5, 5, 3, 8), 8, "PNG", metadata)
    with pytest.raises(BadInput, match=match) as caught:
        coded(photo, "PNG", color="srgb")
    assert "keep the colours as they are" in str(caught.value)


def test_srgb_pictures_are_not_touched():
    for metadata, notes in ((Metadata(), 1), (Metadata(cicp=(1, 13, 6)), 0), (Metadata(cicp=(2, 2, 6)), 1)):
        photo = Photo(random_pixels(0, 5, 5, 3, 8), 8, "PNG", metadata)
        made, said = to_srgb(photo)
        assert made is photo
        assert len(said) == notes


@pytest.mark.parametrize("primaries", PRIMARIES)
@pytest.mark.parametrize("transfer", [1, 4, 5, 8, 13])
def test_profiles_of_colour_numbers_are_the_same_each_time(primaries, transfer):
    made = cicp_profile((primaries, transfer, 0))
    assert made == cicp_profile((primaries, transfer, 0))
    imagecodecs.cms_profile_validate(made)


def test_choices_that_are_none_are_refused():
    photo = Photo(random_pixels(0, 5, 5, 3, 8), 8, "PNG")
    with pytest.raises(BadInput, match='expected "keep" or "srgb"'):
        coded(photo, "PNG", color="p3")
    with pytest.raises(BadInput, match='expected "keep" or "strip"'):
        coded(photo, "PNG", metadata="none")
