"""What Python code gives for an option is of its kind, or is refused in one sentence."""

import inspect
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from batch_cases import picture, tiny_network
from hypothesis import given
from hypothesis import strategies as st

import karat
from karat.app.batch.options import Options, Ways
from karat.app.kinds import KINDS, of_kind
from karat.refimpl.errors import BadInput

WRONG = {
    "src": [None, [], [3], 7],
    "dst": [None, 3],
    "scale": ["2", True],
    "size": [100],
    "precision": [3],
    "threads": [1.5, "2", True],
    "max_memory": [2.5, 0, -3],
    "halo": ["x"],
    "tile": ["x", (1, 2, 3), (1.0, 2), 0, True],
    "overlap": ["q", 3],
    "format": [3],
    "quality": ["90", 0, True],
    "bits": [True, "x", 9, 8.0],
    "metadata": [3, "x"],
    "color": [3, "x"],
    "recursive": ["yes"],
    "overwrite": [1],
    "resume": [0],
    "dry_run": [""],
    "shard": [(1, 2), "", "3/2"],
    "jobs": [0, "2", 1.0],
    "json": [3],
    "compare": [3],
    "truth": [3],
    "nonsense": [1],
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_ones_are_refused_and_nothing_is_written(name, tmp_path):
    source = picture(tmp_path / "a.png")
    for value in WRONG[name]:
        given_ = {"src": source, "dst": tmp_path / "b.png", "model": tiny_network(tmp_path)} | {name: value}
        with pytest.raises(BadInput) as error:
            karat.upscale(**given_)
        assert "expected" in str(error.value)
        assert not (tmp_path / "b.png").exists()


def test_every_option_has_a_kind():
    """A new one without a kind would be refused by its own name."""
    names = {field.name for field in (*fields(Options), *fields(Ways))}
    assert names <= set(KINDS)
    assert set(KINDS) - names == {"linear"}  # of `karat.upscale_array`


@given(st.sampled_from(sorted(KINDS)))
def test_none_leaves_an_option_out(name):
    assert of_kind({name: None}) == {name: None}


def test_numpy_numbers_and_paths_are_right():
    plain = of_kind({"threads": np.int64(2), "scale": np.float32(2), "json": Path("a"), "tile": (np.int32(8), 8)})
    assert [type(plain[name]) for name in ("threads", "scale")] == [int, float]
    pixels = np.zeros((4, 4), np.uint8)
    assert karat.upscale_array(pixels, scale=np.float32(2), threads=np.int64(1)).shape == (8, 8)


@pytest.mark.parametrize("name", sorted({"scale", "size", "threads", "max_memory", "halo", "precision"}))
def test_arrays_too(name):
    assert name in inspect.signature(karat.upscale_array).parameters
    for value in WRONG[name]:
        with pytest.raises(BadInput):
            karat.upscale_array(np.zeros((4, 4), np.uint8), **{name: value})
