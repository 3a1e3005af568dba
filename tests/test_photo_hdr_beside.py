"""HDR in CICP numbers beside an ICC profile: both are kept where a format holds both, and said where it does not."""

import zlib

import pytest
from heif_files import Item, compose, nclx
from heif_files import coded as heif_item
from photo_files import png, smooth, with_chunk
from written_files import coded

from karat.app.photos.color import cicp_profile
from karat.app.photos.read import read_photo
from karat.refimpl.errors import BadInput

ICC = cicp_profile((9, 13, 0))


def heic(transfer):
    item = heif_item(smooth(64, 96))
    plain = [p for p in item.properties if p[0] != "colr"]
    return compose([Item("hvc1", item.data, [*plain, nclx(9, transfer, 9), ("colr", b"prof" + ICC)])])


def chunked(transfer, bits=16):
    content = with_chunk(png(smooth(40, 50, 3, bits)), b"iCCP", b"x\0\0" + zlib.compress(ICC))
    return with_chunk(content, b"cICP", bytes([9, transfer, 0, 1]))


@pytest.mark.parametrize("transfer", [16, 18])
@pytest.mark.parametrize("source", [heic, chunked])
@pytest.mark.parametrize("form", ["PNG", "AVIF", "HEIC", "JPEG", "TIFF", "WebP"])
def test_both_are_kept_or_it_is_said(tmp_path, source, transfer, form):
    (tmp_path / "a").write_bytes(source(transfer))
    photo = read_photo(tmp_path / "a")
    name = {16: "PQ", 18: "HLG"}[transfer]
    assert photo.notes.count(f"its brightness is coded for HDR screens ({name})") == 1
    content, written = coded(photo, form)
    (tmp_path / "b").write_bytes(content)
    made = read_photo(tmp_path / "b").metadata
    both = form in ("PNG", "AVIF")
    assert made.icc == ICC
    assert (made.cicp or ())[:2] == ((9, transfer) if both else ())
    assert any("ICC profile only" in note and name in note for note in written.notes) != both


@pytest.mark.parametrize("source", [heic, chunked])
def test_such_a_picture_is_not_taken_for_srgb(tmp_path, source):
    (tmp_path / "a").write_bytes(source(16))
    with pytest.raises(BadInput, match=r"HDR \(PQ\)"):
        coded(read_photo(tmp_path / "a"), "PNG", color="srgb")


def test_of_other_numbers_a_heic_keeps_its_profile(tmp_path):
    (tmp_path / "a").write_bytes(heic(13))
    metadata = read_photo(tmp_path / "a").metadata
    assert (metadata.icc, metadata.cicp) == (ICC, None)


@pytest.mark.parametrize("full", [0, 1])
def test_narrow_range_of_a_png_is_said(tmp_path, full):
    (tmp_path / "a").write_bytes(with_chunk(png(smooth(40, 50)), b"cICP", bytes([9, 16, 0, full])))
    assert any("narrow range" in note for note in read_photo(tmp_path / "a").notes) != bool(full)
