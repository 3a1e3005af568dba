"""What a TIFF or Photoshop keeps beside a picture and no result can hold is said."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from photo_files import pillow, smooth, tiff

from karat.app.photos import jpeg_file, tiff_file
from karat.app.photos.photoshop import DERIVED, photoshop_iptc, photoshop_notes, resources

PIXELS = smooth(24, 40)
CONTENTS = st.lists(st.tuples(st.integers(1, 0xFFFF), st.binary(max_size=40)), max_size=6)


def block(parts):
    """Image resources (number, content), without names."""
    return b"".join(
        b"8BIM" + struct.pack(">HHI", number, 0, len(content)) + content + bytes(len(content) % 2)
        for number, content in parts
    )


@given(CONTENTS)
def test_resources_come_back(parts):
    assert list(resources(block(parts))) == parts
    assert photoshop_iptc(block(parts)) == next((content for number, content in parts if number == 0x0404), None)


@given(CONTENTS, st.data())
def test_damaged_resources_end_early(parts, data):
    content = bytearray(block(parts))
    for place in data.draw(st.lists(st.integers(0, max(0, len(content) - 1)), max_size=4)):
        content[place : place + 1] = b"\xff"
    found = list(resources(bytes(content[: data.draw(st.integers(0, len(content)))])))
    assert len(found) <= len(content) // 12
    list(photoshop_notes(bytes(content)))


@pytest.mark.parametrize(
    ("numbers", "said"),
    [((0x0404, *DERIVED), None), ((2000,), "2000"), ((2000, 0x0404, 1034), "1034, 2000"), (range(1, 8), "and others")],
)
def test_resources_that_are_left_out_are_named(numbers, said):
    parts = b"Photoshop 3.0\0" + block([(number, b"xy") for number in numbers])
    content = pillow(PIXELS, "JPEG")
    content = content[:20] + struct.pack(">BBH", 0xFF, 0xED, len(parts) + 2) + parts + content[20:]
    notes = [note for note in jpeg_file.inspect(content).notes if "Photoshop" in note]
    assert len(notes) == (said is not None)
    assert said is None or said in notes[0]


def test_tags_of_other_applications_are_named():
    geo = [(33550, 12, 3, (1.0, 1.0, 0.0), True), (65000, 3, 1, 7, True)]
    notes = tiff_file.inspect(tiff(PIXELS, extratags=geo)).notes
    assert "tags of the old file alone, or of other applications, are left out: 33550, 65000" in notes
    assert not any("applications" in note for note in tiff_file.inspect(tiff(PIXELS)).notes)
