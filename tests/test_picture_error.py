"""Maps of the picture's error: each shows the damage that it is there for, and only that."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from swinir_networks import random_swinir

from karat.app.verify import _lines
from karat.convert.export.coreml import export
from karat.convert.fidelity import verify
from karat.convert.fidelity.picture_error import picture_error
from karat.convert.mil import open_package
from karat.refimpl.load import load

SIDES = st.integers(1, 40)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 3, 4]), st.sampled_from([2, 7, 8]), SIDES, SIDES)
def test_every_map_averages_to_the_whole_error(seed, scale, window, height, width):
    """Weighted by how many pixels a place has, the squares of a map sum up to those of the picture."""
    rng = np.random.default_rng(seed)
    golden, output = rng.random((2, 1, 3, scale * height, scale * width))
    error = picture_error(golden, output, scale, window)
    rows, columns = (np.arange(n) // scale % window for n in golden.shape[2:])
    counts = np.bincount(rows, minlength=window)[:, None] * np.bincount(columns, minlength=window)
    assert np.isclose(np.nansum(error.window**2 * counts) / counts.sum(), error.rms**2)
    assert np.isclose(np.mean(error.phases**2), error.rms**2)
    assert np.allclose(error.channel_bias, (output - golden).mean(axis=(0, 2, 3)))


def test_a_colour_shift_shows_in_its_channel():
    golden = np.random.default_rng(0).random((1, 3, 8, 8))
    output = golden + np.array([0, 0.01, 0])[:, None, None]
    assert np.allclose(picture_error(golden, output, 2).channel_bias, [0, 0.01, 0])


@given(st.integers(0, 3), st.integers(0, 3))
def test_one_wrong_phase_is_the_only_one(row, column):
    golden, output = np.zeros((2, 1, 3, 16, 24))
    output[:, :, row::4, column::4] = 1
    phases = picture_error(golden, output, 4).phases
    assert phases[row, column] == 1
    assert phases.sum() == 1


def test_seams_at_window_borders_show():
    golden, output = np.zeros((2, 1, 3, 32, 48))
    output += 1e-4
    output[..., ::16, :] += 1e-2  # the first row of every window of 8 pixels at twofold size
    error = picture_error(golden, output, 2, 8)
    assert error.border_ratio > 10
    assert np.argmax(error.window.sum(axis=1)) == 0
    shown = error.lines()
    assert "█" * 16 in shown[2]
    assert "█" not in "".join(shown[3:])


def test_places_that_a_small_picture_does_not_have_are_none():
    golden, output = np.zeros((2, 1, 4, 5, 20))
    error = picture_error(golden, output + 1e-3, 1, 8)
    assert np.isnan(error.window[5:]).all()
    assert error.border_ratio == pytest.approx(1)
    assert picture_error(golden[..., :1, :1], output[..., :1, :1] + 1e-3, 1, 8).border_ratio is None
    assert json.loads(json.dumps(error.to_dict(), allow_nan=False))["window"][7][0] is None
    assert "0.0e+00" not in "".join(error.lines())


def test_nothing_wrong_draws_nothing():
    golden = np.zeros((1, 1, 8, 8))
    assert not set("".join(picture_error(golden, golden, 2, 4).lines())) & set("░▒▓█")


@pytest.fixture(scope="module")
def swinir():
    arguments = {"img_size": 8, "embed_dim": 12, "depths": [2], "num_heads": [2], "window_size": 4, "mlp_ratio": 2.0}
    net = random_swinir(arguments | {"upsampler": "pixelshuffledirect", "upscale": 2}, seed=1).float()
    return {name: value.numpy() for name, value in net.state_dict().items()}


def verdict_of(tmp_path, weights):
    model, x = load(weights), np.random.default_rng(0).random((1, 3, 8, 12))
    return verify(model, open_package(export(model, tmp_path / "m.mlpackage", x.shape)), x)


def test_a_verdict_has_the_maps_and_the_range(tmp_path, swinir):
    verdict = verdict_of(tmp_path, swinir)
    document = json.loads(verdict.to_json())
    assert np.shape(document["error"]["window"]) == (4, 4)
    assert np.shape(document["error"]["phases"]) == (2, 2)
    assert np.allclose(document["error"]["channel_bias"], (verdict.output - verdict.golden).mean(axis=(0, 2, 3)))
    sizes = {row.layer: row.measured.largest for row in verdict.rows if row.measured and ":mask" not in row.layer}
    assert document["range"]["largest"] == max(sizes.values()) == sizes[document["range"]["layer"]]
    assert document["range"]["beyond"] == {name: [] for name in document["range"]["limits"]}
    assert any(line.startswith("range: ") for line in verdict.summary())


def test_the_table_fits_a_narrow_terminal_without_broken_names(tmp_path, swinir):
    verdict = verdict_of(tmp_path, swinir)
    console = Console(width=80, file=io.StringIO())
    for line in _lines("title", verdict, 2, Path("photo.png"), console):
        console.print(line, markup=not isinstance(line, str), highlight=False, emoji=False)
    shown = console.file.getvalue().splitlines()
    lines = shown[shown.index("") + 1 :]
    lines = lines[: lines.index("")]
    blocks = ["layers.0…blocks.0", "layers.0…blocks.1", "layers.0"]
    assert [line.strip() for line in lines if line.strip() in blocks] == blocks
    assert len(lines) == 1 + len(verdict.rows) + len(blocks)


def test_values_beyond_32768_are_reported_though_fp16_holds_them(tmp_path, swinir):
    weights = dict(swinir)
    weights["layers.0.residual_group.blocks.0.mlp.fc1.bias"] = np.full(24, 40000.0, np.float32)
    weights["layers.0.residual_group.blocks.0.mlp.fc2.weight"] = np.zeros((12, 24), np.float32)
    beyond = verdict_of(tmp_path, weights).range_report()["beyond"]
    reported = [layers for name, layers in beyond.items() if name.startswith("32768")]
    assert reported == [[f"layers.0.residual_group.blocks.0.mlp.{name}" for name in ("fc1", "act")]]
