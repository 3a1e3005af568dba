"""Texts, extended XMP and strange segments: they come out as they went in, or a sentence says so."""

import io
import struct
import zlib

import numpy as np
import pytest
from exif_blocks import small_jpeg
from hypothesis import given
from hypothesis import strategies as st
from photo_files import chunk, exif, heic, pillow, smooth, with_chunk
from PIL import Image
from written_files import ALL, coded, random_pixels

from karat.app.photos import jpeg_file, jpeg_out, read
from karat.app.photos.jpeg_file import segments
from karat.app.photos.passed import blobs_of, metadata_of
from karat.app.photos.photo import Metadata, Photo
from karat.app.photos.png_file import chunks
from karat.app.photos.texts import bounded, bytes_of, text_of

PIXELS = smooth(24, 40)
MORE_XMP = b"http://ns.adobe.com/xmp/extension/\0"
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/' xmpNote:HasExtendedXMP='%s'/>" % (b"A" * 32)

COMMENTS = st.lists(st.binary(max_size=300) | st.just(bytes(65533)), max_size=4)
WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60)
KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=79)
KEYS = KEYS.filter(lambda key: key.lower() not in ("xml:com.adobe.xmp",) and not key.lower().startswith("raw profile"))


def photo(**kept):
    return Photo(random_pixels(0, 20, 30, 3, 8), 8, "JPEG", Metadata(**kept))


def reread(folder, content):
    (folder / "photo").write_bytes(content)
    return read.read_photo(folder / "photo")


def jpeg(*parts, **options):
    """A JPEG with segments (marker, content) after its first ones."""
    content = pillow(PIXELS, "JPEG", **options)
    more = b"".join(struct.pack(">BBH", 0xFF, marker, len(part) + 2) + part for marker, part in parts)
    return content[:20] + more + content[20:]


def of(content, marker, mark=b""):
    return [part for found, part in segments(content) if found == marker and part.startswith(mark)]


@given(comments=COMMENTS)
def test_comments_of_a_jpeg_are_the_same_bytes(comments, tmp_path_factory):
    before = jpeg(*((0xFE, comment) for comment in comments))
    found = reread(tmp_path_factory.mktemp("c"), before)
    after, written = coded(found, "JPEG")
    assert of(before, 0xFE) == of(after, 0xFE) == comments
    assert (found.notes, written.notes) == ((), ())


@pytest.mark.parametrize("mutant", ["dropped", "decoded"])
def test_a_mutant_that_loses_a_comment_is_caught(monkeypatch, tmp_path_factory, mutant):
    if mutant == "dropped":
        real = jpeg_out._comments
        monkeypatch.setattr(jpeg_out, "_comments", lambda texts: real(texts[1:]))
    else:
        monkeypatch.setattr(jpeg_file, "text_of", lambda content: content.decode("utf-8", "replace"))
    inner = test_comments_of_a_jpeg_are_the_same_bytes.hypothesis.inner_test
    with pytest.raises(AssertionError):
        inner([b"Zo\xeb"], tmp_path_factory)


@given(texts=st.lists(st.tuples(KEYS, WORDS), max_size=5))
def test_texts_of_a_png_come_back(texts, tmp_path_factory):
    content, written = coded(photo(texts=tuple(texts)), "PNG")
    assert reread(tmp_path_factory.mktemp("t"), content).metadata.texts == tuple(texts)
    assert written.notes == ()


@given(key=st.text(st.characters(exclude_categories=["Cs"]), max_size=99), text=st.binary(max_size=50).map(text_of))
def test_any_text_makes_a_legal_chunk_or_a_note(key, text):
    content, written = coded(photo(texts=((key, text),)), "PNG")
    found = [(kind, part) for kind, part in chunks(content) if kind in (b"tEXt", b"iTXt")]
    assert len(found) == 1 - len(written.notes)
    for kind, part in found:
        word, _, rest = part.partition(b"\0")
        assert 1 <= len(word) <= 79
        assert word == word.strip()
        assert b"  " not in word
        assert all(32 <= byte <= 126 or byte >= 161 for byte in word)
        rest = rest.removeprefix(bytes(4)) if kind == b"iTXt" else rest
        assert b"\0" not in rest
        assert kind == b"tEXt" or rest.decode() == text.rstrip("\0")


@pytest.mark.parametrize(
    "part",
    [(b"tEXt", b"Author\0Zo\xeb"), (b"zTXt", b"Author\0\0" + zlib.compress(b"Zo\xeb")),
     (b"iTXt", "Author\0\0\0\0\0Zo\xeb".encode())],
)  # fmt: skip
def test_each_kind_of_text_is_read(tmp_path, part):
    content = with_chunk(pillow(PIXELS, "PNG"), *part)
    assert reread(tmp_path, content).metadata.texts == (("Author", "Zoë"),)


def test_texts_behind_the_pixels_are_read(tmp_path):
    content = pillow(PIXELS, "PNG")
    content = content[:-12] + chunk(b"tEXt", b"Title\0behind") + content[-12:]
    assert reread(tmp_path, content).metadata.texts == (("Title", "behind"),)


def test_a_comment_crosses_between_jpeg_and_png(tmp_path):
    found = reread(tmp_path, jpeg((0xFE, "Жук".encode()), (0xFE, b"Zo\xeb\0")))
    content, _ = coded(found, "PNG")
    again = reread(tmp_path, content)
    assert again.metadata.texts == (("Comment", "Жук"), ("Comment", "Zoë"))
    assert of(coded(again, "JPEG")[0], 0xFE) == ["Жук".encode(), "Zoë".encode()]


TEXTS = (("Author", "A"), ("Comment", "B"), ("Author", "C"), ("Title", "D"))


@pytest.mark.parametrize("form", ALL)
def test_a_format_without_a_place_says_so_once(form):
    _, written = coded(photo(texts=TEXTS), form)
    names = {"PNG": None, "JPEG": "Author, Title"}.get(form, "Author, Comment, Title")
    assert len(written.notes) == (names is not None)
    assert all(note.startswith("texts are left out") and note.endswith(f": {names}") for note in written.notes)


@pytest.mark.parametrize("form", ALL)
def test_strip_drops_them_all(form, tmp_path):
    kept = photo(texts=TEXTS, density=(300, 200, "inch"), more_xmp=(b"A" * 40 + b"extended",), xmp=XMP)
    content, written = coded(kept, form, metadata="strip")
    assert written.notes == ()
    found = reread(tmp_path, content).metadata
    assert (found.texts, found.density, found.more_xmp, found.xmp) == ((), None, (), None)
    assert not any(word in content for word in (b"Author", b"extended"))


def test_a_comment_too_long_for_a_segment_is_said():
    content, written = coded(photo(texts=(("Comment", "x" * 65534), ("Comment", "y"))), "JPEG")
    assert of(content, 0xFE) == [b"y"]
    assert "left out" in written.notes[0]


def test_texts_are_bounded():
    texts = [("a", "x" * 10)] * 5
    assert bounded(texts, 2 * 27 + 5) == (tuple(texts[:2]), ["a"] * 3)
    assert bounded([("", "")] * 100, 160)[0] == (("", ""),) * 10


@given(st.binary())
def test_any_bytes_are_a_text(content):
    assert bytes_of(text_of(content)) == content


@given(
    texts=st.lists(st.tuples(WORDS, st.binary(max_size=20).map(text_of)), max_size=4),
    pieces=st.lists(st.binary(max_size=20), max_size=4),
)
def test_metadata_passes_between_processes(texts, pieces):
    found = Metadata(xmp=b"x", texts=tuple(texts), more_xmp=tuple(pieces), density=(1, 2.5, "cm"), cicp=(1, 13, 0))
    blobs = blobs_of(found)
    assert metadata_of(blobs, [1, 13, 0], [1, 2.5, "cm"]) == found
    for name in blobs.keys() - {"xmp"}:
        with pytest.raises(ValueError):  # noqa: PT011 an answer is refused without words
            metadata_of({**blobs, name: blobs[name] + b"\0"}, None, None)


def extended(*sizes):
    """Pieces as a program writes them."""
    total, pieces, start = sum(sizes), [], 0
    for size in sizes:
        content = np.random.default_rng(size).bytes(size)
        pieces.append(b"A" * 32 + struct.pack(">II", total, start) + content)
        start += size
    return pieces


@given(sizes=st.lists(st.integers(0, 60_000), min_size=1, max_size=3))
def test_extended_xmp_is_the_same_bytes(sizes, tmp_path_factory):
    pieces = extended(*sizes)
    before = jpeg(*((0xE1, MORE_XMP + piece) for piece in pieces), xmp=XMP)
    found = reread(tmp_path_factory.mktemp("x"), before)
    after, written = coded(found, "JPEG")
    assert of(after, 0xE1, MORE_XMP) == of(before, 0xE1, MORE_XMP) == [MORE_XMP + piece for piece in pieces]
    assert of(after, 0xE1, b"http://ns.adobe.com/xap/") == of(before, 0xE1, b"http://ns.adobe.com/xap/")
    assert (found.notes, written.notes) == ((), ())


@pytest.mark.parametrize("form", ALL)
def test_extended_xmp_elsewhere_is_said(form):
    _, written = coded(photo(xmp=XMP, more_xmp=tuple(extended(5, 6))), form)
    expected = () if form == "JPEG" else ("extended XMP of 11 bytes is left out: only a JPEG has a place for it",)
    assert written.notes == expected


def test_a_long_packet_wins_over_the_extension():
    found = photo(xmp=XMP + b" " * 70_000, more_xmp=tuple(extended(5)))
    content, written = coded(found, "JPEG")
    assert written.notes == ("extended XMP of 5 bytes is left out: the packet that it belongs to takes its place",)
    assert not any(part.startswith(MORE_XMP + b"A" * 32) for part in of(content, 0xE1, MORE_XMP))


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (b"JFXX\0\x10" + small_jpeg(), True),
        (b"JFXX\0\x13\1\1abc", True),
        (b"JFIF\0\1\2\0\0\1\0\1\1\1abc", True),
        (b"JFIF\0\1\2\0\0\1\0\1\0\0", False),
    ],
)
def test_a_thumbnail_of_jfif_is_said(tmp_path, part, said):
    notes = reread(tmp_path, jpeg((0xE0, part))).notes
    assert notes == ("its JFIF thumbnail is left out: it shows the small picture",) * said


def test_an_extension_without_its_packet_is_said(tmp_path):
    before = jpeg(*((0xE1, MORE_XMP + piece) for piece in extended(5)))
    content, written = coded(reread(tmp_path, before), "JPEG")
    assert of(content, 0xE1, MORE_XMP) == []
    assert written.notes == (
        "extended XMP of 5 bytes is left out: the packet that it belongs to is not there, and without it nobody would "
        "read it",
    )


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ((0xE3, b"Meta\0\0more"), "APP3 'Meta'"),
        ((0xEB, b"JP\0\1\0\0\0\1\0\0\0\x20jumb\0\0\0"), "APP11 'JP' (a signature would no longer hold)"),
        ((0xEC, b"Ducky\0\1"), "APP12 'Ducky'"),
        ((0xE4, b"\xff\xfe"), "APP4"),
        ((0xE1, b"Other\0"), "APP1 'Other'"),
    ],
)
def test_segments_that_nobody_knows_are_said(tmp_path, part, said):
    found = reread(tmp_path, jpeg(part, part))
    assert found.notes == (f"segments of other applications are left out: {said}",)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([b"tIME", b"sBIT"], ()),
        ([b"mDCV", b"prIv", b"prIv"], ("chunks of a PNG are left out: mDCV, prIv",)),
        ([b"caBX"], ("chunks of a PNG are left out: caBX (a signature would no longer hold)",)),
    ],
)
def test_chunks_that_nobody_reads_are_said(tmp_path, names, said):
    content = pillow(PIXELS, "PNG")
    for name in names:
        content = with_chunk(content, name, b"content")
    assert reread(tmp_path, content).notes == said


def test_known_segments_are_not_said(tmp_path):
    known = [(0xEE, b"Adobe\0\x64\0\0\0\0\1"), (0xED, b"Photoshop 3.0\0")]
    assert reread(tmp_path, jpeg(*known, exif=b"Exif\0\0" + exif(1))).notes == ()


def test_a_thumbnail_of_a_heic_is_said(tmp_path):
    content = heic(PIXELS)
    assert reread(tmp_path, content).notes == ()
    import pillow_heif

    file = pillow_heif.from_bytes("RGB", PIXELS.shape[1::-1], np.ascontiguousarray(PIXELS).tobytes())
    file[0].info["thumbnails"] = [16]
    file.save(tmp_path / "a.heic", quality=50)
    assert "it holds a thumbnail, which is left out" in reread(tmp_path, (tmp_path / "a.heic").read_bytes()).notes


def test_other_readers_see_texts():
    found = photo(texts=(("Comment", "Zoë"), ("Author", "Жук")))
    with Image.open(io.BytesIO(coded(found, "JPEG")[0])) as image:
        assert image.info["comment"] == "Zoë".encode()
    with Image.open(io.BytesIO(coded(found, "PNG")[0])) as image:
        assert image.text == {"Comment": "Zoë", "Author": "Жук"}


READ = [b"tEXt", b"zTXt", b"iTXt", b"pHYs", b"cHRM", b"gAMA", b"iCCP", b"cICP", b"sRGB", b"prIv"]
MARKS = [b"", b"JFIF\0", MORE_XMP, b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0", b"JP\0"]


@given(parts=st.lists(st.tuples(st.sampled_from(READ), st.binary(max_size=60)), max_size=4))
def test_damaged_chunks_never_hide_the_picture(parts, tmp_path_factory):
    content = pillow(PIXELS, "PNG")
    for part in parts:
        content = with_chunk(content, *part)
    _still_a_picture(tmp_path_factory.mktemp("d"), content)


@given(
    parts=st.lists(
        st.tuples(st.integers(0xE0, 0xEF) | st.just(0xFE), st.sampled_from(MARKS), st.binary(max_size=60)), max_size=4
    )
)
def test_damaged_segments_never_hide_the_picture(parts, tmp_path_factory):
    parts = [(marker, mark + noise) for marker, mark, noise in parts if marker != 0xEE]  # it says what colours mean
    _still_a_picture(tmp_path_factory.mktemp("d"), jpeg(*parts))


def _still_a_picture(folder, content):
    found = reread(folder, content)
    assert found.pixels.shape == PIXELS.shape
    assert all(note.isprintable() for note in found.notes)
    for form in ("JPEG", "PNG"):
        after, written = coded(found, form)
        assert all(note.isprintable() for note in written.notes)
        assert reread(folder, after).pixels.shape == PIXELS.shape


@pytest.mark.parametrize(
    "part", [(0xE2, b"ICC_PROFILE\0"), (0xE2, b"MPF\0II*\0\xff\xff\xff\xff"), (0xED, b"Photoshop 3.0\0")]
)
def test_a_decoder_does_not_see_damaged_metadata(tmp_path, part):
    """Pillow refuses the first of them."""
    np.testing.assert_array_equal(reread(tmp_path, jpeg(part)).pixels, reread(tmp_path, jpeg()).pixels)
