"""Fifty honest packages: configurations, precisions, targets and five kinds of pictures. None may be blamed."""

import json

import numpy as np
import pytest
import torch
from networks import FORMS, random_model
from skimage.data import astronaut

from karat.convert.export.coreml import export
from karat.convert.fidelity import verify
from karat.convert.mil import open_package
from karat.convert.torch_models import twin
from karat.refimpl.load import load
from karat.refimpl.models import quicksrnet

OPTIONS = [
    {},
    {"precision": "float32"},
    {"storage": "float32"},
    {"keep_float32": ["conv_last"]},
    {"keep_float32": ["clip", "cnn.0"], "io": "float16"},
    {"io": "float16"},
    {"precision": "float32", "io": "float16"},
]
TARGETS = ["iOS16", "iOS17", "iOS18"]


def picture(kind, height, width):
    rows, columns = np.indices((height, width))
    if kind == "photograph":
        return astronaut()[100 : 100 + height, 200 : 200 + width].transpose(2, 0, 1)[None] / 255
    if kind == "flat":
        return np.full((1, 3, height, width), 0.37)
    if kind == "checkerboard":
        return np.broadcast_to((rows + columns) % 2, (1, 3, height, width)).astype(np.float64)
    if kind == "ramp":
        return np.stack([rows / height, columns / width, (rows + columns) / (height + width)])[None]
    return np.random.default_rng(height).choice([0.0, 1.0, 1 / 255, 254 / 255], (1, 3, height, width))  # extremes


KINDS = ["photograph", "flat", "checkerboard", "ramp", "extremes"]


# the divisors differ, so that every form meets every kind of picture and every option every target
FIFTY = [(n, sorted(FORMS)[n % 5], OPTIONS[n % 7], TARGETS[n % 3], KINDS[(n + n // 5) % 5]) for n in range(50)]


@pytest.mark.parametrize(("number", "form", "options", "target", "kind"), FIFTY)
def test_an_honest_package_is_not_blamed(tmp_path, number, form, options, target, kind):
    subpixel, unshuffle, average = FORMS[form]
    config = quicksrnet.Config(4 + number % 5, number % 4, subpixel, unshuffle, number % 2 == 1, average)
    model = random_model(config, number)
    height, width = 6 * config.multiple_of, (8 + number % 3) * config.multiple_of
    package = export(model, tmp_path / "m.mlpackage", (1, 3, height, width), target=target, **options)
    if number % 2 == 0:
        package.with_suffix(".pairing.json").unlink()
    verdict = verify(model, open_package(package), picture(kind, height, width))
    assert verdict.faithful is True, "\n".join(verdict.summary())
    layers = [row.layer for row in verdict.rows if row.layer != ":output"]
    assert layers == list(model.layers)
    document = json.loads(verdict.to_json())
    assert document["faithful"] is True
    assert len(document["rows"]) == len(verdict.rows)
    assert not document["untraced"]


@pytest.mark.parametrize("side", [1, 2, 5])
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_handful_of_pixels_is_not_blamed(tmp_path, side, precision):
    """Few numbers are poor statistics: two honest summation orders in float32 may differ by more than twice."""
    model = load("zoo:quicksrnet-small-x2")
    program = open_package(export(model, tmp_path / "m.mlpackage", (1, 3, side, side), precision=precision))
    for seed in range(20):
        x = np.round(np.random.default_rng(seed).random((1, 3, side, side)) * 255) / 255
        verdict = verify(model, program, x)
        assert verdict.faithful is True, (seed, verdict.summary())
    for flat in (np.random.default_rng(29).random((1, 3, 1, 1)), 0.0, 1e-6, 1.0):
        assert verify(model, program, np.broadcast_to(flat, x.shape)).faithful is True, flat


@pytest.mark.parametrize("lowered", ["relu, then clamp", "two clamps", "minimum of relu"])
def test_another_way_to_clip_is_not_blamed(tmp_path, lowered):
    """A foreign converter's operators for ReLU1."""

    class Clip(torch.nn.Module):
        def forward(self, x):
            if lowered == "two clamps":
                return x.clamp(min=0.0).clamp(max=1.0)
            x = torch.relu(x)
            return x.clamp(max=1.0) if lowered == "relu, then clamp" else torch.minimum(x, torch.ones(1))

    model = random_model(quicksrnet.Config(5, 1, 2), 3)
    net = twin(model)
    net.cnn[1], net.cnn[3], net.clip_output = Clip(), Clip(), Clip()
    package = export(net, tmp_path / "m.mlpackage", (1, 3, 6, 8))
    x = picture("photograph", 6, 8)
    assert verify(model, open_package(package), x).faithful is True
    package.with_suffix(".pairing.json").unlink()
    assert verify(model, open_package(package), x).faithful is True


def test_a_module_that_is_used_twice_is_not_blamed(tmp_path):
    model = random_model(quicksrnet.Config(5, 1, 2), 3)
    net = twin(model)
    net.cnn[3] = net.cnn[1]
    package = export(net, tmp_path / "m.mlpackage", (1, 3, 6, 8))
    assert verify(model, open_package(package), picture("photograph", 6, 8)).faithful is True


def test_a_tiny_weight_that_the_converter_keeps_from_zero_is_not_blamed(tmp_path):
    model = random_model(quicksrnet.Config(4, 1, 2), 3)
    model.parameters["cnn.2.bias"][:2] = 1e-9, -1e-9
    package = export(model, tmp_path / "m.mlpackage", (1, 3, 6, 8))
    assert verify(model, open_package(package), picture("photograph", 6, 8)).faithful is True


def test_the_sidecar_of_another_program_is_not_used(tmp_path):
    one, other = random_model(quicksrnet.Config(4, 1, 2), 3), random_model(quicksrnet.Config(5, 2, 2), 4)
    package = export(one, tmp_path / "m.mlpackage", (1, 3, 6, 8))
    stale = package.with_suffix(".pairing.json").read_text()
    export(other, package, (1, 3, 6, 8))
    package.with_suffix(".pairing.json").write_text(stale)
    verdict = verify(other, open_package(package), picture("photograph", 6, 8))
    assert verdict.faithful is True
    assert "not used" in verdict.notes[0]
    assert "sidecar" not in {row.source for row in verdict.rows}
