"""Whole pictures and tiles within a given memory."""

from types import SimpleNamespace

import numpy as np
import pytest
from dyadic import dyadic_model, dyadic_picture
from hypothesis import given
from hypothesis import strategies as st
from networks import FORMS, random_model

import karat
from karat.kernels.pictures.tile_plan import ALIGNMENT, SMALLEST, Plan, plan_tiles, run_plan
from karat.kernels.pictures.tiling import halo_plan, run_tiles
from karat.refimpl.errors import BadInput
from karat.refimpl.models import quicksrnet

SWINIR = SimpleNamespace(radius=None, multiple_of=1, multiple_of_window=8, channels=3)
CONVOLUTIONS = SimpleNamespace(radius=7, multiple_of=1, channels=3)


def network(config, scale=2, bytes_a_pixel=500):
    """What a plan is made for: its memory is so many bytes a pixel."""
    return SimpleNamespace(
        model=SimpleNamespace(config=config), scale=scale, memory=lambda h, w: bytes_a_pixel * h * w + 1000
    )


@given(st.sampled_from([SWINIR, CONVOLUTIONS]), st.integers(1, 300), st.integers(1, 300), st.integers(0, 60_000_000))
def test_a_plan_keeps_to_the_memory(config, height, width, limit):
    fast = network(config)
    result = 4 * 3 * 4 * height * width
    try:
        plan = plan_tiles(fast, height, width, limit)
    except BadInput as error:
        assert "raise it" in str(error)
        halo = 16 if config is CONVOLUTIONS else 32
        assert limit < fast.memory(height, width)
        assert limit < result + fast.memory(*(min(n, SMALLEST + 2 * halo) for n in (height, width)))
        return
    assert plan.memory <= limit
    assert plan.exact == (len(plan.tiles) == 1 or config is CONVOLUTIONS)
    assert (len(plan.tiles) == 1) == (fast.memory(height, width) <= limit)
    if len(plan.tiles) > 1:
        reads = max((t.rows.last - t.rows.first) * (t.columns.last - t.columns.first) for t in plan.tiles)
        assert plan.memory == result + 500 * reads + 1000
        assert (
            sum((t.rows.stop - t.rows.start) * (t.columns.stop - t.columns.start) for t in plan.tiles) == height * width
        )
        unit = 8 if config is SWINIR else 16
        assert all(part.first % unit == part.start % unit == 0 for tile in plan.tiles for part in tile)


@given(st.integers(100, 300), st.integers(100, 300))
def test_more_memory_is_never_more_work(height, width):
    fast, work = network(SWINIR), []
    for limit in np.linspace(fast.memory(height, width), 10**6, 20):
        try:
            tiles = plan_tiles(fast, height, width, int(limit)).tiles
        except BadInput:
            break
        work.append(sum((t.rows.last - t.rows.first) * (t.columns.last - t.columns.first) for t in tiles))
    assert work == sorted(work)
    assert len(work) > 1


def test_the_whole_picture_by_default():
    plan = plan_tiles(network(SWINIR), 300, 200)
    assert len(plan.tiles) == 1
    assert plan.exact
    assert plan.line == "whole picture, about 30 MB"
    assert "seams are possible" in plan_tiles(network(SWINIR), 300, 200, 20 * 10**6).line
    assert "seams" not in plan_tiles(network(CONVOLUTIONS), 300, 200, 20 * 10**6).line


def test_a_halo_is_whole_windows():
    assert plan_tiles(network(SWINIR), 300, 200, 20 * 10**6, halo=9).halo == 16
    assert plan_tiles(network(CONVOLUTIONS), 300, 200, 20 * 10**6, halo=0).halo == 16  # never less than the reach


def test_too_little_memory_is_refused():
    with pytest.raises(BadInput, match="max_memory is 1000000 bytes and the smallest tiles"):
        plan_tiles(network(SWINIR), 300, 200, 10**6)


@given(st.sampled_from(sorted(FORMS)), st.integers(1, 150), st.integers(1, 130), st.integers(0, 99))
def test_planned_tiles_are_the_whole_picture(form, height, width, seed):
    """In exact sums, any side: the golden reference stands in for the kernels."""
    model, x = dyadic_model(form, True, seed), dyadic_picture(height, width, seed)
    seen = []

    def fast(part, progress):
        progress(1, 2)
        progress(2, 2)
        return model(part)

    fast.scale, fast.model, fast.memory = model.scale, model, network(CONVOLUTIONS).memory
    whole = run_plan(fast, x, plan_tiles(fast, height, width))
    limit = fast.memory(96, 96) + 8 * 12 * height * width
    plan = plan_tiles(fast, height, width, limit)
    tiled = run_plan(fast, x, plan, lambda *step: seen.append(step))
    assert whole.shape == tiled.shape == (1, 3, int(model.scale * height), int(model.scale * width))
    assert np.array_equal(tiled, whole)
    assert seen == [((i + 1) / 2, len(plan.tiles)) for i in range(2 * len(plan.tiles))]


def test_a_compiled_network_in_tiles():
    """Memory is the network's own prediction; tiles whose halo covers the picture change nothing."""
    fast = karat.compile("zoo:swinir-small-x2", threads=1)
    x = np.random.default_rng(0).random((1, 3, 72, 40), np.float32)
    plan = plan_tiles(fast, 72, 40, fast.memory(72, 40) - 1, halo=8)
    assert len(plan.tiles) > 1
    assert plan.memory < fast.memory(72, 40)
    tiled, whole = run_plan(fast, x, plan), fast(x)
    assert tiled.shape == whole.shape
    assert 0 < np.abs(tiled - whole).max() < np.abs(whole).max()


@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize("threads", [1, 2])
def test_convolution_kernels_in_tiles_give_the_same_bits(form, threads):
    """Tiles begin where the kernels' own tiles of transforms do."""
    subpixel, unshuffle, average = FORMS[form]
    model = random_model(quicksrnet.Config(8, 2, subpixel, unshuffle, True, average), 1)
    fast, step = karat.compile(model, threads=threads), model.config.multiple_of
    x = np.random.default_rng(0).random((1, 3, 156, 118), np.float32)
    whole = fast(x).copy()
    unit = ALIGNMENT * step
    for tile in ((unit, unit), (2 * unit, unit), (unit, 3 * unit), (160, unit)):
        tiles = halo_plan(156, 118, tile, -(-model.config.radius // unit) * unit)
        assert np.array_equal(run_plan(fast, x, Plan(tiles, 0, unit, True)), whole)


def test_tiles_that_begin_elsewhere_give_other_bits():
    """The test above can fail: by the last bits only, since the halo is wide enough."""
    fast = karat.compile("zoo:quicksrnet-small-x2", threads=1)
    x = np.random.default_rng(0).random((1, 3, 96, 96), np.float32)
    whole = fast(x).copy()
    tiled = run_tiles(fast, x, halo_plan(96, 96, (34, 34), 7), 2)
    assert 0 < np.abs(tiled - whole).max() < 1e-4


def test_a_negative_halo_is_refused():
    with pytest.raises(BadInput, match="expected 0 or more"):
        plan_tiles(network(SWINIR), 64, 64, None, -1)
