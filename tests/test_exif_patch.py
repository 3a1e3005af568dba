"""EXIF corrected in place: what has to change does, and no other byte."""

import numpy as np
import pytest
from exif_blocks import complaints, exif_blocks, small_jpeg
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from karat.app.photos import exif_patch
from karat.app.photos.exif_patch import correct_exif, read_block
from karat.app.photos.metadata import carried
from karat.app.photos.photo import Metadata, Photo

SIZES = st.integers(1, 200_000)


def red(limit):
    """A thumbnail for a picture of 4 x 3."""
    jpeg = small_jpeg(20, 15)
    return (jpeg, 20, 15) if len(jpeg) <= limit else None


@given(exif_blocks(), SIZES, SIZES)
def test_only_what_no_longer_holds_changes(drawn, width, height):
    out, _ = correct_exif(drawn.data, width, height)
    assert complaints(drawn, out, width, height) == []


@given(exif_blocks())
def test_a_thumbnail_is_replaced_where_it_fits(drawn):
    out, notes = correct_exif(drawn.data, 400, 300, red)
    assert complaints(drawn, out, 400, 300) == []
    kept = read_block(out).thumbnail is not None
    assert not drawn.thumbnail or kept == (drawn.thumbnail[1] >= len(small_jpeg(20, 15)))
    assert ("the thumbnail in EXIF is left out" in notes) == (bool(drawn.thumbnail) and not kept)


@given(exif_blocks(), st.integers(30, 90), st.integers(30, 90), st.sampled_from([1, 2, 3, 4]))
def test_a_photo_brings_its_own_thumbnail(drawn, width, height, channels):
    photo = Photo(np.full((height, width, channels), 77, np.uint8), 8, "JPEG", Metadata(exif=drawn.data))
    assert complaints(drawn, carried(photo).metadata.exif, width, height) == []


def shifted(block, place, met, directory=exif_patch._directory):
    found = directory(block, place, met)
    entries = [exif_patch.Entry(e.tag, e.type, e.count, e.place + 1, e.value) for e in found.entries]
    return exif_patch.Directory(found.place, entries, found.link)


MUTANTS = {
    "orientation kept": ("ORIENTATION", 0xFFFF),
    "width kept": ("PIXEL_X", 0xFFFF),
    "height of the main directory kept": ("HEIGHT", 0xFFFF),
    "offset shifted by one": ("_directory", shifted),
    "thumbnail kept": ("_thumbnail_place", lambda block: (0, 0)),
    "length of the thumbnail kept": ("THUMBNAIL_BYTES", 0xFFFE),
    "link not cut": ("_correct_thumbnail", lambda out, block, thumbnail: ()),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_caught(name, monkeypatch):
    monkeypatch.setattr(exif_patch, *MUTANTS[name])

    def is_caught(drawn):
        return complaints(drawn, correct_exif(drawn.data, 70_000, 52_500, red)[0], 70_000, 52_500) != []

    enough = settings(max_examples=300, phases=[Phase.generate], deadline=None)
    find(exif_blocks(), is_caught, settings=enough)  # raises when none is found


@given(exif_blocks(), st.data())
def test_damage_never_crashes(drawn, data):
    damaged = bytearray(drawn.data)
    for place in data.draw(st.lists(st.integers(0, len(damaged) - 1), min_size=1, max_size=6)):
        damaged[place] = data.draw(st.integers(0, 255))
    damaged = bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    out, notes = correct_exif(damaged, 4000, 3000, red)
    assert len(notes) >= 1 if out is None else len(out) == len(damaged)


@given(exif_blocks(), st.data())
def test_a_block_cut_anywhere_never_crashes(drawn, data):
    cut = drawn.data[: data.draw(st.integers(0, len(drawn.data)))]
    out, notes = correct_exif(cut, 4000, 3000, red)
    assert len(notes) >= 1 if out is None else len(out) == len(cut)


def test_a_block_cut_just_before_its_link_is_corrected():
    whole = b"II*\0\x08\0\0\0" + b"\x01\0" + b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0" + bytes(4)
    for cut in (whole[:-4], whole[:-1]):
        out, notes = correct_exif(cut, 4, 3, red)
        assert out == cut[:18] + b"\x01" + cut[19:]
        assert notes == ("a part of the EXIF block is damaged and is kept as it was",)


@given(st.binary(max_size=200))
def test_any_bytes_are_kept_or_left_out(data):
    out, notes = correct_exif(data, 40, 30)
    assert out is None or len(out) == len(data)
    assert notes or out is not None


def test_a_directory_that_leads_to_itself_ends():
    loop = b"II*\0\x08\0\0\0" + b"\x01\0" + b"\x69\x87\x04\0\x01\0\0\0\x08\0\0\0" + b"\x08\0\0\0"
    out, notes = correct_exif(loop, 4, 3)
    assert notes[0] == "a part of the EXIF block is damaged and is kept as it was"
    assert out[:22] == loop[:22]


def test_a_thumbnail_inside_the_maker_note_is_not_overwritten():
    """Some cameras keep it there: then only the link to it is cut."""
    note = b"MAKER" + small_jpeg() + b"END"
    main = b"\x01\0" + b"\x69\x87\x04\0\x01\0\0\0\x1a\0\0\0" + (b"\x2c\0\0\0")
    exif = b"\x01\0" + b"\x7c\x92\x07\0" + len(note).to_bytes(4, "little") + b"\x4a\0\0\0" + bytes(4)
    jpeg = (len(note) - 8).to_bytes(4, "little")
    second = b"\x02\0" + b"\x01\x02\x04\0\x01\0\0\0\x4f\0\0\0" + b"\x02\x02\x04\0\x01\0\0\0" + jpeg
    data = b"II*\0\x08\0\0\0" + main + exif + second + bytes(4) + note
    assert read_block(data).thumbnail is not None
    out, _ = correct_exif(data, 400, 300, red)
    assert out[0x4A:] == note
    assert read_block(out).thumbnail is None
