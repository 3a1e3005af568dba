"""Real files of cameras and telephones: each ends as an upright picture of known size, or as one sentence."""

import numpy as np
import pytest
from photo_files import UPRIGHT

from karat import BadInput
from karat.app.photos.decoder import Decoder
from karat.app.photos.read import read_photo

# name: (format, width, height, channels, bits), upright
PHOTOS = {
    "Apple_iPhone_5.jpg": ("JPEG", 3264, 2448, 3, 8),
    "Example1.heic": ("HEIC", 3024, 4032, 3, 8),
    "IMG_1034.heic": ("HEIC", 4032, 3024, 3, 8),
    "IMG_2927.HEIC": ("HEIC", 3024, 4032, 3, 8),
    "Issue_487.heic": ("HEIC", 3024, 4032, 3, 8),
    "Multiple_ICC_segments.jpg": ("JPEG", 140, 140, 3, 8),
    "arrow.heic": ("HEIC", 3024, 4032, 3, 8),
    "avif-orientation-6.avif": ("AVIF", 3024, 4032, 3, 8),
    "cheers_1440x960.heic": ("HEIC", 1440, 960, 3, 8),
    "colorchart.dng": ("RAW", 1734, 1156, 3, 16),
    "heic-orientation-6.heic": ("HEIC", 3024, 4032, 3, 8),
    **{f"rotation_{number}.jpg": ("JPEG", 308, 410, 3, 8) for number in range(1, 5)},
    **{f"rotation_{number}.jpg": ("JPEG", 231, 308, 3, 8) for number in range(5, 9)},
    "ultra-hdr.jpg": ("JPEG", 3840, 2160, 3, 8),
    "broken/truncated.heic": ("HEIC", 16, 16, 3, 8),  # despite its name it is whole
    "synthetic/LA_8__29x100.heif": ("HEIC", 29, 100, 2, 8),
    "synthetic/L_10__29x100.heif": ("HEIC", 29, 100, 1, 10),
    "synthetic/L_12__128x128.heif": ("HEIC", 128, 128, 1, 12),
    "synthetic/L_8__128x128.heif": ("HEIC", 128, 128, 1, 8),
    "synthetic/L_exif_xmp_iptc.heic": ("HEIC", 64, 64, 1, 8),
    "synthetic/L_xmp.heif": ("HEIC", 32, 32, 1, 8),
    "synthetic/RGBA_10__128x128.heif": ("HEIC", 128, 128, 4, 10),
    "synthetic/RGBA_12__29x100.heif": ("HEIC", 29, 100, 4, 12),
    "synthetic/RGBA_8__128x128.heif": ("HEIC", 128, 128, 4, 8),
    "synthetic/RGBA_8__29x100.heif": ("HEIC", 29, 100, 4, 8),
    "synthetic/RGB_10__128x128.heif": ("HEIC", 128, 128, 3, 10),
    "synthetic/RGB_10__29x100.heif": ("HEIC", 29, 100, 3, 10),
    "synthetic/RGB_12__128x128.heif": ("HEIC", 128, 128, 3, 12),
    "synthetic/RGB_12__29x100.heif": ("HEIC", 29, 100, 3, 12),
    "synthetic/RGB_8__128x128.heif": ("HEIC", 128, 128, 3, 8),
    "synthetic/RGB_8__29x100.heif": ("HEIC", 29, 100, 3, 8),
    "synthetic/RGB_8_chroma444.heif": ("HEIC", 29, 100, 3, 8),
    "synthetic/alpha.heic": ("HEIC", 1440, 960, 3, 8),
}
REFUSED = {
    "broken/empty.heic": "is empty",
    "broken/corrupted.heic": "names no picture",
    "broken/corrupted.hif": "is cut short",
    "broken/IllegalArgumentException.HeifReader.processBoxes.heif": "too early",
    "broken/NegativeArraySizeException.HeifReader.processBoxes.heif": "names no picture",
}
NOTES = {
    "Example1.heic": ("depth map", "as its EXIF says", "'Display P3'"),
    "IMG_1034.heic": ("'Display P3'",),
    "Multiple_ICC_segments.jpg": ("its own ICC profile",),
    "ultra-hdr.jpg": ("gain map",),
    "broken/truncated.heic": ("2 pictures",),
}
METADATA = {  # bytes of EXIF, XMP, IPTC and ICC
    "IMG_2927.HEIC": (2038, 2618, 0, 548),
    "rotation_1.jpg": (168, 848, 0, 3048),
    "synthetic/L_exif_xmp_iptc.heic": (40950, 15306, 99, 0),
    "ultra-hdr.jpg": (0, 923, 0, 588),
}


@pytest.fixture(scope="module")
def decoder():
    with Decoder(seconds=100) as decoder:
        yield decoder
        assert decoder.deaths == 0


def test_every_file_is_in_the_table(data):
    there = {str(path.relative_to(data / "camera")) for path in (data / "camera").rglob("*") if path.is_file()}
    assert there == set(PHOTOS) | set(REFUSED)


@pytest.mark.parametrize("name", PHOTOS)
def test_photo(data, decoder, name):
    header, photo = decoder.header(data / "camera" / name), decoder.photo(data / "camera" / name)
    height, width, channels = photo.pixels.shape
    assert (photo.format, width, height, channels, photo.bits) == PHOTOS[name]
    assert (header.format, header.width, header.height, header.channels, header.bits) == PHOTOS[name]
    assert photo.pixels.max() <= photo.most
    for phrase in NOTES.get(name, ()):
        assert any(phrase in note for note in photo.notes), photo.notes
    if name in METADATA:
        found = photo.metadata
        assert tuple(len(block or b"") for block in (found.exif, found.xmp, found.iptc, found.icc)) == METADATA[name]


@pytest.mark.parametrize("name", REFUSED)
def test_refused(data, decoder, name):
    with pytest.raises(BadInput, match=REFUSED[name]) as caught:
        decoder.photo(data / "camera" / name)
    assert str(caught.value).startswith(name.split("/")[1])
    assert "\n" not in str(caught.value)


def test_the_eight_rotations_are_one_picture(data):
    """Each is nearer to the first of its shape than the first itself is once it is turned in any other way."""
    photos = {number: read_photo(data / "camera" / f"rotation_{number}.jpg").pixels for number in range(1, 9)}
    for group in (range(1, 5), range(5, 9)):
        first = photos[group[0]].astype(int)
        for number in group:
            turned = {other: np.abs(UPRIGHT[other](photos[number]) - first).mean() for other in (1, 2, 3, 4)}
            assert min(turned, key=turned.get) == 1


def test_a_heic_and_an_avif_of_one_scene_stand_alike(data):
    heic = read_photo(data / "camera" / "heic-orientation-6.heic").pixels[::16, ::16].astype(int)
    avif = read_photo(data / "camera" / "avif-orientation-6.avif").pixels[::16, ::16].astype(int)
    assert np.abs(heic - avif).mean() < 10 < np.abs(heic[::-1] - avif).mean()


def test_raw_is_what_libraw_demosaics(data):
    import rawpy

    photo = read_photo(data / "camera" / "colorchart.dng")
    with rawpy.imread(str(data / "camera" / "colorchart.dng")) as raw:
        balance = raw.camera_whitebalance
        expected = raw.postprocess(
            gamma=(1, 1), no_auto_bright=True, output_bps=16, output_color=rawpy.ColorSpace.raw, user_wb=[1] * 4,
            adjust_maximum_thr=0,
        )  # fmt: skip
        mosaic = raw.raw_image_visible
        red = mosaic[0::2, 0::2].astype(float) - raw.black_level_per_channel[0]
    np.testing.assert_array_equal(photo.pixels, expected)
    assert photo.linear
    # the sensor's own numbers stand at their places, scaled from black to white and nothing else
    scaled = np.clip(red * 65535 / (photo.camera["white_level"] - photo.camera["black_level"][0]), 0, 65535)
    assert np.abs(photo.pixels[0::2, 0::2, 0][4:-4, 4:-4] - scaled[4:-4, 4:-4]).max() <= 1
    camera = photo.camera
    np.testing.assert_allclose(camera["as_shot_neutral"], [balance[1] / value for value in balance[:3]])
    assert camera["make"] == "Canon"
    assert np.shape(camera["xyz_to_camera"]) == (3, 3)
