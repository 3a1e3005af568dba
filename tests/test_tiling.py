"""Tiles: they cover a picture once, and give what the whole picture or a package of one size gives."""

from functools import cache

import numpy as np
import pytest
from dyadic import dyadic_model, dyadic_picture
from hypothesis import given
from hypothesis import strategies as st
from networks import FORMS
from swinir_networks import network

import karat
from karat.convert.export.coreml import export
from karat.kernels.pictures.seam import seam
from karat.kernels.pictures.tiling import cropped, fixed_plan, fixed_tiles, halo_plan, run_tiles
from karat.refimpl.errors import BadInput

FORM = "lightweight x3"
sides = st.integers(1, 40)


@cache
def compiled():
    return karat.compile(network(FORM)[1], threads=1)


def picture(height, width, seed=0, channels=3):
    return np.random.default_rng(seed).random((1, channels, height, width), np.float32)


def count(tiles, height, width):
    """How often every pixel is kept; no tile reads beyond the picture or keeps what it has not read."""
    kept = np.zeros((height, width), int)
    for tile in tiles:
        for part, size in zip(tile, (height, width), strict=True):
            assert 0 <= part.first <= part.start < part.stop <= part.last <= size
        kept[tile.rows.start : tile.rows.stop, tile.columns.start : tile.columns.stop] += 1
    return kept


@given(sides, sides, st.tuples(sides, sides), st.integers(0, 9))
def test_halo_tiles_keep_every_pixel_once(height, width, tile, halo):
    tiles = halo_plan(height, width, tile, halo)
    assert (count(tiles, height, width) == 1).all()
    for part, size in ((part, size) for t in tiles for part, size in zip(t, (height, width), strict=True)):
        assert part.first == max(0, part.start - halo)
        assert part.last == min(size, part.stop + halo)


@given(st.data(), st.sampled_from([1, 2]))
def test_fixed_tiles_keep_every_pixel_once(data, step):
    tile = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)), label="tile")
    overlap = step * data.draw(st.integers(0, min(tile) - 1), label="overlap")
    more = data.draw(st.tuples(st.integers(0, 20), st.integers(0, 20)), label="more")
    tile = tuple(step * side for side in tile)
    height, width = (side + step * n for side, n in zip(tile, more, strict=True))
    tiles = fixed_plan(height, width, tile, overlap, step)
    assert (count(tiles, height, width) == 1).all()
    assert all(part.last - part.first == side for t in tiles for part, side in zip(t, tile, strict=True))
    assert all(n % step == 0 for t in tiles for part in t for n in part)
    for rows in sorted({t.rows for t in tiles})[1:]:  # half of what is shared is nowhere less
        assert rows.start - rows.first >= overlap // 2 // step * step


def test_the_last_tile_is_moved_inwards():
    assert [t.rows for t in fixed_plan(100, 64, (64, 64), 16)] == [(0, 64, 0, 50), (36, 100, 50, 100)]


@given(st.sampled_from(sorted(FORMS)), st.booleans(), sides, sides, st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_a_halo_of_the_reach_is_exact(form, input_to_output, height, width, side, seed):
    """In exact sums: tiles of any side, of every network whose reach is known."""
    model = dyadic_model(form, input_to_output, seed)
    step = model.config.multiple_of
    height, width, side = height * step, width * step, side * step
    x = dyadic_picture(height, width, seed)
    halo = -(-model.config.radius // step) * step
    tiled = run_tiles(model, x, halo_plan(height, width, (side, side), halo), model.scale)
    assert np.array_equal(tiled, model(x))


@pytest.mark.parametrize("form", sorted(FORMS))
def test_a_halo_too_small_leaves_a_seam(form):
    """The check above can fail, and `seam` sees it near the lines only."""
    model = dyadic_model(form, True, 3)
    found = seam(model, dyadic_picture(64, 6, 3), tile=32, halo=0)
    assert found.largest > 0
    assert found.rms > 0
    assert found.elsewhere_largest == found.elsewhere_rms == 0
    halo = -(-model.config.radius // 2) * 2
    assert seam(model, dyadic_picture(64, 6, 3), 32, halo).largest == 0


def test_a_larger_halo_leaves_a_smaller_seam():
    fast = karat.compile("zoo:swinir-small-x2", threads=1)
    x = picture(64, 64)
    found = [seam(fast, x, 32, halo) for halo in (0, 8, 16)]
    assert found[0].largest > found[1].largest > found[2].largest > 0
    assert all(one.rms > one.elsewhere_rms for one in found)
    assert found[0].rms < found[0].largest


def test_one_fixed_tile_is_the_whole_picture():
    fast, x = compiled(), picture(13, 18)
    assert np.array_equal(fixed_tiles(fast, x, (13, 18), 0, fast.scale), fast(x))


@given(st.integers(1, 30), st.integers(1, 30), st.sampled_from([(8, 8), (7, 12)]), st.integers(0, 6))
def test_fixed_tiles_are_those_of_the_plan(height, width, tile, overlap):
    """Every kept pixel is one of its tile's run alone; a picture smaller than a tile repeats its edge."""
    fast, x = compiled(), picture(height, width)
    y = fixed_tiles(fast, x, tile, overlap, fast.scale)
    assert y.shape == (1, 3, 3 * height, 3 * width)
    missing = [max(0, side - n) for side, n in zip(tile, x.shape[2:], strict=True)]
    padded = np.pad(x, ((0, 0), (0, 0), (0, missing[0]), (0, missing[1])), mode="edge")
    last = fixed_plan(*padded.shape[2:], tile, overlap)[-1]
    alone = fast(padded[:, :, last.rows.first :, last.columns.first :])
    a, b = (3 * (part.start - part.first) for part in last)
    expected = alone[:, :, a:, b:]
    start = 3 * last.rows.start, 3 * last.columns.start
    assert np.array_equal(
        y[:, :, start[0] :, start[1] :], cropped(expected, x[:, :, last.rows.start :, last.columns.start :], 3)
    )


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    path = tmp_path_factory.mktemp("fixed") / "network.mlpackage"
    export(network(FORM)[1], path, (1, 3, 16, 16), precision="float32")
    return karat.open_package(path)


def test_a_package_the_reference_and_the_kernels_agree_tile_by_tile(package):
    """Each within twice the error of the reference in float32, the plain twin, or its rounding floor."""
    model, fast, x = network(FORM)[1], compiled(), picture(23, 40)
    runs = {
        "kernels": fast,
        "package": lambda part: next(iter(package.predict({"x": part}, profile="float32").values())),
        "twin": lambda part: model(part),
    }
    golden = fixed_tiles(model, x.astype(np.float64), 16, 4, 3)  # (1, 3, 69, 120)
    results = {name: fixed_tiles(run, x, 16, 4, 3) for name, run in runs.items()}
    for tile in fixed_plan(23, 40, (16, 16), 4):
        rows, columns = (slice(3 * part.start, 3 * part.stop) for part in tile)
        worst = {name: np.abs(y - golden)[:, :, rows, columns].max() for name, y in results.items()}
        floor = np.finfo(np.float32).eps / 2 * np.abs(golden[:, :, rows, columns]).max()
        assert worst["twin"] > 0
        assert max(worst["kernels"], worst["package"]) <= 2 * worst["twin"] + floor, tile


def test_another_overlap_is_another_picture(package):
    """The comparison above can fail: a device that follows another plan is seen."""
    fast, x = compiled(), picture(23, 40)
    a, b = (fixed_tiles(fast, x, 16, overlap, 3) for overlap in (4, 8))
    assert np.abs(a - b).max() > 1e-3


def test_progress_counts_tiles():
    seen = []
    fixed_tiles(compiled(), picture(8, 20), 8, 2, 3, lambda *step: seen.append(step))
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("tile", "overlap", "scale", "words"),
    [
        (8, 8, 2, "overlap by 8"),
        (8, -1, 2, "overlap by -1"),
        (0, 0, 2, "tiles of 0 x 0"),
        (7, 2, 1.5, "multiples of 2"),
        (8, 3, 1.5, "multiples of 2"),
    ],
)
def test_tiles_that_cannot_be_are_refused(tile, overlap, scale, words):
    with pytest.raises(BadInput, match=words):
        fixed_tiles(lambda x: x, picture(9, 9), tile, overlap, scale)


@given(st.sampled_from(sorted(FORMS)), st.integers(0, 20), st.integers(0, 20), st.integers(1, 4), st.integers(0, 9))
def test_an_overlap_of_twice_the_reach_is_exact(form, more, wide, own, seed):
    """In exact sums: fixed tiles give the whole picture, also where a scale of 1.5 allows even places only."""
    model = dyadic_model(form, False, seed)
    step = model.config.multiple_of
    overlap = 2 * -(-model.config.radius // step) * step
    tile = overlap + own * step
    x = dyadic_picture(tile + more * step, tile + wide * step, seed)
    assert np.array_equal(fixed_tiles(model, x, tile, overlap, model.scale), model(x))


@given(st.integers(1, 30), st.integers(1, 30))
def test_odd_sides_of_the_x15_network(height, width):
    model, x = dyadic_model("x1.5", False, 1), dyadic_picture(height, width, 1)
    assert fixed_tiles(model, x, 8, 4, 1.5).shape == (1, 3, int(1.5 * height), int(1.5 * width))
