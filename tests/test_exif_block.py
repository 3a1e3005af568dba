"""What "rebuilt" means for the EXIF of a TIFF or a raw file, tag by tag, by a parser of its own."""

import io
import struct

import pytest
import rawpy
from exif_blocks import SIZE, exif_blocks
from hypothesis import given
from hypothesis import strategies as st
from photo_files import smooth, tiff
from written_files import coded, random_pixels

from karat.app.photos import exif_block
from karat.app.photos.exif_block import DESCRIPTIVE, FURTHEST, MAKER_NOTE
from karat.app.photos.photo import Metadata, Photo
from karat.app.photos.raw_file import SENSOR
from karat.app.photos.read import read_photo
from karat.app.photos.tags import STORAGE, Tags

FOLDERS = {34665: "exif", 34853: "gps", 40965: "interop"}
CORRECTED = {("main", 274), ("main", 256), ("main", 257), ("exif", 40962), ("exif", 40963)}


def tree(data):
    """{(folder, tag): (type, count, bytes, place)} of a TIFF structure without 64-bit offsets."""
    order = {b"II": "<", b"MM": ">"}[data[:2]]
    found, waiting = {}, [("main", struct.unpack_from(order + "I", data, 4)[0])]
    for name, place in waiting:
        for entry in range(struct.unpack_from(order + "H", data, place)[0]):
            tag, kind, count = struct.unpack_from(order + "HHI", data, place + 2 + 12 * entry)
            size = SIZE.get(kind, 1) * count
            start = place + 2 + 12 * entry + 8
            start = struct.unpack_from(order + "I", data, start)[0] if size > 4 else start
            if tag in FOLDERS:
                waiting.append((FOLDERS[tag], struct.unpack_from(order + "I", data, start)[0]))
            else:
                found[name, tag] = (kind, count, bytes(data[start : start + size]), start)
    return found


def reread(folder, content):
    (folder / "photo").write_bytes(content)
    return read_photo(folder / "photo")


def differences(before, after):
    """Tags whose type, count or bytes are not the same; a maker note has a place too."""
    keys = {key for key in before if key not in CORRECTED}
    return {key for key in keys if key not in after or before[key][:3] != after[key][:3]}


def named(notes):
    """Every tag that notes say is left out."""
    parts = [note.rpartition(": ")[2] for note in notes if "left out: " in note]
    return {int(word) for part in parts for word in part.split(", ") if word.isdigit()}


def check(folder, exif):
    """From a photograph that carries a block whole, through a TIFF, to one that carries it again."""
    photo = Photo(random_pixels(0, 20, 30, 3, 8), 8, "JPEG", Metadata(exif=exif))
    content, _ = coded(photo, "TIFF")
    again = reread(folder, content)
    before, after = tree(content), tree(again.metadata.exif or b"II*\0\x08\0\0\0\0\0\0\0\0\0")
    lost = {tag for _, tag in differences(before, after)} - STORAGE
    said = named(again.notes)
    assert lost == said or (said < lost and any(note.endswith("others") for note in again.notes))
    assert all(tag not in DESCRIPTIVE for tag in lost)
    note = before.get(("exif", MAKER_NOTE))
    if note and note[1] > 4 and note[3] + note[1] < FURTHEST - len(exif):
        assert after["exif", MAKER_NOTE] == note  # its place too
    assert set(after) <= set(before)
    return before, after, again


@given(drawn=exif_blocks())
def test_every_tag_of_a_tiff_is_kept_or_said(drawn, tmp_path_factory):
    check(tmp_path_factory.mktemp("t"), drawn.data)


def test_the_blocks_of_real_cameras(data, tmp_path):
    """JPEG and HEIC carry their blocks whole: each goes through a TIFF, where it is rebuilt."""
    seen = 0
    for path in sorted((data / "camera").rglob("*")):
        if path.suffix.lower() in (".jpg", ".heic", ".heif", ".avif") and "broken" not in path.parts:
            exif = read_photo(path).metadata.exif
            if exif:
                before, _, _ = check(tmp_path, exif)
                seen += ("exif", MAKER_NOTE) in before
    assert seen


def test_the_tags_of_a_real_raw_file(data):
    path = data / "camera" / "colorchart.dng"
    before, photo = tree(path.read_bytes()), read_photo(path)
    after = tree(photo.metadata.exif)
    lost = {tag for _, tag in differences(before, after)} - STORAGE
    assert ("main", 37398) in after  # TIFF/EP's own number
    assert {50727, 50730} == named(photo.notes) == lost - SENSOR
    assert set(after) == {key for key in before if key[1] not in lost | STORAGE}


def a_block(order, place, length):
    """A TIFF of one pixel whose maker note stands at a place."""
    entries = [(256, 3, 1, 1), (257, 3, 1, 1), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 300)]
    entries += [(278, 3, 1, 1), (279, 4, 1, 1), (34665, 4, 1, 200)]
    below = [(MAKER_NOTE, 7, length, place), (37510, 7, 9, 304)]

    def rows(tags):
        packed = [struct.pack(order + "HHI", *tag[:3]) + (struct.pack(order + "HH", tag[3], 0) if tag[1] == 3
                  else struct.pack(order + "I", tag[3])) for tag in tags]  # fmt: skip
        return struct.pack(order + "H", len(tags)) + b"".join(packed) + bytes(4)

    content = bytearray(max(320, place + length))
    content[:8] = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    content[8 : 8 + len(rows(entries))] = rows(entries)
    content[200 : 200 + len(rows(below))] = rows(below)
    content[304:313] = b"a comment"
    content[place : place + length] = bytes(1 + n % 255 for n in range(length))
    return bytes(content)


@given(order=st.sampled_from("<>"), place=st.integers(320, 90_000), length=st.integers(5, 3000))
def test_a_maker_note_keeps_its_place_or_a_note_says_so(order, place, length):
    tags = Tags(a_block(order, place, length))
    block = exif_block.exif_block(tags)
    before, after = tree(tags.data), tree(block)
    assert differences(before, after) == {key for key in before if key[0] == "main"} - CORRECTED  # of the pixels
    (note,) = exif_block.exif_notes(tags, block)
    kept = place + length <= FURTHEST
    assert (after["exif", MAKER_NOTE] == before["exif", MAKER_NOTE]) == kept
    assert ("keeps its place" in note) == kept
    assert after["exif", MAKER_NOTE][2] == before["exif", MAKER_NOTE][2]


def test_a_mutant_that_moves_the_maker_note_is_caught(monkeypatch):
    real = exif_block._laid_out
    monkeypatch.setattr(exif_block, "_laid_out", lambda folders, order, hole=(0, 0): real(folders, order))
    with pytest.raises(AssertionError):
        test_a_maker_note_keeps_its_place_or_a_note_says_so.hypothesis.inner_test("<", 400, 100)


def test_damaged_tags_are_said(tmp_path):
    content = bytearray(a_block("<", 400, 20))
    struct.pack_into("<I", content, 200 + 2 + 8, 2**31)  # the maker note's place
    photo = reread(tmp_path, bytes(content))
    assert "tags that are damaged or of unknown types are left out: 37500" in photo.notes


def test_a_turned_raw_file_has_its_resolution_turned(tmp_path):
    pixels = random_pixels(0, 24, 40, 1, 16)
    tags = [(50706, 1, 4, (1, 4, 0, 0), True), (50707, 1, 4, (1, 1, 0, 0), True), (274, 3, 1, 6, True),
            (33421, 3, 2, (2, 2), True), (33422, 1, 4, (0, 1, 1, 2), True),
            (271, 2, 0, "Maker", True), (272, 2, 0, "A model", True), (50708, 2, 0, "A model", True)]  # fmt: skip
    content = tiff(pixels, photometric=32803, extratags=tags, resolution=(300, 150), resolutionunit="INCH")
    with rawpy.imread(io.BytesIO(content)) as raw:
        assert raw.sizes.flip & 4
    photo = reread(tmp_path, content)
    assert photo.pixels.shape == (40, 24, 3)
    first = Tags(photo.metadata.exif).first
    assert (first[282].numbers, first[283].numbers) == ([150], [300])


def test_tags_without_a_place_are_named(tmp_path):
    photo = reread(tmp_path, tiff(smooth(24, 40), extratags=[(297, 3, 2, (0, 1), True), (65000, 3, 1, 7, True)]))
    assert photo.notes == ("tags of the old file alone, or of other applications, are left out: 297, 65000",)
