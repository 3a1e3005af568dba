"""What was asked of the exporter is what lies in the package."""

import json

import numpy as np
import pytest
from networks import random_model

from karat.convert.export.coreml import export
from karat.convert.mil import open_package
from karat.convert.mil.pairing import read_pairing, sidecar_path
from karat.refimpl.errors import BadInput
from karat.refimpl.models import quicksrnet

MODEL = random_model(quicksrnet.Config(4, 1, 3, 2, input_to_output=True), 0)
SHAPE = (1, 3, 4, 6)


def made(tmp_path, **options):
    return open_package(export(MODEL, tmp_path / "m.mlpackage", SHAPE, **options))


def types(program):
    """Declared type of every operation by layer."""
    layers = program.layers()
    return {layers[op.name]: op.outputs[0].dtype for op in program.operations if op.name in layers}


def stored(program):
    """Stored type of every weight and bias."""
    return {
        program.constant_of(op, role).dtype
        for op in program.operations
        if op.type == "conv"
        for role in ("weight", "bias")
    }


@pytest.mark.parametrize(
    ("options", "compute", "storage"),
    [
        ({"precision": "float32"}, "float32", "float32"),
        ({}, "float16", "float16"),
        ({"storage": "float32"}, "float16", "float32"),
    ],
)
def test_precision_and_storage(tmp_path, options, compute, storage):
    program = made(tmp_path, **options)
    assert set(types(program).values()) == {compute}
    assert stored(program) == {storage}
    assert program.inputs[0].dtype == program.outputs[0].dtype == "float32"


def test_mixed_by_operator_list(tmp_path):
    found = types(made(tmp_path, keep_float32=["conv_last", "clip"]))
    wide = {layer for layer, dtype in found.items() if dtype == "float32"}
    assert wide == {"cnn.1", "cnn.3", "conv_last", "clip_output"}
    assert set(found) == set(MODEL.layers)


@pytest.mark.parametrize(("target", "opset"), [("iOS16", "CoreML6"), ("iOS17", "CoreML7"), ("iOS18", "CoreML8")])
@pytest.mark.parametrize("io", ["float32", "float16"])
def test_target_and_io(tmp_path, target, opset, io):
    program = made(tmp_path, target=target, io=io)
    assert program.opset == opset
    assert program.inputs[0].dtype == program.outputs[0].dtype == io


def test_the_sidecar_lists_every_layer_once_as_last(tmp_path):
    program = made(tmp_path)
    pairing = read_pairing(program.path)
    last = [entry["layer"] for entry in pairing.values() if entry["last"]]
    assert sorted(last) == sorted(MODEL.layers)
    assert all(set(entry) == {"layer", "torch", "last"} for entry in pairing.values())
    assert json.loads(sidecar_path(program.path).read_text())["format"] == 1


def test_the_sidecar_is_read_once(tmp_path):
    program, x = made(tmp_path), np.zeros(SHAPE, np.float32)
    layers = [record.layer for record in program.trace({"x": x})]
    sidecar_path(program.path).unlink()
    assert [record.layer for record in program.trace({"x": x})] == layers
    assert any(layers)


@pytest.mark.parametrize(
    "content", ["", "[]", '{"format": 2, "operators": {}}', '{"format": 1, "operators": {"a": 1}}']
)
def test_a_damaged_sidecar_is_refused(tmp_path, content):
    program = made(tmp_path)
    sidecar_path(program.path).write_text(content)
    with pytest.raises(BadInput, match="pairing of format 1"):
        read_pairing(program.path)


def test_an_older_package_is_replaced_as_a_whole(tmp_path):
    first = made(tmp_path, precision="float32")
    second = made(tmp_path)
    assert first.path == second.path
    assert stored(second) == {"float16"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.mlpackage", "m.pairing.json"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"precision": "float8"}, "precision is 'float8'"),
        ({"storage": "int8"}, "storage is 'int8'"),
        ({"target": "iOS15"}, "target is 'iOS15'"),
        ({"io": "uint8"}, "io is 'uint8'"),
        ({"precision": "float32", "storage": "float16"}, "no Core ML form"),
        ({"precision": "float32", "keep_float32": ["conv"]}, "nothing to keep"),
        ({"keep_float32": ["conv_lost"]}, "conv_lost, which matches no operator"),
    ],
)
def test_nonsense_is_refused_and_nothing_written(tmp_path, options, says):
    with pytest.raises(BadInput, match=says):
        made(tmp_path, **options)
    assert list(tmp_path.iterdir()) == []


def test_the_name_says_what_it_is(tmp_path):
    with pytest.raises(BadInput, match=r"ends in \.mlpackage"):
        export(MODEL, tmp_path / "m.mlmodel", SHAPE)


def test_a_module_of_one_s_own_is_exported(tmp_path):
    import torch

    module = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 1), torch.nn.PixelUnshuffle(2))
    program = open_package(export(module, tmp_path / "own.mlpackage", (1, 3, 4, 4), precision="float32"))
    x = np.random.default_rng(0).random((1, 3, 4, 4), np.float32)
    with torch.no_grad():
        expected = module(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(program.predict({"x": x})["y"], expected, rtol=1e-5, atol=1e-6)
