"""Linear DNGs and large TIFFs, opened by other programs."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from exif_blocks import exif_blocks
from hypothesis import given
from hypothesis import strategies as st
from written_files import coded, random_pixels

from karat.app.photos import raw_file, tiff_out
from karat.app.photos.camera import camera_colors
from karat.app.photos.color import srgb_profile
from karat.app.photos.develop import camera_to_srgb
from karat.app.photos.photo import Metadata, Photo
from karat.app.photos.tags import Tags
from karat.refimpl.errors import BadInput

rawpy = pytest.importorskip("rawpy")

CAMERA = {
    "make": "Acme",
    "model": "One",
    "as_shot_neutral": [0.5, 1.0, 0.7],
    "xyz_to_camera": [[0.9, -0.2, -0.1], [-0.4, 1.2, 0.2], [0.0, 0.1, 0.6]],
}
LINEAR = {"gamma": (1, 1), "no_auto_bright": True, "output_bps": 16, "user_wb": [1.0] * 4, "adjust_maximum_thr": 0.0}


def sensor(seed, height, width, channels=3, metadata=None, **camera):
    """Sensor data."""
    pixels = random_pixels(seed, height, width, channels, 16)
    return Photo(pixels, 16, "RAW", metadata or Metadata(), linear=True, camera=CAMERA | camera)


# LibRaw takes the first two bytes of a strange maker note for a count of at most 1000 entries of 12 bytes, and reads
# them: where the file ends before, that is an error. Photographs are larger.
SIDES = st.integers(80, 120)


@given(exif_blocks(), st.integers(0, 99), SIDES, SIDES, st.sampled_from([1, 3]))
def test_rawpy_reads_the_same_numbers(drawn, seed, height, width, channels):
    """In the file's own raster, and after its own way from raw to linear camera colours."""
    photo = sensor(seed, height, width, channels, Metadata(exif=drawn.data))
    content, written = coded(photo, "RAW")
    with rawpy.imread(io.BytesIO(content)) as raw:
        stored = raw.raw_image.reshape(height, width, -1)[..., :channels]
        np.testing.assert_array_equal(stored, photo.pixels)
        made = raw.postprocess(output_color=rawpy.ColorSpace.raw, **LINEAR)
        np.testing.assert_array_equal(made.reshape(height, width, -1)[..., :channels], photo.pixels)
        assert raw.white_level == 65535
        if channels == 3:
            expected = 1 / np.array(CAMERA["as_shot_neutral"])
            np.testing.assert_allclose(raw.camera_whitebalance[:3], expected, rtol=1e-6)  # fractions of a million
    assert written.bits == 16


def test_the_matrix_arrives():
    """LibRaw's way to sRGB and ours agree: both balance white."""
    with rawpy.imread(io.BytesIO(coded(sensor(0, 40, 40), "RAW")[0])) as raw:
        colors = camera_colors(CAMERA)
        ours = camera_to_srgb(colors.matrix)
        np.testing.assert_allclose(raw.color_matrix[:, :3], ours, atol=2e-4)  # LibRaw's constants have six digits


def test_a_mutant_with_a_swapped_matrix_is_caught():
    turned = np.array(CAMERA["xyz_to_camera"]).T
    with rawpy.imread(io.BytesIO(coded(sensor(0, 40, 40, xyz_to_camera=turned), "RAW")[0])) as raw:
        ours = camera_to_srgb(camera_colors(CAMERA).matrix)
        assert np.abs(raw.color_matrix[:, :3] - ours).max() > 0.01


def test_developing_agrees_with_rawpy():
    photo = sensor(0, 60, 80)
    content, written = coded(photo, "TIFF")
    with rawpy.imread(io.BytesIO(coded(photo, "RAW")[0])) as raw:
        theirs = raw.postprocess(
            gamma=(2.4, 12.92), no_auto_bright=True, output_bps=16, use_camera_wb=True, adjust_maximum_thr=0.0
        )
    import tifffile

    with tifffile.TiffFile(io.BytesIO(content)) as file:
        page = file.pages[0]
        ours, profile = page.asarray(), page.tags.valueof(34675)
    assert profile == srgb_profile()
    assert ours.dtype == np.uint16
    assert "developed to sRGB" in written.notes[0]
    rows = np.abs(camera_to_srgb(camera_colors(CAMERA).matrix)).sum(1).max()
    # LibRaw cuts to whole numbers after the balance (1 each, times the matrix) and after the matrix (1); the curve
    # then multiplies by 12.92 at most
    assert np.abs(ours.astype(int) - theirs).max() <= 12.92 * (rows + 1) + 1


@pytest.mark.parametrize(
    ("camera", "said"),
    [
        ({"xyz_to_camera": None}, ["colour matrix"]),
        ({"xyz_to_camera": np.zeros((3, 3))}, ["colour matrix"]),
        ({"as_shot_neutral": None}, ["white balance is not known: none"]),
        ({"as_shot_neutral": None, "daylight_balance": [2, 1, 1.4, 0]}, ["that of daylight"]),
        ({"as_shot_neutral": [0, 1, 1], "xyz_to_camera": None}, ["white balance", "colour matrix"]),
        ({}, []),
    ],
)
def test_what_is_taken_for_granted_is_said(camera, said):
    for form in ("RAW", "TIFF", "JPEG"):
        _, written = coded(sensor(0, 30, 30, **camera), form)
        found = [note for note in written.notes if note.startswith("the camera's")]
        assert [word in note for word, note in zip(said, found, strict=True)] == [True] * len(said)


def test_a_matrix_of_librawas_kind_is_turned_round():
    """`color_matrix` and `daylight_whitebalance` of a DNG hold the same as its ColorMatrix1."""
    with rawpy.imread(io.BytesIO(coded(sensor(0, 40, 40), "RAW")[0])) as raw:
        known = {"camera_to_srgb": raw.color_matrix, "daylight_balance": raw.daylight_whitebalance}
    matrix = camera_colors(known).matrix
    np.testing.assert_allclose(matrix, CAMERA["xyz_to_camera"], atol=1e-3)


def test_a_picture_for_screens_is_no_dng():
    with pytest.raises(BadInput, match="no sensor data"):
        coded(Photo(random_pixels(0, 30, 30, 3, 16), 16, "PNG"), "RAW")
    with pytest.raises(BadInput, match="choose TIFF for sRGB"):
        coded(sensor(0, 30, 30), "RAW", color="srgb")


@given(st.integers(0, 99), st.sampled_from([8, 16]), st.sampled_from([1, 2, 3, 4]))
def test_more_than_four_gigabytes_become_bigtiff(seed, bits, channels):
    """The same writer with a smaller limit."""
    import tifffile

    photo = Photo(
        random_pixels(seed, 30, 40, channels, bits), bits, "PNG", Metadata(exif=b"II*\0\x08\0\0\0\0\0\0\0\0\0")
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiff_out, "LARGEST", 1000)
        content, written = coded(photo, "TIFF")
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        assert file.is_bigtiff
        np.testing.assert_array_equal(file.pages[0].asarray().reshape(photo.pixels.shape), photo.pixels)
    assert written.notes == ("EXIF is left out: its offsets do not hold in a TIFF of more than 4 GB",)


@given(st.integers(0, 99), st.floats(0.1, 0.999))
def test_a_dng_that_is_cut_short_is_refused(seed, share):
    """LibRaw itself would go on with zeros, or with whatever its memory holds."""
    content, _ = coded(sensor(seed, 30, 30), "RAW")
    tags = Tags(content)
    raw_file._check_whole(tags, len(content))
    ends = [a + n for a, n in zip(tags.first[273].numbers, tags.first[279].numbers, strict=True)]
    with pytest.raises(BadInput, match="is cut short"):
        raw_file._check_whole(tags, int(share * max(ends)))
    raw_file._check_whole(tags, max(ends))


def test_a_lossless_jpeg_needs_a_bit_for_a_pixel():
    folder = {code: SimpleNamespace(numbers=[n]) for code, n in ((273, 100), (279, 22))}
    tags = SimpleNamespace(first={50706: None}, folders=[folder], text=lambda code: "")
    for pixels, fits in ((176, True), (177, False)):
        numbers = {256: pixels, 257: 1, 259: 7, 254: 0}
        tags.number = lambda code, default, folder, numbers=numbers: numbers.get(code, default)
        if fits:
            raw_file._check_whole(tags, 122)
        else:
            with pytest.raises(BadInput, match="holds 22 bytes for 177 pixels"):
                raw_file._check_whole(tags, 122)
