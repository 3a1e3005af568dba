"""Primaries and gamma of a PNG: the picture looks the same through a profile, and nonsense ends in a note."""

import struct

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from photo_files import numbers, pillow, with_chunk
from written_files import coded

from karat.app.photos import png_color
from karat.app.photos.photo import Photo
from karat.app.photos.png_color import with_png_colors
from karat.app.photos.read import read_photo

SRGB = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
P3 = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)
ADOBE = (31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)
KEPT = "its colours (cHRM, gAMA) are kept as an ICC profile"


def read(folder, pixels, primaries=None, gamma=None, more=()):
    content = pillow(pixels, "PNG")
    if primaries:
        content = with_chunk(content, b"cHRM", struct.pack(">8I", *primaries))
    if gamma is not None:
        content = with_chunk(content, b"gAMA", struct.pack(">I", gamma))
    for kind, part in more:
        content = with_chunk(content, kind, part)
    (folder / "photo.png").write_bytes(content)
    return read_photo(folder / "photo.png")


def xyz(points):
    """The matrix from light of these primaries to XYZ (SMPTE RP 177)."""
    white, *colors = np.reshape(points, (4, 2)) / 1e5
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in colors]).T
    x, y = white
    return columns * np.linalg.solve(columns, [x / y, 1, (1 - x - y) / y])


def by_hand(pixels, points, gamma):
    """8-bit numbers of primaries under sRGB's white as sRGB's, (H, W, 3) float64; gamma None is sRGB's curve."""
    coded = pixels / 255
    light = (
        np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4) if gamma is None else (coded**gamma)
    )
    light = np.clip(light @ (np.linalg.inv(xyz(SRGB)) @ xyz(points)).T, 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize(("points", "gamma"), [(P3, None), (P3, 45455), (ADOBE, 45455), (SRGB, 55556), (P3, 100_000)])
def test_the_result_looks_the_same(tmp_path, points, gamma):
    """Within 1 of 255: two roundings to 8 bits, LittleCMS's and ours."""
    pixels = numbers(40, 40, 3)
    photo = read(tmp_path, pixels, points, gamma)
    assert KEPT in photo.notes
    content, _ = coded(photo, "PNG", color="srgb")
    (tmp_path / "out.png").write_bytes(content)
    made = read_photo(tmp_path / "out.png").pixels
    expected = by_hand(pixels, points, None if gamma is None else 1e5 / gamma)
    assert np.abs(made - np.rint(expected)).max() <= 1
    assert np.abs(pixels - expected).max() > 3  # otherwise nothing was to be done


def test_a_mutant_that_exchanges_primaries_is_caught(tmp_path, monkeypatch):
    real = png_color.primaries_profile
    monkeypatch.setattr(png_color, "primaries_profile", lambda rgb, *more: real([*rgb[2:4], *rgb[:2], *rgb[4:]], *more))
    with pytest.raises(AssertionError):
        test_the_result_looks_the_same(tmp_path, P3, None)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "WebP", "HEIC", "AVIF"])
def test_the_profile_is_written(tmp_path, form):
    photo = read(tmp_path, numbers(20, 30, 3), P3, 45455)
    assert photo.metadata.icc in coded(photo, form)[0] or form == "PNG"  # which packs it


@pytest.mark.parametrize(
    ("points", "gamma", "more"),
    [
        (SRGB, 45455, ()), (SRGB, 45000, ()), (None, None, ()), (P3, 45455, [(b"sRGB", b"\0")]),
        (P3, 45455, [(b"cICP", bytes([1, 13, 0, 1]))]),
    ],
)  # fmt: skip
def test_what_is_srgb_or_said_otherwise_gets_none(tmp_path, points, gamma, more):
    photo = read(tmp_path, numbers(5, 6, 3), points, gamma, more)
    assert (photo.metadata.icc, photo.notes) == (None, ())


def test_a_damaged_profile_does_not_hide_the_chunks(tmp_path):
    photo = read(tmp_path, numbers(5, 6, 3), P3, None, [(b"iCCP", b"x\0\0damaged")])
    assert photo.notes[:2] == ("its ICC profile is damaged: it is left out", KEPT)


NONSENSE = [
    ((0,) * 8, None), ((31270, 0, *P3[2:]), None), ((*P3[:2], 68000, 0, *P3[4:]), None),
    ((*P3[:2], *(30000, 30000), *(40000, 40000), *(20000, 20000)), None),  # on a line
    ((70000, 20000, *P3[2:]), None),  # white is no mixture
    ((1, 1, *P3[2:]), None), ((2**32 - 1,) * 8, None), (SRGB, 0), (P3, 0), (P3, 1), (P3, 2**32 - 1),
]  # fmt: skip


@pytest.mark.parametrize(("points", "gamma"), NONSENSE)
def test_nonsense_is_said(tmp_path, points, gamma):
    photo = read(tmp_path, numbers(5, 6, 3), points, gamma)
    assert photo.metadata.icc is None
    assert photo.notes
    assert all("left out" in note for note in photo.notes)


def test_grey_keeps_its_note(tmp_path):
    photo = read(tmp_path, numbers(5, 6, 1), None, 100_000)
    assert photo.metadata.icc is None
    assert photo.notes == ("it asks for a gamma of 1 (gAMA), which is left out",)


NUMBER = st.one_of(st.integers(0, 2**32 - 1), st.integers(0, 100_000), st.sampled_from(P3))


@given(st.tuples(*[NUMBER] * 8), st.none() | NUMBER, st.sampled_from([0, 31, 32]))
@example(P3, 45455, 32)
def test_any_numbers_give_a_profile_or_a_note(points, gamma, size):
    photo = Photo(numbers(4, 5, 3), 8, "PNG")
    chrm, gama = struct.pack(">8I", *points)[:size], b"" if gamma is None else struct.pack(">I", gamma)
    found = with_png_colors(photo, chrm, gama)
    assert (found.metadata.icc is not None) == (found.notes == (KEPT,))
    if found.metadata.icc:
        coded(found, "PNG", color="srgb")
