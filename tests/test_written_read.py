"""What karat writes karat reads: the same numbers, depth, channels and metadata, in every format."""

from dataclasses import replace

import numpy as np
import pytest
from exif_blocks import exif_blocks
from hypothesis import given
from hypothesis import strategies as st
from written_files import ALL, LOSSLESS, coded, pixels_of, random_pixels

from karat.app.photos import heif_out
from karat.app.photos.exif_patch import correct_exif, read_block
from karat.app.photos.photo import Metadata, Photo
from karat.app.photos.read import read_header, read_photo
from karat.app.photos.write import write_photo
from karat.refimpl.errors import BadInput

SUFFIX = {"JPEG": "jpg", "PNG": "png", "TIFF": "tif", "WebP": "webp", "AVIF": "avif", "HEIC": "heic", "RAW": "dng"}
DEPTHS = {"PNG": (8, 16), "TIFF": (8, 16), "WebP": (8,), "AVIF": (8, 10, 12), "HEIC": (8, 10, 12), "JPEG": (8,)}
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><d xmlns:t="http://ns.adobe.com/tiff/1.0/" t:Orientation="1"/></x:xmpmeta>'
IPTC = b"\x1c\x02\x05\0\x05title"


def profile():
    """A profile of RGB that LittleCMS can read."""
    import imagecodecs

    return imagecodecs.cms_profile("adobergb")


@pytest.mark.parametrize("form", LOSSLESS)
@given(data=st.data())
def test_numbers_depth_and_channels_come_back(form, data, tmp_path_factory):
    bits = data.draw(st.sampled_from(DEPTHS[form]))
    channels = data.draw(st.sampled_from([3, 4] if form == "WebP" else [1, 2, 3, 4]))
    shape = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    photo = Photo(random_pixels(data.draw(st.integers(0, 99)), *shape, channels, bits), bits, form)
    path = tmp_path_factory.mktemp("round") / f"a.{SUFFIX[form]}"
    written = write_photo(path, photo, quality=100)
    expected = photo.pixels[..., :-1] if "alpha is left out: it is opaque everywhere" in written.notes else photo.pixels
    found, header = read_photo(path), read_header(path)
    np.testing.assert_array_equal(found.pixels, expected)
    assert (found.bits, found.format) == (bits, form)
    assert (header.width, header.height, header.channels, header.bits) == (shape[1], shape[0], expected.shape[2], bits)


@pytest.mark.parametrize("form", ALL)
@given(drawn=exif_blocks())
def test_metadata_comes_back_byte_by_byte(form, drawn, tmp_path_factory):
    kept = Metadata(drawn.data, XMP, IPTC, profile())
    photo = Photo(random_pixels(0, 30, 40, 3, 8), 8, "JPEG", kept)
    path = tmp_path_factory.mktemp("round") / f"a.{SUFFIX[form]}"
    write_photo(path, photo)
    found = read_photo(path).metadata
    assert (found.xmp, found.icc) == (kept.xmp, kept.icc)
    assert found.iptc == (None if form == "WebP" else IPTC)
    if form != "TIFF":  # a TIFF's tags are its own: they are compared below
        corrected = correct_exif(drawn.data, 40, 30)[0]
        again = drawn.may_differ()
        assert all(a == b for i, (a, b) in enumerate(zip(found.exif, corrected, strict=True)) if i not in again)
        return
    before, after = (_values(block) for block in (drawn.data, found.exif or b"II*\0\x08\0\0\0\0\0\0\0\0\0"))
    same = after.keys() & before.keys() - {0xA002, 0xA003}
    assert {tag: before[tag] for tag in same} == {tag: after[tag] for tag in same}


def _values(exif):
    block = read_block(exif)
    folders = list(block.nested.values())
    return {e.tag: exif[e.value : e.value + e.size] for folder in folders for e in folder.entries if e.tag != 0xA005}


def test_colour_numbers_come_back(tmp_path):
    photo = Photo(random_pixels(0, 30, 40, 3, 10), 10, "HEIC", Metadata(cicp=(9, 16, 9)))
    for form in ("PNG", "AVIF", "HEIC"):
        write_photo(tmp_path / f"a.{SUFFIX[form]}", photo)
        assert read_photo(tmp_path / f"a.{SUFFIX[form]}").metadata.cicp[:2] == (9, 16)


@given(seed=st.integers(0, 99), channels=st.sampled_from([1, 3]))
def test_sensor_data_comes_back(seed, channels, tmp_path_factory):
    camera = {
        "make": "Acme",
        "model": "One",
        "as_shot_neutral": [0.5, 1.0, 0.7],
        "xyz_to_camera": [[0.9, -0.2, -0.1], [-0.4, 1.2, 0.2], [0.0, 0.1, 0.6]],
        "illuminant": 21,
    }
    photo = Photo(random_pixels(seed, 40, 50, channels, 16), 16, "RAW", linear=True, camera=camera)
    path = tmp_path_factory.mktemp("round") / "a.dng"
    write_photo(path, photo)
    found = read_photo(path)
    np.testing.assert_array_equal(found.pixels, photo.pixels)
    assert (found.linear, found.format, found.camera["make"], found.camera["model"]) == (True, "RAW", "Acme", "One")
    if channels == 3:
        np.testing.assert_allclose(found.camera["xyz_to_camera"], camera["xyz_to_camera"], atol=1e-6)
        np.testing.assert_allclose(found.camera["as_shot_neutral"], camera["as_shot_neutral"], rtol=1e-6)


FILES = ["rotation_6.jpg", "Multiple_ICC_segments.jpg", "cheers_1440x960.heic", "avif-orientation-6.avif"]


@pytest.mark.parametrize(
    "name", [*FILES, "ultra-hdr.jpg", "synthetic/L_exif_xmp_iptc.heic", "synthetic/RGBA_10__128x128.heif"]
)
@pytest.mark.parametrize("form", ALL)
def test_real_files_keep_their_metadata(data, name, form, tmp_path):
    photo = read_photo(data / "camera" / name)
    if form == "JPEG" and photo.pixels.shape[2] == 4:
        photo = replace(photo, pixels=photo.pixels[..., :3])
    photo = replace(photo, pixels=np.ascontiguousarray(photo.pixels[:90, :120]))
    path = tmp_path / f"a.{SUFFIX[form]}"
    write_photo(path, photo)
    found, kept = read_photo(path).metadata, photo.metadata
    if kept.icc and kept.icc[16:20] != b"GRAY":
        assert found.icc == kept.icc
    assert form == "TIFF" or (found.exif is None) == (kept.exif is None)  # a TIFF always says its resolution
    assert (found.xmp is None) == (kept.xmp is None)
    if form != "TIFF" and kept.exif:
        assert len(found.exif) == len(kept.exif)


def test_a_raw_file_becomes_a_dng_with_the_same_numbers(data, tmp_path):
    photo = read_photo(data / "camera" / "colorchart.dng")
    part = replace(photo, pixels=np.ascontiguousarray(photo.pixels[:300, :400]))
    write_photo(tmp_path / "a.dng", part)
    found = read_photo(tmp_path / "a.dng")
    np.testing.assert_array_equal(found.pixels, part.pixels)
    np.testing.assert_allclose(found.camera["as_shot_neutral"], part.camera["as_shot_neutral"], rtol=1e-5)
    np.testing.assert_allclose(found.camera["xyz_to_camera"], part.camera["xyz_to_camera"], atol=1e-6)


def test_a_large_heic_is_cut_into_tiles(monkeypatch):
    """libde265 refuses a coded picture of more than 16 MB, so that a large one could never be read again."""
    photo = Photo(random_pixels(0, 200, 300, 3, 8), 8, "HEIC")
    whole, _ = coded(photo, "HEIC", quality=100)
    monkeypatch.setattr(heif_out, "ONE_PICTURE", 200 * 300 - 1)
    tiled, _ = coded(photo, "HEIC", quality=100)
    assert b"grid" in tiled
    assert b"grid" not in whole
    for content in (whole, tiled):
        assert np.array_equal(pixels_of(content, "HEIC")[0], photo.pixels)


def test_a_heic_with_alpha_that_nobody_could_read_is_refused(monkeypatch):
    photo = Photo(random_pixels(0, 40, 50, 4, 8), 8, "HEIC")
    coded(photo, "HEIC")
    monkeypatch.setattr(heif_out, "READABLE", 1000)
    with pytest.raises(BadInput, match="choose PNG or a lower quality"):
        coded(photo, "HEIC")
    coded(Photo(photo.pixels[..., :3], 8, "HEIC"), "HEIC")
