"""Clean apertures between turns: the part that is predicted is the part that libheif and libavif's pixels show."""

import struct

import numpy as np
import pillow_heif
import pytest
from heif_files import Item, coded, compose
from hypothesis import given
from hypothesis import strategies as st
from photo_files import avif, smooth

from karat.app.photos.boxes import item_bytes, read_items
from karat.app.photos.read import read_header, read_photo

PIXELS = smooth(64, 96)
PLAIN = coded(PIXELS)
COORDINATES = np.moveaxis(np.indices(PIXELS.shape[:2]), 0, 2)


def clap(*numbers):
    """Width, height, across and down, each a fraction of two numbers."""
    return ("clap", struct.pack(">IIIIiIiI", *numbers))


APERTURES = st.builds(
    lambda width, height, across, down, below: clap(width, below, height, below, across, below, down, below),
    *(st.integers(1, 250), st.integers(1, 250), st.integers(-40, 40), st.integers(-40, 40), st.integers(1, 4)),
)
TURNS = st.sampled_from([("irot", bytes([n])) for n in range(4)] + [("imir", bytes([n])) for n in range(2)])
STEPS = st.lists(st.one_of(APERTURES, TURNS), max_size=5)


@given(STEPS)
def test_the_size_is_that_of_libheif(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("a") / "a.heic"
    path.write_bytes(compose([Item("hvc1", PLAIN.data, [*PLAIN.properties, *steps])]))
    try:
        expected = np.asarray(pillow_heif.open_heif(path.read_bytes(), convert_hdr_to_8bit=False))
    except (ValueError, RuntimeError, OSError):  # no picture is left
        return
    header = read_header(path)
    assert (header.height, header.width) == expected.shape[:2]
    np.testing.assert_array_equal(read_photo(path).pixels, expected)


NAMED = {
    "turned first": [("irot", b"\1"), clap(40, 1, 60, 1, 0, 1, 0, 1)],
    "halves": [clap(121, 2, 81, 2, 1, 2, 1, 2)],
    "larger than the picture": [clap(200, 1, 40, 1, 0, 1, 0, 1)],
    "between turns": [("imir", b"\1"), ("irot", b"\3"), clap(40, 1, 60, 1, 3, 1, -2, 1), ("irot", b"\1")],
}


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("name", NAMED)
def test_an_avif_is_cut_as_a_heic_is(tmp_path, name, bits):
    """By libheif's cut of a HEIC of the same pixels."""
    pixels = smooth(64, 96, 3, bits)
    items = read_items(data := avif(pixels, bits))
    item = Item("av01", item_bytes(data, items, items.primary), items.items[items.primary].properties + NAMED[name])
    (tmp_path / "a.avif").write_bytes(compose([item], brands=("avif", "mif1")))
    plain = coded(pixels, bits)
    (tmp_path / "a.heic").write_bytes(compose([Item("hvc1", plain.data, [*plain.properties, *NAMED[name]])]))
    heic = read_photo(tmp_path / "a.heic")
    header = read_header(tmp_path / "a.heic")
    assert (header.height, header.width) == heic.pixels.shape[:2]
    np.testing.assert_array_equal(read_photo(tmp_path / "a.avif").pixels, heic.pixels)
