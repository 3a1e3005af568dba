"""Opening packages: every constant as stored, and damaged or hostile packages are one sentence."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mil_programs import (
    DATA,
    at_worst_one_sentence,
    entry,
    field,
    model,
    named,
    operation,
    tensor_type,
    weight_file,
    write_package,
)

from karat.convert.mil import open_package
from karat.convert.mil.blob import BlobFile, decode
from karat.refimpl.errors import BadInput


def blob_const(name, array, offset, file="@model_path/weights/weight.bin"):
    """A const operation whose value lies in the weight file."""
    value = field(2, tensor_type(array.dtype.name, array.shape)) + field(5, field(1, file) + field(2, offset))
    return field(1, "const") + field(3, named(name, array.dtype.name, array.shape)) + field(5, entry("val", value))


def conv_message(weight, offset, file="@model_path/weights/weight.bin"):
    conv = operation("conv", {"x": "x", "weight": "w"}, [("y", "float32", (1, 2, 5, 5))])
    return model([("x", "float32", (1, 3, 7, 7))], [blob_const("w", weight, offset, file), conv], ["y"])


WEIGHT = np.arange(54, dtype=np.float32).reshape(2, 3, 3, 3)
WEIGHTS, (OFFSET,) = weight_file([WEIGHT])


@pytest.fixture
def package(tmp_path):
    return write_package(tmp_path / "m.mlpackage", conv_message(WEIGHT, OFFSET), WEIGHTS)


def refused(path, words):
    with pytest.raises(BadInput, match=words) as caught:
        open_package(path)
    assert "\n" not in str(caught.value)


def test_a_package_tells_what_it_is(package):
    program = open_package(package)
    assert [(f.name, f.shape, f.dtype, f.image) for f in program.inputs] == [("x", (1, 3, 7, 7), "float32", None)]
    assert [(f.name, f.shape, f.dtype) for f in program.outputs] == [("y", (1, 2, 5, 5), "float32")]
    assert (program.opset, program.specification_version, program.function) == ("CoreML7", 8, "main")
    assert [(o.type, o.name, o.inputs) for o in program.operations] == [("conv", "y", {"x": "x", "weight": "w"})]
    np.testing.assert_array_equal(program.constants["w"], WEIGHT)


def test_constants_cannot_be_written_to(package):
    with pytest.raises(ValueError, match="read-only"):
        open_package(package).constants["w"][:] = 0


def test_inline_values_are_constants_with_a_name(tmp_path):
    clip = operation("clip", {"x": "x", "alpha": np.float32(0), "beta": np.float32(1)}, [("y", "float32", (2,))])
    program = open_package(write_package(tmp_path / "m.mlpackage", model([("x", "float32", (2,))], [clip], ["y"])))
    assert program.operations[0].inputs == {"x": "x", "alpha": "y.alpha", "beta": "y.beta"}
    assert program.constants["y.beta"] == 1
    assert program.constant_of(program.operations[0], "beta").name == "y.beta"


def test_a_constant_is_found_through_casts(tmp_path):
    half = np.array([1.5, 2.5], np.float16)
    weights, (offset,) = weight_file([half])
    cast = operation("cast", {"x": "w", "dtype": np.array("fp32")}, [("w32", "float32", (2,))])
    add = operation("add", {"x": "x", "y": "w32"}, [("y", "float32", (2,))])
    message = model([("x", "float32", (2,))], [blob_const("w", half, offset), cast, add], ["y"])
    program = open_package(write_package(tmp_path / "m.mlpackage", message, weights))
    found = program.constant_of(program.operations[1], "y")
    assert (found.name, found.dtype, found.value.tolist()) == ("w", "float16", [1.5, 2.5])
    assert program.constant_of(program.operations[1], "x") is None
    assert program.constant_of(program.operations[1], "absent") is None


@pytest.mark.parametrize(("bits", "dtype"), [(1, "uint1"), (2, "uint2"), (3, "uint3"), (4, "uint4"), (6, "uint6")])
@given(st.data())
def test_sub_byte_numbers_lie_back_to_back_from_the_lowest_bit(bits, dtype, data):
    numbers = data.draw(st.lists(st.integers(0, 2**bits - 1), min_size=1), label="numbers")
    packed = sum(number << bits * i for i, number in enumerate(numbers)).to_bytes(
        len(numbers) * bits // 8 + 1, "little"
    )
    assert decode(packed, dtype, len(numbers)).tolist() == numbers


@given(st.lists(st.integers(-8, 7), min_size=1))
def test_int4_has_a_sign(numbers):
    packed = sum((number & 15) << 4 * i for i, number in enumerate(numbers)).to_bytes(len(numbers), "little")
    assert decode(packed, "int4", len(numbers)).tolist() == numbers


def test_bfloat16_is_the_upper_half_of_a_float32():
    values = np.array([1.0, -2.5, 3e38, np.inf], np.float32)
    stored = (values.view(np.uint32) >> 16).astype(np.uint16)
    np.testing.assert_array_equal(decode(stored.tobytes(), "bfloat16", 4), (stored.astype(np.uint32) << 16).view("f4"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["RCAN_4x.mlpackage", "RealESRGAN_x4v3_tensor.mlpackage"])
def test_every_constant_is_bit_identical_to_coremltools(name, tmp_path):
    if not (DATA / "coreml" / name).exists():
        pytest.skip(f"{name} is not in the data folder; set KARAT_DATA")
    path = shutil.copytree(DATA / "coreml" / name, tmp_path / name)  # coremltools rewrites a manifest that it reads
    import coremltools
    from coremltools.converters.mil.frontend.milproto.load import load

    model_path = path / "Data/com.apple.CoreML/model.mlmodel"
    spec = coremltools.utils.load_spec(str(path))
    theirs = load(spec, spec.specificationVersion, str(model_path.parent / "weights"))
    stored = {
        op.outputs[0].name: op.outputs[0].val for op in theirs.functions["main"].operations if op.op_type == "const"
    }
    ours = open_package(path).constants
    assert stored.keys() <= ours.keys()
    for key, value in stored.items():
        value = np.asarray(value)
        assert ours[key].dtype == value.dtype, key
        assert ours[key].shape == value.shape, key
        assert ours[key].tobytes() == value.tobytes(), key


def test_missing_weights_are_named():
    path = DATA / "coreml/SwinIR_4x_missing_weights.mlpackage"
    if not path.exists():
        pytest.skip("SwinIR_4x_missing_weights.mlpackage is not in the data folder; set KARAT_DATA")
    refused(path, "no file 'Data/com.apple.CoreML/weights/weight.bin'")


def test_an_old_network_is_called_by_its_name():
    path = DATA / "coreml/waifu2x_photo_noise1_neuralnetwork.mlmodel"
    if not path.exists():
        pytest.skip(f"{path.name} is not in the data folder; set KARAT_DATA")
    refused(path, "neuralnetwork, karat reads mlprograms")


def test_a_bare_program_and_a_missing_path_are_refused(package, tmp_path):
    refused(package / "Data/com.apple.CoreML/model.mlmodel", "bare model file")
    refused(tmp_path / "nothing.mlpackage", "does not exist")


def test_what_is_taken_for_a_package_is_called_by_its_kind(package, tmp_path, monkeypatch):
    refused(shutil.make_archive(tmp_path / "m", "zip", package), "m.zip: this is a zip archive; unpack it")
    compiled = tmp_path / "m.mlmodelc"
    compiled.mkdir()
    refused(compiled, "compiled model; give the .mlpackage")
    monkeypatch.chdir(tmp_path)
    refused(".", f"{tmp_path.name}: this folder has no file 'Manifest.json'")


@pytest.mark.parametrize("where", ["Manifest.json", "Data/com.apple.CoreML/model.mlmodel"])
def test_a_missing_file_is_named(package, where):
    (package / where).unlink()
    refused(package, where)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "\xff", '{"rootModelIdentifier": "1", "itemInfoEntries": {"1": {"path": 3}}}', "[" * 100000],
)
def test_a_damaged_manifest_is_refused(package, text):
    (package / "Manifest.json").write_text(text, "latin-1")
    refused(package, "Manifest.json")


@pytest.mark.parametrize(
    "target", ["../../secret", "/etc/hostname", "..\\secret", "", ".", "a\0b", "x" * 5000, "\ud800"]
)
def test_a_manifest_leads_nowhere_else(package, target):
    (package.parent / "secret").write_bytes(b"secret")
    manifest = {"itemInfoEntries": {"1": {"path": target}}, "rootModelIdentifier": "1"}
    (package / "Manifest.json").write_text(json.dumps(manifest))
    refused(package, "m.mlpackage: ")


@pytest.mark.parametrize(
    "file", ["@model_path/../../../w.bin", "/w.bin", "@model_path//etc/hostname", "weights/weight.bin"]
)
def test_a_constant_leads_nowhere_else(tmp_path, file):
    (tmp_path / "w.bin").write_bytes(WEIGHTS)
    refused(write_package(tmp_path / "m.mlpackage", conv_message(WEIGHT, OFFSET, file), WEIGHTS), "do not trust")


def test_a_link_leads_nowhere_else(package, tmp_path):
    weights = package / "Data/com.apple.CoreML/weights/weight.bin"
    shutil.move(weights, tmp_path / "w.bin")
    weights.symlink_to(tmp_path / "w.bin")
    refused(package, "link to outside")


@pytest.mark.parametrize(
    ("at", "value", "words"),
    [
        (0, b"", "version 2 header"),
        (4, b"\x01", "version 2 header"),
        (64, b"\x00", "damaged"),
        (68, b"\x01", "not float32"),
        (68, b"\x63", "type 99"),
        (72, b"\xff", "holds 255 bytes|needs"),
        (79, b"\xff", "needs"),
        (80, b"\xff\xff", "needs"),
        (88, b"\x04", "elements of float32"),
    ],
)
def test_a_damaged_weight_file_is_refused(tmp_path, at, value, words):
    weights = WEIGHTS[:at] + value + WEIGHTS[at + len(value) :] if value else b""
    refused(write_package(tmp_path / "m.mlpackage", conv_message(WEIGHT, OFFSET), weights), words)


@pytest.mark.parametrize("offset", [0, 1, 128, 2**40, 2**64 - 64])
def test_an_offset_without_a_record_is_refused(tmp_path, offset):
    refused(write_package(tmp_path / "m.mlpackage", conv_message(WEIGHT, offset), WEIGHTS), "weight.bin at offset")


@given(st.integers(0, len(WEIGHTS)), st.binary(max_size=8), st.integers(0, len(WEIGHTS) + 64), st.integers(0, 1000))
def test_blobs_are_read_or_refused_whatever_the_bytes(at, noise, offset, count):
    blob = BlobFile(DATA / "weight.bin", WEIGHTS[:at] + noise + WEIGHTS[at + len(noise) :])
    with at_worst_one_sentence():
        assert blob.read(offset, "float32", count).shape == (count,)


MESSAGE = conv_message(WEIGHT, OFFSET)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(MESSAGE) - 1), st.integers(0, 255)), min_size=1, max_size=4), st.data())
def test_a_mutated_program_runs_or_is_one_sentence(tmp_path_factory, changes, data):
    mutated = bytearray(MESSAGE)
    for at, byte in changes:
        mutated[at] = byte
    length = data.draw(st.one_of(st.just(len(mutated)), st.integers(0, len(mutated))), label="length")
    path = write_package(tmp_path_factory.mktemp("mutant") / "m.mlpackage", bytes(mutated[:length]), WEIGHTS)
    with at_worst_one_sentence():
        program = open_package(path)
        out = program.predict({feature.name: np.ones((1, 3, 7, 7)) for feature in program.inputs})
        assert [out[feature.name].ndim for feature in program.outputs] == [4]


def test_a_program_of_the_wrong_form_is_named(tmp_path):
    relu = operation("relu", {"x": "x"}, [("y", "float32", (2,))])
    x = ("x", "float32", (2,))
    for number, (message, words) in enumerate(
        [
            (model([x], [relu], ["z"]), "output 'z' is computed nowhere"),
            (model([x], [field(1, "relu")], ["x"]), "no type or output"),
            (model([x], [operation("bad\nname", {"x": "x"}, [("y", "float32", (2,))])], ["y"]), "no type or output"),
            (model([x], [blob_const("w", WEIGHT, OFFSET)] * 2, ["x"]), "two constants 'w'"),
            (model([x], [field(1, "const") + field(3, named("w", "float32", (2,)))], ["x"]), "no single value"),
            (model([("x", "float32", (2,))], [relu], ["y"]).replace(b"main", b"mayn"), "no function 'main'"),
            (field(1, 8), "no mlprogram"),
            (b"", "is empty"),
        ]
    ):
        refused(write_package(tmp_path / f"{number}.mlpackage", message, WEIGHTS), words)


def test_a_pipe_is_no_package(tmp_path):
    """Nobody writes into it: reading would wait for ever."""
    os.mkfifo(tmp_path / "m.mlpackage")
    refused(tmp_path / "m.mlpackage", "neither a folder nor a file")


def test_reading_and_running_needs_neither_torch_nor_coremltools(package):
    code = (
        "import sys\n"
        "for name in ('torch', 'coremltools', 'numba'): sys.modules[name] = None\n"
        "import numpy as np, karat.convert.mil as mil\n"
        f"out = mil.predict({str(package)!r}, {{'x': np.ones((1, 3, 7, 7))}})\n"
        "assert out['y'][0, 0, 0, 0] == sum(range(27)), out\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
