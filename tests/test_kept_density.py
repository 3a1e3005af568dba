"""Resolution: what JFIF, pHYs and TIFF's tags say comes out again, or a sentence says why not."""

import io
import struct

import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from photo_files import exif, heic, pillow, smooth, tiff, with_chunk
from PIL import Image
from written_files import coded, random_pixels

from karat.app.photos import density, jpeg_out, png_out, read, tiff_out
from karat.app.photos.exif_patch import turned_exif
from karat.app.photos.photo import Metadata, Photo
from karat.app.photos.png_file import chunks
from karat.app.photos.tags import Tags

PIXELS = smooth(24, 40)
UNITS = [None, "inch", "cm"]


def photo(**kept):
    return Photo(random_pixels(0, 20, 30, 3, 8), 8, "JPEG", Metadata(**kept))


def reread(folder, content):
    (folder / "photo").write_bytes(content)
    return read.read_photo(folder / "photo")


def densities(most):
    """Of whole numbers, as JPEG and PNG hold them."""
    pairs = st.tuples(st.integers(1, most), st.integers(1, most))
    return st.tuples(pairs, st.sampled_from(UNITS)).map(lambda drawn: density.density(*drawn[0], drawn[1]))


def jfif(found):
    """A JPEG that says a density."""
    content = bytearray(pillow(PIXELS, "JPEG"))
    struct.pack_into(">BHH", content, 13, UNITS.index(found[2]) if found else 0, *(found[:2] if found else (1, 1)))
    return bytes(content)


@given(found=densities(65535))
def test_a_density_goes_from_jpeg_to_jpeg_to_tiff(found, tmp_path_factory):
    folder = tmp_path_factory.mktemp("d")
    before = reread(folder, jfif(found))
    assert before.metadata.density == found
    for form in ("JPEG", "TIFF"):
        content, written = coded(before, form)
        again = reread(folder, content)
        assert again.metadata.density == found
        assert written.notes == ()
        assert (form == "TIFF") or coded(again, "JPEG")[0][:20] == content[:20]


@given(x=st.integers(1, 2**31 - 1), y=st.integers(1, 2**31 - 1), metre=st.integers(0, 1))
def test_a_density_goes_from_png_to_png(x, y, metre, tmp_path_factory):
    part = struct.pack(">IIB", x, y, metre)
    before = reread(tmp_path_factory.mktemp("d"), with_chunk(pillow(PIXELS, "PNG"), b"pHYs", part))
    expected = [] if x == y and not metre else [part]
    assert [found for kind, found in chunks(coded(before, "PNG")[0]) if kind == b"pHYs"] == expected


@given(found=densities(65535))
def test_a_density_comes_back_through_a_png(found, tmp_path_factory):
    folder = tmp_path_factory.mktemp("d")
    through = reread(folder, coded(photo(density=found), "PNG")[0])
    if found is None or found[2] is None:
        assert through.metadata.density == found
        return
    assert density.same(through.metadata.density, found)
    if found[2] == "inch" and min(found[:2]) > 1:
        content, _ = coded(through, "JPEG")
        assert density.same(reread(folder, content).metadata.density, found)


def test_tiff_to_tiff_keeps_the_very_tags(tmp_path):
    before = reread(tmp_path, tiff(PIXELS, resolution=((7000001, 30000), (1, 3)), resolutionunit="CENTIMETER"))
    assert before.metadata.density == (7000001 / 30000, 1 / 3, "cm")
    content, written = coded(before, "TIFF")
    assert reread(tmp_path, content).metadata.density == before.metadata.density
    assert struct.pack("<II", 7000001, 30000) in content
    assert written.notes == ()


def exchanged(function):
    """A mutant: height for width."""

    def inner(found, *more):
        return function(density.turned(found), *more)

    return inner


@pytest.mark.parametrize(("module", "name"), [(jpeg_out, "jfif_numbers"), (png_out, "phys"), (tiff_out, "tiff_tags")])
def test_a_mutant_that_exchanges_x_and_y_is_caught(monkeypatch, tmp_path_factory, module, name):
    monkeypatch.setattr(module, name, exchanged(getattr(module, name)))
    through_png = module is png_out
    check = test_a_density_comes_back_through_a_png if through_png else test_a_density_goes_from_jpeg_to_jpeg_to_tiff
    with pytest.raises(AssertionError):
        check.hypothesis.inner_test((300, 150, "inch"), tmp_path_factory)


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_turned_picture_has_its_density_turned(tmp_path, turn):
    content = pillow(PIXELS, "JPEG", dpi=(300, 150), exif=b"Exif\0\0" + exif(turn))
    expected = (300, 150, "inch") if turn < 5 else (150, 300, "inch")
    assert reread(tmp_path, content).metadata.density == expected


def resolved(order, turn, x, y):
    """An EXIF block with orientation, XResolution and YResolution."""
    tags = [(274, 3, 1, struct.pack(order + "HH", turn, 0))]
    tags += [(282, 5, 1, struct.pack(order + "I", 50)), (283, 5, 1, struct.pack(order + "I", 58))]
    rows = b"".join(struct.pack(order + "HHI", *tag[:3]) + tag[3] for tag in tags)
    mark = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    return mark + struct.pack(order + "H", 3) + rows + bytes(4) + struct.pack(order + "IIII", *x, *y)


def resolutions(exif):
    """The bytes of a block's two resolutions."""
    first = Tags(exif).first
    return first[282].data, first[283].data


PAIRS = st.tuples(st.integers(1, 2**32 - 1), st.integers(1, 2**32 - 1))


@given(order=st.sampled_from("<>"), turn=st.integers(1, 8), x=PAIRS, y=PAIRS)
def test_exifs_own_resolution_is_turned_with_the_picture(order, turn, x, y, tmp_path_factory):
    block = resolved(order, turn, x, y)
    before = reread(tmp_path_factory.mktemp("d"), pillow(PIXELS, "JPEG", exif=b"Exif\0\0" + block))
    said, kept = resolutions(block), resolutions(before.metadata.exif)
    assert kept == (said if turn < 5 else said[::-1])
    differ = [place for place, (a, b) in enumerate(zip(block, before.metadata.exif, strict=True)) if a != b]
    assert all(50 <= place < 66 for place in differ)
    for form in ("JPEG", "TIFF"):
        assert resolutions(reread(tmp_path_factory.mktemp("d"), coded(before, form)[0]).metadata.exif) == kept


def test_a_mutant_that_leaves_exifs_resolution_is_caught(monkeypatch, tmp_path_factory):
    monkeypatch.setattr("karat.app.photos.pillow_pixels.turned_exif", lambda exif: exif)
    with pytest.raises(AssertionError):
        test_exifs_own_resolution_is_turned_with_the_picture.hypothesis.inner_test(
            "<", 6, (300, 1), (150, 1), tmp_path_factory
        )


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("form", ["HEIC", "PNG", "WebP"])
def test_every_family_turns_exifs_resolution(tmp_path, form, turn):
    block = resolved(">", turn, (300, 1), (150, 1))
    write = {"HEIC": heic, "PNG": lambda p, exif: pillow(p, "PNG", exif=exif),
             "WebP": lambda p, exif: pillow(p, "WEBP", exif=exif)}  # fmt: skip
    found = density.of_exif(reread(tmp_path, write[form](PIXELS, exif=block)).metadata.exif)
    assert found == ((300, 150, "inch") if turn < 5 else (150, 300, "inch"))


def test_a_turned_jpeg_with_the_same_density_twice_has_no_note_as_tiff(tmp_path):
    block = resolved(">", 6, (300, 1), (150, 1))
    found = reread(tmp_path, pillow(PIXELS, "JPEG", dpi=(300, 150), exif=b"Exif\0\0" + block))
    content, written = coded(found, "TIFF")
    assert written.notes == ()
    assert reread(tmp_path, content).metadata.density == (150, 300, "inch")


def test_two_resolutions_in_one_place_or_beyond_the_end_are_left():
    block = resolved("<", 6, (300, 1), (150, 1))
    shared = block.replace(struct.pack("<I", 58), struct.pack("<I", 54))
    for damaged in (shared, block[:-1]):
        assert turned_exif(damaged) == damaged


@pytest.mark.parametrize("form", ["WebP", "AVIF", "HEIC"])
def test_a_lost_density_is_said_unless_exif_has_it(form, tmp_path):
    assert coded(photo(density=(300, 300, "inch")), form)[1].notes == (
        f"the resolution of 300 x 300 per inch is left out: {form} has no place for it",
    )
    before = reread(tmp_path, tiff(PIXELS, resolution=(300, 300), resolutionunit="INCH"))
    assert before.metadata.density == (300, 300, "inch")
    assert coded(before, form)[1].notes == ()


def test_what_jpeg_rounds_and_what_exif_contradicts_is_said(tmp_path):
    _, written = coded(photo(density=(72.5, 72.5, "inch")), "JPEG")
    assert written.notes == (
        "the resolution of 72.5 x 72.5 per inch was rounded to 72 x 72 per inch: a JPEG holds whole numbers",
    )
    assert "a JPEG has no numbers" in coded(photo(density=(1e6, 1, "inch")), "JPEG")[1].notes[0]
    assert "a PNG has no numbers" in coded(photo(density=(1e-3, 1, "inch")), "PNG")[1].notes[0]
    block = reread(tmp_path, tiff(PIXELS, resolution=(72, 72), resolutionunit="INCH")).metadata.exif
    _, written = coded(photo(density=(300, 300, "inch"), exif=block), "TIFF")
    assert written.notes == ("the resolution of 300 x 300 per inch is left out: EXIF says another",)


@given(st.binary(max_size=20))
def test_damaged_densities_are_none_or_numbers(noise):
    for found in (density.of_jfif(b"JFIF\0" + noise), density.of_png(noise), density.of_exif(b"II*\0" + noise)):
        assert found is None or min(found[:2]) > 0


NUMBERS = st.floats(min_value=1e-9, max_value=1e12)


@given(NUMBERS, NUMBERS, st.sampled_from(UNITS))
def test_any_density_is_written_or_said(x, y, unit):
    for form in ("JPEG", "PNG", "TIFF"):
        coded(photo(density=density.density(x, y, unit)), form)


@given(x=st.integers(1, 65535), y=st.integers(1, 65535))
def test_other_readers_see_it(x, y):
    """Pillow turns a PNG's metres into inches, within half a pixel of a metre."""
    found = photo(density=(x, y, "inch"))
    with Image.open(io.BytesIO(coded(found, "JPEG")[0])) as image:
        assert image.info["dpi"] == (x, y)
    with Image.open(io.BytesIO(coded(found, "PNG")[0])) as image:
        assert image.info["dpi"] == pytest.approx((x, y), abs=0.5 * 0.0254 + 1e-6)
    with tifffile.TiffFile(io.BytesIO(coded(found, "TIFF")[0])) as file:
        tags = file.pages[0].tags
        assert [tags.valueof(tag) for tag in (282, 283, 296)] == [(x, 1), (y, 1), 2]
