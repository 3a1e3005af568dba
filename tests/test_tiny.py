"""The whole chain on a toy network, in under five seconds."""

import numpy as np
from networks import random_model

import karat
from karat.convert.export.coreml import export
from karat.refimpl.checkpoint import write_safetensors
from karat.refimpl.models import quicksrnet


def test_tiny(tmp_path):
    network = random_model(quicksrnet.Config(features=4, layers=1, subpixel=2), seed=0)
    write_safetensors(tmp_path / "tiny.safetensors", network.parameters)

    model = karat.load(tmp_path / "tiny.safetensors")
    assert model.config == network.config

    x = np.random.default_rng(0).random((1, 3, 6, 8))
    layers = dict(model.trace(x))
    assert list(layers) == ["cnn.0", "cnn.1", "cnn.2", "cnn.3", "conv_last", "clip_output", "depth_to_space"]
    assert layers["depth_to_space"].shape == (1, 3, 12, 16)

    program = karat.open_package(export(model, tmp_path / "tiny.mlpackage", input_shape=x.shape))
    assert [(f.name, f.shape, f.dtype) for f in program.inputs] == [("x", (1, 3, 6, 8), "float32")]
    y = program.predict({"x": x.astype(np.float32)})["y"]
    assert np.max(np.abs(y - layers["depth_to_space"])) < 0.01

    verdict = karat.verify(model, program, x)
    assert verdict.faithful is True
    assert [row.layer for row in verdict.rows] == [*layers, ":output"]

    model = karat.load({name: np.roll(value, 1, axis=0) for name, value in network.parameters.items()})
    assert karat.verify(model, program, x).faithful is False
