"""Files that lie about themselves are refused before anything is allocated, each with one sentence."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from photo_files import UPRIGHT, avif, chunk, heic, numbers, pillow, png, smooth, tiff, with_chunk

from karat import BadInput
from karat.app.photos import found, read
from karat.app.photos.read import read_header, read_photo

SIDE = 50_000
PIXELS = smooth(24, 40)


def refused(tmp_path, content, name="photo", **options):
    """The sentence with which a file is refused."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput) as caught:
        read_photo(path, **options)
    sentence = str(caught.value)
    assert sentence.isprintable()
    assert "expected" in sentence or "memory" in sentence
    assert "; " in sentence
    return sentence


def of_size(form):
    """A file of 24 x 40 whose header claims 50,000 x 50,000."""
    side = SIDE.to_bytes(4, "big")
    if form == "JPEG":
        content = pillow(PIXELS, "JPEG")
        return content.replace(struct.pack(">HH", 24, 40), struct.pack(">HH", SIDE, SIDE), 1)
    if form == "PNG":
        content = pillow(PIXELS, "PNG")
        return content[:8] + chunk(b"IHDR", side + side + content[24:29]) + content[33:]
    if form == "TIFF":
        content = tiff(PIXELS)
        for code, value in ((256, 40), (257, 24)):
            for kind, letter in ((3, "H"), (4, "I")):
                old = struct.pack(f"<HHI{letter}", code, kind, 1, value).ljust(12, b"\0")
                content = content.replace(old, struct.pack("<HHII", code, 4, 1, SIDE))
        return content
    if form == "WebP":
        content = pillow(numbers(24, 40, 4), "WEBP", exif=b"II*\0")
        place = content.index(b"VP8X") + 12
        return content[:place] + 2 * (SIDE - 1).to_bytes(3, "little") + content[place + 6 :]
    content = heic(PIXELS) if form == "HEIC" else avif(PIXELS)
    place = content.index(b"ispe") + 8
    return content[:place] + side + side + content[place + 8 :]


FORMS = ["JPEG", "PNG", "TIFF", "WebP", "HEIC", "AVIF"]


@pytest.mark.parametrize("form", FORMS)
def test_a_header_that_claims_too_much_is_refused_before_allocation(tmp_path, form, monkeypatch):
    path = tmp_path / "photo"
    path.write_bytes(of_size(form))
    monkeypatch.setattr(np, "empty", None)  # nobody gets so far
    monkeypatch.setattr(read, "with_color_notes", None)
    with pytest.raises(BadInput, match=f"{SIDE} x {SIDE}, expected at most {found.PIXELS} pixels"):
        read_photo(path)
    with pytest.raises(BadInput, match=f"{SIDE} x {SIDE}"):
        read_header(path)


def dng(mosaic, side=None, white=65535, orientation=1):
    """A DNG of a Bayer mosaic, (H, W); on demand its header claims another size."""
    ones = np.array([*np.eye(3, dtype=int).ravel()])
    more = [
        (274, 3, 1, orientation, True),
        (50706, 1, 4, bytes([1, 4, 0, 0]), True),
        (50708, 2, 0, "Karat test", True),
        (33421, 3, 2, (2, 2), True),
        (33422, 1, 4, bytes([0, 1, 1, 2]), True),
        (50717, 4, 1, white, True),
        (50721, 10, 9, tuple(np.column_stack([ones, np.ones(9, int)]).ravel().tolist()), True),
        (50728, 5, 3, (1, 2, 1, 1, 2, 3), True),
        (50778, 3, 1, 21, True),
    ]
    content = tiff(mosaic[..., None], photometric=32803, extratags=more)
    if side:
        for code, value in ((256, mosaic.shape[1]), (257, mosaic.shape[0])):
            content = content.replace(struct.pack("<HHII", code, 4, 1, value), struct.pack("<HHII", code, 4, 1, side))
    return content


def test_a_raw_file_that_claims_too_much(tmp_path):
    for side in (20_000, SIDE):
        assert f"{side} x {side}, expected at most" in refused(tmp_path, dng(smooth(24, 40, 1, 16)[..., 0], side))


@pytest.mark.parametrize("form", FORMS)
def test_the_caller_may_raise_or_lower_the_limit(tmp_path, form):
    content = of_size(form)
    sentence = refused(tmp_path, content, pixels=SIDE**2 - 1)
    assert f"at most {SIDE**2 - 1} pixels" in sentence
    good = {"HEIC": heic, "AVIF": avif}.get(form, lambda pixels: pillow(pixels, form.upper()))(smooth(64, 64))
    path = tmp_path / "photo"
    path.write_bytes(good)
    assert read_photo(path, pixels=4096).pixels.shape == (64, 64, 3)
    assert "at most 4095 pixels" in refused(tmp_path, good, pixels=4095)


def test_a_picture_without_pixels(tmp_path):
    content = pillow(PIXELS, "PNG")
    assert "at least one pixel" in refused(
        tmp_path, content[:8] + chunk(b"IHDR", bytes(8) + content[24:29]) + content[33:]
    )


def test_a_tile_larger_than_any_picture(tmp_path):
    content = tiff(smooth(32, 32), tile=(16, 16))
    for code in (322, 323):
        for kind, letter in ((3, "H"), (4, "I")):
            old = struct.pack(f"<HHI{letter}", code, kind, 1, 16).ljust(12, b"\0")
            content = content.replace(old, struct.pack("<HHII", code, 4, 1, 2**20))
    assert f"{2**20} x {2**20}" in refused(tmp_path, content)


def test_a_file_that_is_empty(tmp_path):
    assert "photo is empty" in refused(tmp_path, b"")


def test_a_folder_a_pipe_and_nothing(tmp_path):
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    assert "folder.jpg is a folder" in refused(tmp_path, None, "folder.jpg")
    assert "pipe.jpg is no regular file" in refused(tmp_path, None, "pipe.jpg")  # opening it would wait for ever
    assert "No such file" in refused(tmp_path, None, "nothing.jpg")
    assert "cannot be opened" in refused(tmp_path, None, "a" * 300)


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    def no(*_):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "photo").write_bytes(b"x")
    monkeypatch.setattr("builtins.open", no)
    with pytest.raises(BadInput, match=r"photo cannot be opened \(Permission denied\)"):
        read_photo(tmp_path / "photo")


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31mred", "\udcff"])
def test_odd_names_stay_printable(tmp_path, name):
    assert "is empty" in refused(tmp_path, b"", name)


WHOLE = {
    "JPEG": lambda: pillow(numbers(60, 80, 3), "JPEG"),
    "PNG": lambda: pillow(numbers(60, 80, 3), "PNG"),
    "PNG of 16 bits": lambda: png(numbers(60, 80, 3, 16)),
    "TIFF": lambda: tiff(numbers(60, 80, 3)),
    "TIFF, LZW": lambda: tiff(numbers(60, 80, 3), compression="lzw", byteorder=">"),
    "WebP": lambda: pillow(numbers(60, 80, 3), "WEBP"),
    "HEIC": lambda: heic(numbers(60, 80, 3)),
    "AVIF": lambda: avif(numbers(60, 80, 3)),
    "RAW": lambda: dng(numbers(60, 80, 1, 16)[..., 0]),
}


@pytest.mark.parametrize("form", WHOLE)
@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.9, 0.98])
def test_a_truncated_file_is_refused_and_not_filled_with_grey(tmp_path, form, part):
    content = WHOLE[form]()
    if form.startswith("TIFF") and content.index(b"\0\0") > 0 and part > 0.9:
        content = content[: len(content) - 1]  # some writers put nothing behind the pixels
        part = 1
    refused(tmp_path, content[: int(len(content) * part)])


def test_raw_mosaics_keep_their_numbers(tmp_path):
    """White level, the balance of AsShotNeutral and the matrix come out as they were written; nothing is clipped."""
    mosaic = np.repeat(np.repeat(numbers(30, 40, 1, 12), 2, axis=0), 2, axis=1)[..., 0]
    path = tmp_path / "photo"
    path.write_bytes(dng(mosaic, white=4095))
    photo = read_photo(path)
    assert (photo.format, photo.linear, photo.bits) == ("RAW", True, 16)
    assert photo.pixels.shape == (60, 80, 3)
    np.testing.assert_allclose(photo.camera["as_shot_neutral"], [0.5, 1, 2 / 3], rtol=1e-6)
    assert photo.camera["xyz_to_camera"] == np.eye(3).tolist()
    scaled = mosaic[0::2, 0::2].astype(float) * 65535 / 4095
    assert np.abs(photo.pixels[0::2, 0::2, 0] - scaled)[3:-3, 3:-3].max() <= 1


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_raw_file_is_turned_once(tmp_path, orientation):
    mosaic, path = smooth(60, 80, 1, 16)[..., 0], tmp_path / "photo"
    path.write_bytes(dng(mosaic))
    stored = read_photo(path).pixels
    path.write_bytes(dng(mosaic, orientation=orientation))
    photo, header = read_photo(path), read_header(path)
    np.testing.assert_array_equal(photo.pixels, UPRIGHT[orientation](stored))
    assert (header.height, header.width) == photo.pixels.shape[:2]


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"photometric": "minisblack"}, "floating-point"),
        ({"photometric": "cielab"}, "type 8"),
    ],
)
def test_tiffs_that_cannot_be_read_say_why(tmp_path, options, what):
    pixels = numbers(9, 17, 3) if "cielab" in options.values() else numbers(9, 17, 1).astype(np.float32)
    import tifffile

    content = io.BytesIO()
    tifffile.imwrite(content, pixels.squeeze(), metadata=None, **options)
    assert what in refused(tmp_path, content.getvalue())


def test_bombs_of_text_cost_nothing(tmp_path):
    bomb = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(2**27), 1)
    path = tmp_path / "photo"
    path.write_bytes(with_chunk(pillow(PIXELS, "PNG"), b"iTXt", bomb))
    assert read_photo(path).metadata.xmp is None


@given(st.binary(max_size=64))
def test_noise_is_no_photograph(tmp_path_factory, noise):
    path = tmp_path_factory.mktemp("noise") / "photo"
    for head in (
        b"",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"II*\0",
        b"RIFF\0\0\0\0WEBP",
        b"\0\0\0\x18ftypheic",
        b"IIRO",
    ):
        path.write_bytes(head + noise)
        with pytest.raises(BadInput):
            read_photo(path)
