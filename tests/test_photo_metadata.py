"""EXIF, XMP, IPTC, ICC and CICP come out as the bytes that went in."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from photo_files import avif, chunk, exif, heic, pillow, png, smooth, tiff, with_chunk
from PIL import Image, ImageCms

from karat.app.photos.color_notes import profile_name
from karat.app.photos.jpeg_file import joined_profile, photoshop_iptc
from karat.app.photos.read import read_photo
from karat.app.photos.tags import Tags, orientation
from karat.app.photos.write import write_photo

PIXELS = smooth(24, 40)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b"<?xpacket begin='\xef\xbb\xbf'?><x:xmpmeta xmlns:x='adobe:ns:meta/'/><?xpacket end='w'?>"
IPTC = bytes.fromhex("1c02050005") + b"title" + bytes.fromhex("1c0219") + b"\0\4word"
EXIF = exif(1, "<", [(296, 2), (531, 1)])


def large_profile(size):
    """sRGB's with bytes behind it that nothing refers to: it needs several segments of a JPEG."""
    return struct.pack(">I", size) + SRGB[4:] + np.random.default_rng(0).bytes(size - len(SRGB))


def read(tmp_path, content):
    path = tmp_path / "photo"
    path.write_bytes(content)
    return read_photo(path)


def segments(content, *parts):
    """A JPEG with APP segments (number, content) after its first marker."""
    more = b"".join(struct.pack(">BBH", 0xFF, 0xE0 + number, len(part) + 2) + part for number, part in parts)
    return content[:2] + more + content[2:]


def resource(number, content, name=b"\0\0"):
    return (
        b"8BIM"
        + struct.pack(">H", number)
        + name
        + struct.pack(">I", len(content))
        + content
        + b"\0" * (len(content) % 2)
    )


def jpeg():
    photoshop = b"Photoshop 3.0\0" + resource(0x03ED, b"odd") + resource(0x0404, IPTC)
    content = pillow(PIXELS, "JPEG", exif=b"Exif\0\0" + EXIF, icc_profile=SRGB, xmp=XMP)
    return segments(content, (13, photoshop))


WRITERS = {
    "JPEG": jpeg,
    "PNG": lambda: with_chunk(
        pillow(PIXELS, "PNG", exif=EXIF, icc_profile=SRGB), b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP
    ),
    "TIFF": lambda: tiff(PIXELS, extratags=[(700, 1, len(XMP), XMP, True), (33723, 7, len(IPTC), IPTC, True),
                                            (34675, 7, len(SRGB), SRGB, True)]),
    "WebP": lambda: pillow(PIXELS, "WEBP", exif=EXIF, icc_profile=SRGB, xmp=XMP),
    "HEIC": lambda: heic(PIXELS, exif=EXIF, icc_profile=SRGB, icc_profile_type="prof", xmp=XMP),
    "AVIF": lambda: pillow(PIXELS, "AVIF", exif=EXIF, icc_profile=SRGB, xmp=XMP),
}  # fmt: skip


@pytest.mark.parametrize("form", WRITERS)
def test_bytes(tmp_path, form):
    found = read(tmp_path, WRITERS[form]()).metadata
    assert found.xmp == XMP
    assert found.icc == SRGB
    assert found.iptc == (IPTC if form in ("JPEG", "TIFF") else None)
    if form == "AVIF":  # Pillow writes its own block
        assert Tags(found.exif).number(531) == 1
    elif form != "TIFF":  # there the tags lie among those of the pixels
        assert found.exif == EXIF


def test_a_photo_without_metadata_has_none(tmp_path):
    for content in (pillow(PIXELS, "JPEG"), pillow(PIXELS, "PNG"), pillow(PIXELS, "WEBP"), avif(PIXELS)):
        found = read(tmp_path, content).metadata
        assert (found.exif, found.xmp, found.iptc, found.icc) == (None, None, None, None)


@pytest.mark.parametrize("size", [65519, 65520, 200_000])
def test_a_profile_in_several_segments(tmp_path, size):
    profile = large_profile(size)
    content = pillow(PIXELS, "JPEG", icc_profile=profile)
    assert content.count(b"ICC_PROFILE\0") == -(-size // 65519)
    assert read(tmp_path, content).metadata.icc == profile


@given(st.permutations(range(5)))
def test_pieces_in_any_order_are_one_profile(order):
    pieces = [bytes([number + 1, 5]) + SRGB[100 * number : 100 * (number + 1)] for number in range(5)]
    assert joined_profile([pieces[number] for number in order]) == SRGB[:500]
    assert joined_profile([pieces[number] for number in order if number != 3]) is None


def test_a_missing_piece_is_said(tmp_path):
    piece = b"ICC_PROFILE\0" + bytes([1, 2]) + SRGB
    photo = read(tmp_path, segments(pillow(PIXELS, "JPEG"), (2, piece)))
    assert photo.metadata.icc is None
    assert photo.notes == ("pieces of its ICC profile are missing: it is left out",)


def test_extended_xmp_is_kept_and_gain_maps_are_said(tmp_path):
    more = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + struct.pack(">II", 5, 0) + b"<x/>!"
    photo = read(tmp_path, segments(pillow(PIXELS, "JPEG", xmp=XMP), (1, more)))
    assert photo.metadata.xmp == XMP
    assert photo.metadata.more_xmp == (b"0" * 32 + struct.pack(">II", 5, 0) + b"<x/>!",)
    assert photo.notes == ()
    photo = read(tmp_path, pillow(PIXELS, "JPEG", xmp=XMP.replace(b"/>", b" hdrgm:Version='1.0'/>")))
    assert "gain map" in photo.notes[0]


@pytest.mark.parametrize(
    ("word", "said"),
    [(b"Item:Semantic='GainMap'".replace(b"'", b'"'), "gain map"), (b'GCamera:MotionPhoto="1"', "film"),
     (b'GCamera:MicroVideo="1"', "film"), (b'GDepth:Mime="image/png"', "depth map"),
     (b'GCamera:MotionPhoto="0"', None)],
)  # fmt: skip
def test_what_telephones_put_behind_a_jpeg_is_said(tmp_path, word, said):
    notes = read(tmp_path, pillow(PIXELS, "JPEG", xmp=XMP.replace(b"/>", b" " + word + b"/>"))).notes
    assert len(notes) == (said is not None)
    assert said is None or said in notes[0]


@pytest.mark.parametrize("name", [b"\0\0", b"\3odd", b"\4even\0"])
def test_iptc_lies_among_other_resources(name):
    assert photoshop_iptc(resource(0x03ED, b"123", name) + resource(0x0404, IPTC, name)) == IPTC
    assert photoshop_iptc(resource(0x03ED, b"123", name)) is None


@pytest.mark.parametrize("kind", ["exif", "iptc"])
def test_text_profiles_of_a_png(tmp_path, kind):
    block = {"exif": b"Exif\0\0" + exif(6), "iptc": resource(0x0404, IPTC)}[kind]
    text = b"\n" + kind.encode() + b"\n%8d\n" % len(block) + block.hex().encode() + b"\n"
    photo = read(
        tmp_path, with_chunk(pillow(PIXELS, "PNG"), b"tEXt", b"Raw profile type " + kind.encode() + b"\0" + text)
    )
    assert getattr(photo.metadata, kind) == {"exif": exif(6), "iptc": IPTC}[kind]
    assert photo.pixels.shape == ((40, 24, 3) if kind == "exif" else (24, 40, 3))


def test_cicp_of_a_png_and_hdr(tmp_path):
    photo = read(tmp_path, with_chunk(png(PIXELS.astype(np.uint16) * 257), b"cICP", bytes([9, 16, 0, 1])))
    assert photo.metadata.cicp == (9, 16, 0)
    assert "BT.2020" in photo.notes[0]
    assert "HDR" in photo.notes[1]
    assert "PQ" in photo.notes[1]


@pytest.mark.parametrize("transfer", [16, 18])
def test_nclx_of_a_heic(tmp_path, transfer):
    options = {"color_primaries": 9, "transfer_characteristics": transfer, "matrix_coefficients": 0}
    photo = read(tmp_path, heic(smooth(24, 40, 3, 10), 10, **options))
    assert photo.metadata.cicp == (9, transfer, 0)
    assert any("HDR" in note for note in photo.notes)
    np.testing.assert_array_equal(photo.pixels, smooth(24, 40, 3, 10))


def primaries(*points):
    """A profile with other primaries: x and y become X, Y, Z with Y = 1."""
    import imagecodecs

    flat = [value for point in points for value in point]
    return imagecodecs.cms_profile("rgb", whitepoint=[0.3127, 0.329, 1.0], primaries=flat, gamma=2.2)


def test_a_wide_gamut_is_said(tmp_path):
    adobe = primaries((0.64, 0.33, 1.0), (0.21, 0.71, 1.0), (0.15, 0.06, 1.0))
    photo = read(tmp_path, pillow(PIXELS, "PNG", icc_profile=adobe))
    assert photo.metadata.icc == adobe
    assert "wider than sRGB" in photo.notes[0]
    assert read(tmp_path, pillow(PIXELS, "PNG", icc_profile=SRGB)).notes == ()
    assert "sRGB" in profile_name(SRGB)


def test_what_is_read_does_not_say_what_is_written(tmp_path):
    """A wide gamut that is converted: no note says that anything is kept."""
    adobe = primaries((0.64, 0.33, 1.0), (0.21, 0.71, 1.0), (0.15, 0.06, 1.0))
    photo = read(tmp_path, pillow(PIXELS, "PNG", icc_profile=adobe))
    written = write_photo(tmp_path / "out.png", photo, color="srgb")
    assert not any("kept" in note for note in (*photo.notes, *written.notes))
    assert any("converted to sRGB" in note for note in written.notes)


def test_texts_of_a_png_that_cannot_be_kept_are_said(tmp_path):
    content = pillow(PIXELS, "PNG")
    for kind, text in (
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP),
        (b"tEXt", b"Raw profile type APP1\0\n4\n00000000"),
        (b"zTXt", b"a\nb\0\0damaged"),
    ):
        content = with_chunk(content, kind, text)
    (note,) = read(tmp_path, content).notes
    said = "texts of a PNG are left out, damaged, too large or profiles: "
    assert note == f"{said}Raw profile type APP1, a?b"
    for number in range(9):
        content = with_chunk(content, b"iTXt", b"%d\0\1\0\0\0text" % number)
    note = read(tmp_path, content).notes[0].removeprefix(said)
    assert note.count(",") == 5
    assert note.endswith("others")
    content = with_chunk(pillow(PIXELS, "PNG"), b"iTXt", b"Title\0\0\0de\0Titel\0Wort")
    assert read(tmp_path, content).notes == ("of texts of a PNG, the language is left out: Title",)


def test_a_profile_of_other_channels_is_left_out(tmp_path):
    profile = SRGB[:16] + b"CMYK" + SRGB[20:]
    photo = read(tmp_path, pillow(PIXELS, "JPEG", icc_profile=profile))
    assert photo.metadata.icc is None
    assert "CMYK" in photo.notes[0]


def test_the_exif_block_of_a_tiff(tmp_path):
    """Every tag of the folders comes out with the bytes it had."""
    image, tags = Image.fromarray(PIXELS), Image.Exif()
    tags[271], tags[272], tags[274] = "Maker", "A model of some length", 8
    tags[34665] = {33434: 0.004, 36867: "2026:11:20 10:00:00", 37500: b"maker's own", 40961: 1}
    tags[34853] = {1: "N", 2: (48.0, 12.0, 30.5)}
    path = tmp_path / "photo"
    loaded = Image.Exif()
    loaded.load(tags.tobytes())  # Pillow writes folders below only when it has read them
    image.save(path, "TIFF", exif=loaded)
    photo = read_photo(path)
    old, new = Tags(path.read_bytes()), Tags(photo.metadata.exif)
    assert orientation(photo.metadata.exif) == 8
    assert photo.pixels.shape == (40, 24, 3)
    for code in (34665, 34853):
        before, after = old.folder(old.number(code)), new.folder(new.number(code))
        assert {key: (tag.type, tag.data) for key, tag in before.items()} == {
            key: (tag.type, tag.data) for key, tag in after.items()
        }
        assert len(after) > 1
    assert new.text(271) == "Maker"
    assert any("maker note" in note for note in photo.notes)
    assert 273 not in new.first  # where the pixels lay


@given(st.binary(max_size=200))
def test_any_bytes_have_an_orientation(noise):
    for mark in (b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"):
        assert orientation(mark + noise) in range(1, 9)


def test_a_chunk_that_claims_too_much_is_left_out(tmp_path):
    import zlib

    bomb = b"Bomb\0\0" + zlib.compress(bytes(2**27))
    photo = read(tmp_path, with_chunk(pillow(PIXELS, "PNG"), b"zTXt", bomb))
    assert photo.pixels.shape == (24, 40, 3)
    photo = read(tmp_path, with_chunk(png(PIXELS.astype(np.uint16)), b"iCCP", bomb))
    assert photo.notes == ("its ICC profile is damaged: it is left out",)
    assert chunk(b"IEND", b"")[4:8] == b"IEND"
