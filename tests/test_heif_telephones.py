"""What telephones and cameras write as HEIF: gain maps, stereo pairs, tone maps, tiles, HDR, as boxes of our own."""

import numpy as np
import pytest
from heif_files import APPLE_GAIN, Item, aux, coded, compose, grid, half, ispe, nclx, tone_map
from photo_files import avif, smooth
from written_files import coded as written
from written_files import pixels_of

from karat.app.photos.boxes import item_bytes, read_items
from karat.app.photos.color import cicp_profile
from karat.app.photos.read import read_header, read_photo
from karat.refimpl.errors import BadInput

LEFT, RIGHT = smooth(64, 96), np.ascontiguousarray(smooth(64, 96)[:, ::-1])
GAIN = "it holds a gain map for HDR screens, which is left out: the result is the standard picture"
PAIR = "it is a spatial photo of 2 pictures: the one it names as first is read"
TONED = Item("tmap", tone_map(), [ispe(96, 64), nclx(9, 16, 9)])
MAP = [("dimg", 3, [1, 2])], [("altr", 100, [3, 1])]


def hidden(item):
    return Item(item.kind, item.data, item.properties, True)


def colored(*boxes):
    """The picture with other colour boxes."""
    plain = coded(LEFT)
    return Item("hvc1", plain.data, [p for p in plain.properties if p[0] != "colr"] + list(boxes))


def gain(role=APPLE_GAIN):
    return coded(half(LEFT), more=[aux(role)])


def cases():
    """Name: (content, what comes out, notes)."""
    left, right = coded(LEFT), coded(RIGHT)
    pair = [("ster", 100, [1, 2])]
    smaller = np.hstack([LEFT, RIGHT])[:60, :180]
    tiles = Item("grid", grid(1, 2, 180, 60), [ispe(180, 60)])
    turned = Item("iden", b"", [ispe(96, 64), ("irot", b"\3")])
    yield "a gain map of Apple's", compose([left, gain()], [("auxl", 2, [1])]), LEFT, (GAIN,)
    yield "and hidden", compose([left, hidden(gain())], [("auxl", 2, [1])]), LEFT, (GAIN,)
    yield "a stereo pair", compose([left, right], groups=pair), LEFT, (PAIR,)
    yield "its right half", compose([left, right], groups=pair, primary=2), RIGHT, (PAIR,)
    yield "both", compose([left, right, gain()], [("auxl", 3, [1])], pair), LEFT, (GAIN, PAIR)
    for primary in (1, 3):
        for brands in (("heic", "mif1", "tmap"), ("heic", "mif1")):
            content = compose([left, hidden(coded(half(LEFT))), TONED], *MAP, primary=primary, brands=brands)
            yield f"a tone map, {primary} first, {len(brands)} brands", content, LEFT, (GAIN,)
    yield "tiles", compose([tiles, hidden(left), hidden(right)], [("dimg", 1, [2, 3])]), smaller, ()
    content = compose([tiles, hidden(left), hidden(right), gain()], [("dimg", 1, [2, 3]), ("auxl", 4, [1])])
    yield "tiles and a gain map", content, smaller, (GAIN,)
    yield "a turned reference", compose([left, turned], [("dimg", 2, [1])], primary=2), np.rot90(LEFT, 3), ()
    yield "half a pair", compose([left, Item("hvc1", b"", right.properties)], groups=pair), LEFT, (PAIR,)
    yield "a group of what is not there", compose([left], groups=[("ster", 100, [1, 77])]), LEFT, ()


CASES = list(cases())


@pytest.mark.parametrize(("name", "content", "pixels", "notes"), CASES, ids=[case[0] for case in CASES])
def test_each_is_a_picture_and_what_is_left_out_is_said(tmp_path, name, content, pixels, notes):
    (tmp_path / "a.heic").write_bytes(content)
    photo, header = read_photo(tmp_path / "a.heic"), read_header(tmp_path / "a.heic")
    np.testing.assert_array_equal(photo.pixels, pixels)
    assert (header.height, header.width, header.channels) == pixels.shape
    assert photo.notes == notes
    made, said = written(photo, "HEIC", quality=100)
    np.testing.assert_array_equal(pixels_of(made, "HEIC")[0], pixels)
    assert said.notes == ()


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("primary", [1, 3])
def test_a_tone_map_of_an_avif(tmp_path, bits, primary):
    pixels = smooth(64, 96, 3, bits)

    def item(part):
        items = read_items(data := avif(part, bits))
        return Item("av01", item_bytes(data, items, items.primary), items.items[items.primary].properties)

    parts = [item(pixels), hidden(item(half(pixels))), TONED]
    (tmp_path / "a").write_bytes(compose(parts, *MAP, primary=primary, brands=("avif", "mif1", "tmap")))
    photo = read_photo(tmp_path / "a")
    np.testing.assert_array_equal(photo.pixels, pixels)
    assert photo.notes == (GAIN,)


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_hdr_is_said_beside_a_profile_too(tmp_path, transfer, name):
    for boxes in ([nclx(9, transfer, 9)], [("colr", b"prof" + cicp_profile((9, 13, 0))), nclx(9, transfer, 9)]):
        (tmp_path / "a").write_bytes(compose([colored(*boxes)]))
        notes = read_photo(tmp_path / "a").notes
        assert f"its brightness is coded for HDR screens ({name})" in notes
        assert any("a gamut wider than sRGB" in note for note in notes)


@pytest.mark.parametrize("kind", ["exif", "xmp"])
def test_metadata_of_another_item_is_not_the_pictures(tmp_path, kind):
    """A gain map has its own; what says nothing of whom it describes is the picture's, as in old files."""
    words = {"exif": b"MM\0*" + bytes.fromhex("00000008000101120003000000010003000000000000"), "xmp": b"<x/>"}[kind]
    mine, its = words, words.replace(b"\3\0\0", b"\6\0\0").replace(b"<x/>", b"<gain/>")
    items = {
        content: Item("Exif", bytes(4) + content)
        if kind == "exif"
        else Item("mime", content, mime="application/rdf+xml")
        for content in (mine, its)
    }
    for number, (order, ties, expected) in enumerate([
        ([its], [("cdsc", 3, [2])], None), ([mine], [("cdsc", 3, [1])], mine), ([mine], [], mine),
        ([its, mine], [("cdsc", 3, [2]), ("cdsc", 4, [1])], mine), ([its, mine], [("cdsc", 3, [2])], mine),
        ([mine, its], [("cdsc", 3, [1]), ("cdsc", 4, [2])], mine), ([mine], [("cdsc", 3, [2, 1])], mine),
    ]):  # fmt: skip
        content = compose([coded(LEFT), gain(), *(items[name] for name in order)], [("auxl", 2, [1]), *ties])
        (tmp_path / str(number)).write_bytes(content)
        photo = read_photo(tmp_path / str(number))
        assert getattr(photo.metadata, kind) == expected, number
        turned = expected is not None and kind == "exif"
        np.testing.assert_array_equal(photo.pixels, LEFT[::-1, ::-1] if turned else LEFT)


@pytest.mark.parametrize("primary", [1, 3])
def test_metadata_of_a_tone_map_is_the_pictures(tmp_path, primary):
    xmp = Item("mime", b"<x/>", mime="application/rdf+xml")
    ties, groups = MAP
    content = compose(
        [coded(LEFT), hidden(coded(half(LEFT))), TONED, xmp], [*ties, ("cdsc", 4, [3])], groups, primary=primary
    )
    (tmp_path / "a").write_bytes(content)
    assert read_photo(tmp_path / "a").metadata.xmp == b"<x/>"


def broken():
    left, right, size = coded(LEFT), coded(RIGHT), [ispe(96, 64)]
    return {
        "a tone map of nothing": compose([TONED]),
        "a tone map of itself": compose([TONED], [("dimg", 1, [1])]),
        "a tone map of what is not there": compose([TONED], [("dimg", 1, [9, 8])]),
        "an unknown kind": compose([left, Item("abcd", b"x", size)], [("dimg", 2, [1])], primary=2),
        "tiles of themselves": compose([Item("grid", grid(1, 2, 96, 64), size)], [("dimg", 1, [1, 1])]),
        "no pixels": compose([Item("hvc1", b"", left.properties), right], groups=[("ster", 1, [1, 2])]),
        "no size": compose([Item("hvc1", left.data, [p for p in left.properties if p[0] != "ispe"])]),
    }


@pytest.mark.parametrize("name", BROKEN := broken())
def test_what_is_broken_is_one_sentence(tmp_path, name):
    (tmp_path / "a.heic").write_bytes(BROKEN[name])
    with pytest.raises(BadInput) as refused:
        read_photo(tmp_path / "a.heic")
    assert "expected" in str(refused.value)
    assert "\n" not in str(refused.value)
