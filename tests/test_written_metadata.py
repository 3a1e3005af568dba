"""EXIF, XMP, IPTC and profiles in six formats, compared byte by byte; and what does not fit."""

import io
import struct
from dataclasses import replace

import numpy as np
import pytest
from exif_blocks import complaints, exif_blocks
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageCms
from written_files import ALL, coded, metadata_of, pixels_of, random_pixels

from karat.app.photos.bmff import add_items
from karat.app.photos.color import PRIMARIES, primaries_profile, to_srgb
from karat.app.photos.color_notes import HDR, profile_tag
from karat.app.photos.exif_patch import read_block
from karat.app.photos.photo import Metadata, Photo
from karat.app.photos.read import read_photo
from karat.app.photos.xmp_patch import EXIF, correct_xmp
from karat.refimpl.errors import BadInput

HEAD = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
)
TAIL = '</rdf:Description></rdf:RDF></x:xmpmeta>\n   <?xpacket end="w"?>'
BLOCK = bytes.fromhex("4d4d002a00000008 0002 0100000300000001 00280000 0112000300000001 00060000 00000000")


def packet(turn, width, height, text="", prefix="tiff", attributes=True):
    """A packet that says orientation and sizes, as attributes or as elements."""
    spaces = f'xmlns:{prefix}="http://ns.adobe.com/tiff/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/"'
    if attributes:
        said = f'{prefix}:Orientation="{turn}" {prefix}:ImageWidth=\'{width}\' exif:PixelYDimension="{height}">'
    else:
        said = (
            f"><{prefix}:Orientation>{turn}</{prefix}:Orientation><{prefix}:ImageWidth> {width} </{prefix}:ImageWidth>"
            f"<exif:PixelYDimension>{height}</exif:PixelYDimension>"
        )
    return (HEAD + spaces + " " + said + f"<dc:title>{text}</dc:title>" + TAIL).encode()


def profile(size, space=b"RGB "):
    """Bytes that pass for a profile: only its length and its colour space are read."""
    body = np.random.default_rng(size).integers(0, 256, size, np.uint8).tobytes()
    return struct.pack(">I", size) + body[4:16] + space + body[20:36] + b"acsp" + body[40:]


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="<>&\0\r", exclude_categories=["Cc"]), max_size=40)


@pytest.mark.parametrize("form", ALL)
@given(drawn=exif_blocks(), text=TEXT, turn=st.integers(1, 8), size=st.integers(128, 3000), wide=st.integers(1, 40))
def test_everything_else_is_the_same_byte_by_byte(form, drawn, text, turn, size, wide):
    """Only what `exif_blocks.Drawn.may_differ` lists may differ; a TIFF's header points to its own directory too."""
    found = Metadata(drawn.data, packet(turn, 40, 30, text), None, profile(size))
    content, _ = coded(Photo(random_pixels(0, 30, wide, 3, 8), 8, "JPEG", found), form)
    exif, xmp, icc = metadata_of(content, form)
    if form == "TIFF":
        exif = content[:4] + drawn.data[4:8] + content[8 : len(drawn.data)]
        drawn.thumbnail = drawn.thumbnail and (*drawn.thumbnail,)
    assert complaints(drawn, exif, wide, 30) == []
    assert xmp == packet(1, wide, 30, text)
    assert icc == found.icc


@pytest.mark.parametrize("form", ALL)
@pytest.mark.parametrize(("bits", "channels"), [(8, 1), (16, 1), (10, 3), (12, 3), (8, 4)])
def test_every_kind_of_picture_carries_them(form, bits, channels):
    if form == "JPEG" and channels == 4:
        pytest.skip("a JPEG has no alpha")
    space = b"GRAY" if channels == 1 and form != "WebP" else b"RGB "
    found = Metadata(BLOCK, packet(6, 40, 30), b"\x1c\x02\x05\0\x05title", profile(700, space))
    content, _ = coded(Photo(random_pixels(0, 20, 50, channels, bits), bits, "JPEG", found), form, quality=100)
    exif, xmp, icc = metadata_of(content, form)
    assert (xmp, icc) == (packet(1, 50, 20), found.icc)
    assert form == "TIFF" or exif == BLOCK.replace(b"\0\x28\0\0", b"\0\x32\0\0").replace(b"\0\x06", b"\0\x01")
    pixels_of(content, form)


@pytest.mark.parametrize("form", ALL)
def test_strip_keeps_only_the_profile(form):
    found = Metadata(BLOCK, packet(6, 40, 30), b"\x1c\x02\x05\0\x05title", profile(700))
    content, written = coded(Photo(random_pixels(0, 20, 50, 3, 8), 8, "JPEG", found), form, metadata="strip")
    exif, xmp, icc = metadata_of(content, form)
    assert (xmp, icc) == (None, found.icc)
    assert form == "TIFF" or exif is None
    assert b"title" not in content
    assert written.notes == ()


@given(st.sampled_from(["tiff", "t", "x1"]), st.booleans(), TEXT, st.integers(1, 99999), st.integers(1, 99999))
def test_xmp_is_corrected_as_text(prefix, attributes, text, width, height):
    before, after = (packet(*turned, text, prefix, attributes) for turned in ((8, 7, 9), (1, width, height)))
    if not attributes:  # blanks around a number go with it
        after = after.replace(b"> %d <" % width, b">%d<" % width)
    assert correct_xmp(before, width, height) == (after, ())


def test_an_xmp_mutant_that_keeps_the_orientation_is_caught(monkeypatch):
    monkeypatch.setattr("karat.app.photos.xmp_patch.TIFF", b"http://elsewhere/")
    monkeypatch.setattr("karat.app.photos.xmp_patch.USUAL", {b"http://elsewhere/": b"x", EXIF: b"exif"})
    assert correct_xmp(packet(6, 4, 3), 8, 6)[0] != packet(1, 8, 6)


def test_xmp_in_another_encoding_is_left_out_with_a_note():
    found = Metadata(xmp=packet(6, 4, 3).decode().encode("utf-16"))
    content, written = coded(Photo(random_pixels(0, 4, 5, 3, 8), 8, "JPEG", found), "JPEG")
    assert "not in UTF-8" in written.notes[0]
    assert metadata_of(content, "JPEG")[1] is None


def test_a_long_profile_takes_several_segments():
    found = Metadata(icc=profile(300_000))
    for form in ALL:
        content, written = coded(Photo(random_pixels(0, 4, 5, 3, 8), 8, "JPEG", found), form)
        assert metadata_of(content, form)[2] == found.icc
        assert written.notes == ()


def test_a_long_packet_becomes_extended_xmp():
    found = Metadata(xmp=packet(1, 5, 4, "x" * 200_000))
    content, written = coded(Photo(random_pixels(0, 4, 5, 3, 8), 8, "JPEG", found), "JPEG")
    mark, parts, here = b"http://ns.adobe.com/xmp/extension/\0", {}, 0
    while (here := content.find(mark, here)) >= 0:
        length = struct.unpack_from(">H", content, here - 2)[0] - 2
        part = content[here + len(mark) : here + length]
        total, offset = struct.unpack_from(">II", part, 32)
        parts[offset] = part[40:]
        assert total == len(found.xmp)
        here += 1
    name = content[content.find(mark) + len(mark) :][:32]
    assert b"".join(parts[offset] for offset in sorted(parts)) == found.xmp
    assert b'HasExtendedXMP="' + name + b'"' in metadata_of(content, "JPEG")[1]
    assert written.notes == ()


def test_exif_that_no_segment_holds_is_said():
    found = Metadata(exif=BLOCK + bytes(70_000))
    photo = Photo(random_pixels(0, 4, 5, 3, 8), 8, "HEIC", found)
    content, written = coded(photo, "JPEG")
    assert metadata_of(content, "JPEG")[0] is None
    assert written.notes == (f"EXIF of {len(found.exif)} bytes is left out: a JPEG holds 65527",)
    assert len(metadata_of(coded(photo, "PNG")[0], "PNG")[0]) == len(found.exif)


@pytest.mark.parametrize("form", ALL)
def test_iptc_is_kept_or_its_loss_is_said(form):
    records = b"\x1c\x02\x05\0\x05title\x1c\x02\x19\0\x03key"
    content, written = coded(Photo(random_pixels(0, 4, 5, 3, 8), 8, "JPEG", Metadata(iptc=records)), form)
    if form == "WebP":
        assert written.notes == ("IPTC is left out: a WebP has no place for it",)
    elif form == "PNG":
        from PIL import Image

        with Image.open(io.BytesIO(content)) as image:
            lines = image.text["Raw profile type iptc"].split()
        assert records in bytes.fromhex("".join(lines[2:]))
    else:
        assert records in content


@pytest.mark.parametrize("form", ["PNG", "AVIF", "HEIC"])
def test_colour_numbers_are_carried(form):
    content, _ = coded(Photo(random_pixels(0, 40, 50, 3, 8), 8, "HEIC", Metadata(cicp=(12, 13, 6))), form)
    at = content.index(b"cICP") + 4 if form == "PNG" else content.index(b"colrnclx") + 8
    numbers = struct.unpack_from(">BB", content, at) if form == "PNG" else struct.unpack_from(">HH", content, at)
    assert numbers == (12, 13)


@pytest.mark.parametrize("form", ["JPEG", "TIFF", "WebP"])
def test_colour_numbers_become_a_profile_elsewhere(form):
    photo = Photo(random_pixels(0, 40, 50, 3, 8), 8, "HEIC", Metadata(cicp=(12, 13, 6)))
    content, written = coded(photo, form)
    assert metadata_of(content, form)[2][16:20] == b"RGB "
    assert "was written as an ICC profile" in written.notes[0]
    numbers = replace(photo, metadata=Metadata(cicp=(77, 13, 6)))
    content, written = coded(numbers, form)
    assert metadata_of(content, form)[2] is None
    assert "is left out: the format has no place for it" in written.notes[0]


@pytest.mark.parametrize("transfer", [16, 18])
@pytest.mark.parametrize("form", ["JPEG", "TIFF", "WebP"])
def test_hdr_becomes_a_profile_that_says_so(form, transfer, tmp_path):
    """What reads it again finds the numbers in the profile, and LittleCMS finds nothing wrong with it."""
    photo = Photo(random_pixels(0, 40, 50, 3, 8), 8, "HEIC", Metadata(cicp=(9, transfer, 9)))
    content, written = coded(photo, form)
    assert "was written as an ICC profile of version 4.4" in written.notes[0]
    profile = metadata_of(content, form)[2]
    assert (len(profile), profile[8:10]) == (int.from_bytes(profile[:4], "big"), b"\4\x40")
    assert profile_tag(profile, b"cicp") == b"cicp" + bytes(4) + bytes([9, transfer, 0, 1])
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    plain = ImageCms.ImageCmsProfile(io.BytesIO(primaries_profile(PRIMARIES[9][:6], PRIMARIES[9][6:])))
    for name in ("red_primary", "green_primary", "blue_primary", "media_white_point"):
        assert getattr(opened.profile, name) == getattr(plain.profile, name)
    (tmp_path / "a").write_bytes(content)
    again = read_photo(tmp_path / "a")
    assert f"its brightness is coded for HDR screens ({HDR[transfer]})" in again.notes
    with pytest.raises(BadInput, match="the picture is HDR"):
        to_srgb(again)


@pytest.mark.parametrize("damaged", [b"", b"II*\0", b"Exif\0\0", b"MM\0*\xff\xff\xff\xff", bytes(40), BLOCK[:20]])
def test_damaged_exif_is_left_out_and_said(damaged):
    for form in ALL:
        photo = Photo(random_pixels(0, 4, 5, 3, 8), 8, "JPEG", Metadata(exif=damaged))
        content, written = coded(photo, form)
        assert form == "TIFF" or metadata_of(content, form)[0] is None
        assert written.notes == (("the EXIF block cannot be read, so it is left out",) if damaged else ())


REAL = ["Apple_iPhone_5.jpg", "IMG_1034.heic", "Example1.heic", "rotation_6.jpg", "arrow.heic"]


@pytest.mark.parametrize("name", REAL)
def test_real_blocks_keep_every_tag(data, name):
    """Their directories are walked before and after; a maker note is the same at the same place."""
    found = Metadata(*_of_file(data / "camera" / name))
    for form in ALL:
        content, _ = coded(Photo(random_pixels(0, 40, 50, 3, 8), 8, "JPEG", found), form)
        exif = content[: len(found.exif)] if form == "TIFF" else metadata_of(content, form)[0]
        before, after = _values(found.exif), _values(exif[:4] + found.exif[4:8] + exif[8:])
        assert before.keys() == after.keys()
        different = {tag for tag in before if before[tag] != after[tag]}
        assert different <= {0x100, 0x101, 0x112, 0xA002, 0xA003}
        assert metadata_of(content, form)[2] == found.icc


def _of_file(path):
    content = path.read_bytes()
    return (*metadata_of(content, "HEIC" if path.suffix.lower() == ".heic" else "JPEG")[:2], None, profile(500))


def _values(exif):
    block = read_block(exif)
    folders = [block.main, *block.nested.values()]
    return {e.tag: exif[e.value : e.value + e.size] for folder in folders for e in folder.entries}


def test_items_are_added_only_to_what_is_understood():
    content, _ = coded(Photo(random_pixels(0, 4, 5, 3, 8), 8, "JPEG"), "AVIF")
    strange = content.replace(b"iloc\0\0\0\0\x44\0", b"iloc\x01\0\0\0\x44\0")
    with pytest.raises(ValueError, match="item location box of version 1"):
        add_items(strange, Metadata(xmp=b"<x/>"))
