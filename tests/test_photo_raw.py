"""Raw files of every kind that could be built: a right picture, or one sentence."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from photo_files import UPRIGHT, exif, pillow, smooth
from raw_files import BAYER, LONG, RATIONAL, SHORT, XTRANS, dng, opened
from written_files import coded

from karat.app.photos import raw_file
from karat.app.photos.read import read_header, read_photo
from karat.refimpl.errors import BadInput

Y, X = np.mgrid[:60, :90]
RAMP = (2000 + 300 * Y + 200 * X).astype(np.uint16)
FLAT = np.full((40, 50), 20_000, np.uint16)


def reread(folder, content):
    """The photo; its header has announced its size."""
    (folder / "a.dng").write_bytes(content)
    photo, header = read_photo(folder / "a.dng"), read_header(folder / "a.dng")
    assert photo.pixels.shape == (header.height, header.width, header.channels)
    assert photo.linear
    return photo


def inside(pixels, border=4):
    return pixels[border:-border, border:-border].astype(int)


@pytest.mark.parametrize("turn", UPRIGHT)
def test_sensor_data_is_turned_as_the_camera_says(tmp_path, turn):
    """A plane is what every way to undo a mosaic leaves alone, up to its own roundings."""
    photo = reread(tmp_path, dng(RAMP, tag_274=(SHORT, 1, turn)))
    expected = np.repeat(UPRIGHT[turn](RAMP)[..., None], 3, axis=2)
    assert np.abs(inside(photo.pixels) - inside(expected)).max() <= 300 + 200  # a step each way
    others = [make(RAMP) for other, make in UPRIGHT.items() if other != turn]
    same = [o for o in others if o.shape == expected.shape[:2]]
    assert all(np.abs(inside(photo.pixels) - inside(o)[..., None]).mean() > 2000 for o in same)


@pytest.mark.parametrize("mosaic", [BAYER, (8, 2, 4 * (0, 1, 1, 2)), XTRANS], ids=lambda m: f"{m[0]}x{m[1]}")
def test_mosaics_of_grey_are_grey(tmp_path, mosaic):
    y, x = np.mgrid[:600, :700]  # LibRaw's way with X-Trans needs so much
    plane = (2000 + 20 * y + 20 * x).astype(np.uint16)
    photo = reread(tmp_path, dng(plane, mosaic))
    assert np.abs(inside(photo.pixels, 12) - inside(plane[..., None], 12)).max() <= 5 * (20 + 20)  # five pixels' steps


@pytest.mark.parametrize(
    "mosaic", [(4, 4, (0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 2, 2, 1, 1, 2, 2)), (3, 3, (0, 1, 2, 1, 2, 0, 2, 0, 1))]
)
def test_mosaics_that_libraw_takes_for_others_are_refused(tmp_path, monkeypatch, mosaic):
    content = dng(RAMP, mosaic)
    with pytest.raises(BadInput, match=f"a colour mosaic of {mosaic[0]} x {mosaic[1]}, expected 2 x 2 or 6 x 6"):
        reread(tmp_path, content)
    monkeypatch.setattr(raw_file, "_check_mosaic", lambda tags: None)
    assert np.abs(inside(reread(tmp_path, content).pixels) - inside(RAMP[..., None])).max() > 3000  # why


@pytest.mark.parametrize("plane", [(0, 1, 2, 3), (3, 4, 1, 5)])
def test_four_colours_are_refused(tmp_path, plane):
    content = dng(RAMP, (2, 2, plane), None, None, tag_50710=(1, 4, plane))
    with pytest.raises(BadInput, match="4 colours, expected 1 or 3"):
        reread(tmp_path, content)


@given(black=st.lists(st.integers(0, 3000), min_size=4, max_size=4), white=st.integers(25_000, 65_535))
def test_black_of_each_channel_is_taken_away(black, white, tmp_path_factory):
    """LibRaw scales by what lies between white and the least black."""
    tags = {"tag_50713": (SHORT, 2, (2, 2)), "tag_50714": (SHORT, 4, tuple(black)), "tag_50717": (LONG, 1, white)}
    content = dng(FLAT, **tags)
    photo = reread(tmp_path_factory.mktemp("r"), content)
    light = 20_000 - np.array(black)
    red, blue = (light[i] / (white - min(black)) * 65535 for i in (0, 3))
    found = inside(photo.pixels)
    # what is interpolated from two greens of other blacks may be off by as much as they differ
    room = 65535 / (white - min(black)) * (1 + abs(black[1] - black[2]))
    assert np.abs(found[..., 0] - red).max() <= room
    assert np.abs(found[..., 2] - blue).max() <= room


def test_black_above_white_is_refused(tmp_path):
    content = dng(RAMP, tag_50714=(SHORT, 1, 50_000), tag_50717=(LONG, 1, 40_000))
    with pytest.raises(BadInput, match="black level at 50000 and white at 40000, expected white above it"):
        reread(tmp_path, content)


@pytest.mark.parametrize(("across", "down", "turn"), [(2, 1, 1), (1, 2, 1), (2, 1, 6), (1, 2, 8)])
def test_pixels_that_are_not_square_become_so(tmp_path, across, down, turn):
    scale = (RATIONAL, 2, (across, 1, down, 1))
    photo = reread(tmp_path, dng(RAMP, tag_50718=scale, tag_274=(SHORT, 1, turn)))
    expected = (60 * down, 90 * across) if turn == 1 else (90 * across, 60 * down)
    assert photo.pixels.shape[:2] == expected


@pytest.mark.parametrize("given", [{"neutral": None}, {"neutral": (0, 0, 0)}, {"matrix": None}, {"matrix": (0,) * 9}])
def test_what_the_camera_does_not_say_is_said(tmp_path, given):
    photo = reread(tmp_path, dng(FLAT, **given))
    for form in ("RAW", "TIFF"):
        content, written = coded(photo, form)
        assert any("is not known" in note for note in written.notes)
        assert content


@pytest.mark.parametrize("size", [(23, 37), (22, 22), (61, 23)])
def test_odd_sizes(tmp_path, size):
    assert reread(tmp_path, dng(np.full(size, 9000, np.uint16))).pixels.shape == (*size, 3)


@pytest.mark.parametrize("size", [(21, 21), (2, 2), (1, 1)])
def test_what_is_too_small_for_libraw_is_one_sentence(tmp_path, size):
    with pytest.raises(BadInput, match="expected one LibRaw knows"):
        reread(tmp_path, dng(np.full(size, 9000, np.uint16)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_linear_dngs(tmp_path, dtype):
    most = 1 if dtype == np.float32 else np.iinfo(dtype).max
    pixels = np.dstack([np.linspace(0, most, 40 * 50).reshape(40, 50)] * 3).astype(dtype)
    photo = reread(tmp_path, dng(pixels, None))
    expected = pixels.astype(float) / most * 65535
    step = 65535 / 16383 if most == 1 else 1  # LibRaw makes 14 bits of floating-point numbers
    assert np.abs(photo.pixels - expected).max() <= step + 1


def fujifilm(preview):
    return b"FUJIFILMCCD-RAW 0201FF000000" + bytes(56) + struct.pack(">II", 148, len(preview)) + bytes(56) + preview


@pytest.fixture
def said_to_be_known(monkeypatch):
    """LibRaw knows whatever comes: `use(pixels, **fields)`."""
    return lambda *pixels, **fields: monkeypatch.setattr(raw_file, "_opened", opened(*pixels, **fields))


def test_metadata_of_fujifilm_is_in_its_preview(tmp_path, said_to_be_known):
    said_to_be_known(np.zeros((30, 40, 3), np.uint16))
    block = exif(6)
    (tmp_path / "a").write_bytes(fujifilm(pillow(smooth(24, 40), "JPEG", exif=b"Exif\0\0" + block)))
    photo = read_photo(tmp_path / "a")
    assert (photo.metadata.exif, photo.notes, photo.pixels.shape) == (block, (), (30, 40, 3))


@pytest.mark.parametrize("content", [fujifilm(b"no picture"), b"\0MRM" + bytes(200), fujifilm(b"")[:50]])
def test_metadata_that_nobody_reads_is_said(tmp_path, said_to_be_known, content):
    said_to_be_known(np.zeros((30, 40, 3), np.uint16))
    (tmp_path / "a").write_bytes(content)
    assert read_photo(tmp_path / "a").notes == ("its metadata is left out: nobody here reads it in such a file",)


def test_three_layers_without_white_balance_and_matrix(tmp_path, said_to_be_known):
    said_to_be_known(np.full((30, 40, 3), 1000, np.uint16))
    (tmp_path / "a").write_bytes(b"FOVb" + bytes(60))
    photo = read_photo(tmp_path / "a")
    content, written = coded(photo, "TIFF")
    assert sum("is not known" in note for note in written.notes) == 2
    assert content


def test_a_sensor_that_stands_askew_is_one_sentence(tmp_path, said_to_be_known):
    said_to_be_known(np.zeros((30, 40, 3), np.uint16), iwidth=50, iheight=50)
    (tmp_path / "a").write_bytes(b"FUJIFILMCCD-RAW" + bytes(100))
    with pytest.raises(BadInput, match=r"is developed to \(30, 40, 3\), expected 50 x 50 pixels of 3 channels"):
        read_photo(tmp_path / "a")
