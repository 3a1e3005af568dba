"""HEIF files of which a part is missing: a picture is whole or it is refused, whatever libheif would fill in."""

import struct

import numpy as np
import pytest
from heif_files import APPLE_GAIN, Item, aux, coded, compose, full, grid, half, ispe
from photo_files import smooth

from karat.app.photos.boxes import read_items
from karat.app.photos.read import read_header, read_photo
from karat.refimpl.errors import BadInput

ALPHA = "urn:mpeg:hevc:2015:auxid:1"
PIXELS = smooth(64, 96)


def tiled(*more, references=(), tile=None):
    """A picture of two tiles, and what stands behind them in the file."""
    left, right = coded(PIXELS), coded(np.ascontiguousarray(PIXELS[:, ::-1]))
    parts = [Item(item.kind, item.data, item.properties, True) for item in (left, tile or right)]
    whole = Item("grid", grid(1, 2, 192, 64), [ispe(192, 64)])
    return compose([whole, *parts, *more], [("dimg", 1, [2, 3]), *references])


def refused(folder, content):
    (folder / "a.heic").write_bytes(content)
    said = []
    for read in (read_header, read_photo):
        with pytest.raises(BadInput) as error:
            read(folder / "a.heic")
        said.append(str(error.value))
    assert said[0] == said[1]
    assert "expected" in said[0]
    return said[0]


@pytest.mark.parametrize("missing", [1, 100, 500])
def test_a_tile_that_ends_behind_the_file(tmp_path, missing):
    content = tiled()
    said = refused(tmp_path, content[:-missing])
    assert f"is cut short: it has {len(content) - missing} bytes, expected {len(content)} at least" in said


def test_one_picture_and_its_alpha(tmp_path):
    mono = coded(np.ascontiguousarray(PIXELS[..., :1]), more=[aux(ALPHA)])
    assert "is cut short" in refused(tmp_path, compose([coded(PIXELS)])[:-1])
    assert "is cut short" in refused(tmp_path, compose([coded(PIXELS), mono], [("auxl", 2, [1])])[:-1])


def test_a_tile_that_the_file_does_not_know(tmp_path):
    assert "item 3" in refused(tmp_path, tiled(tile=Item("hvc1", b"")).replace(struct.pack(">HHH", 3, 0, 1), bytes(6)))


def test_a_gain_map_may_be_cut(tmp_path):
    gain = coded(half(PIXELS), more=[aux(APPLE_GAIN)])
    (tmp_path / "a.heic").write_bytes(tiled(gain, references=[("auxl", 4, [1])])[:-50])
    np.testing.assert_array_equal(read_photo(tmp_path / "a.heic").pixels, np.hstack([PIXELS, PIXELS[:, ::-1]]))


@pytest.mark.parametrize("size", [8, 7])
def test_the_list_of_tiles_may_stand_in_the_box_of_items(tmp_path, size):
    """ISO/IEC 14496-12, 8.11.3: construction method 1 counts from the content of idat."""
    left = Item("hvc1", coded(PIXELS).data, coded(PIXELS).properties, True)
    content = tiled_in_idat([Item("grid", b"", [ispe(192, 64)]), left, left], grid(1, 2, 192, 64)[:size])
    if size == 8:
        (tmp_path / "a.heic").write_bytes(content)
        np.testing.assert_array_equal(read_photo(tmp_path / "a.heic").pixels, np.hstack([PIXELS, PIXELS]))
    else:
        assert "its idat box has 7 bytes, expected 8 at least" in refused(tmp_path, content)


def tiled_in_idat(items, inside):
    """The same file with an item location box of version 1, of which the first item lies in idat."""
    idat = struct.pack(">I4s", 8 + len(inside), b"idat") + inside
    old = compose(
        items, [("dimg", 1, [2, 3])], extra=idat + struct.pack(">I4s6x", 14, b"free")
    )  # room for the longer box
    start = old.index(b"iloc") - 4
    rows = [(n, 1, 0, 8) if n == 1 else (n, 0, *read_items(old).items[n].extents[0]) for n in (1, 2, 3)]
    table = b"".join(struct.pack(">HHHHII", n, method, 0, 1, place, size) for n, method, place, size in rows)
    iloc = full("iloc", 1, 0, b"\x44\x00", struct.pack(">H", len(items)), table)
    size = struct.unpack_from(">I", old, start)[0]
    return old[: start - 14] + struct.pack(">I4s", 8, b"free") + iloc + old[start + size :]


@pytest.mark.parametrize("name", ["IMG_2927.HEIC", "IMG_1034.heic", "arrow.heic"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
def test_photographs_of_telephones(tmp_path, data, name, share):
    content = (data / "camera" / name).read_bytes()
    assert "is cut short" in refused(tmp_path, content[: int(len(content) * share)])
