"""Writing packages: what is written opens as what it was, here and in coremltools; encoding is decoding's inverse."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mil_programs import DATA, model, one_operation, operation
from mil_programs import write_package as write_bytes
from networks import configs, random_model

from karat.convert.export.coreml import export
from karat.convert.mil import open_package
from karat.convert.mil.encode import encode_message
from karat.convert.mil.extract import extract
from karat.convert.mil.schema import TYPES
from karat.convert.mil.wire import message_type, read_message
from karat.convert.mil.write import write_package
from karat.refimpl.errors import BadInput

LETTER = {
    "Letter": message_type(
        _1="int number",
        _2="string text",
        _3="repeated Letter copies",
        _4="map Letter named",
        _5="repeated float floats",
        _6="repeated int ints",
        _7="bool flag",
        _8="uint size",
        _9="bytes raw",
        _10="double real",
        _11="map string words",
    )
}
INT = st.integers(-(2**63), 2**63 - 1)
LETTERS = st.recursive(
    st.just({}),
    lambda inner: st.fixed_dictionaries(
        {
            "number": INT,
            "text": st.text(max_size=5),
            "copies": st.lists(inner.map(lambda d: SimpleNamespace(**d)), max_size=2),
            "named": st.dictionaries(st.text(max_size=3), inner.map(lambda d: SimpleNamespace(**d)), max_size=2),
            "floats": st.lists(st.floats(width=32, allow_nan=False), max_size=3),
            "ints": st.lists(INT, max_size=3),
            "flag": st.booleans(),
            "size": st.integers(0, 2**64 - 1),
            "raw": st.none() | st.binary(max_size=4),
            "real": st.floats(allow_nan=False),
            "words": st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
        }
    ),
    max_leaves=4,
)


@given(LETTERS)
def test_what_is_encoded_is_decoded(content):
    once = read_message(encode_message(SimpleNamespace(**content), "Letter", LETTER), "Letter", LETTER)
    for name, value in content.items():
        if name not in ("copies", "named"):  # their own fields are filled with defaults
            assert getattr(once, name) == value
    assert read_message(encode_message(once, "Letter", LETTER), "Letter", LETTER) == once


def test_a_field_that_would_be_lost_is_refused():
    with pytest.raises(ValueError, match="no field 'txt'"):
        encode_message(SimpleNamespace(txt="hi"), "Letter", LETTER)


def same(written, program):
    assert written.operations == program.operations
    assert (written.inputs, written.outputs) == (program.inputs, program.outputs)
    assert (written.opset, written.specification_version) == (program.opset, program.specification_version)
    assert written.function == program.function
    assert written.constants.keys() == program.constants.keys()
    for name, value in program.constants.items():
        assert (written.constants[name].dtype, written.constants[name].shape) == (value.dtype, value.shape)
        assert written.constants[name].tobytes() == value.tobytes()


def opens_in_coremltools(path, program):
    """Their protobuf, their model and their MIL: the same operations and constants."""
    import coremltools
    from coremltools.converters.mil.frontend.milproto.load import load
    from coremltools.proto import Model_pb2

    content = (path / "Data/com.apple.CoreML/model.mlmodel").read_bytes()
    theirs = Model_pb2.Model()
    theirs.ParseFromString(content)
    again = theirs.SerializeToString(deterministic=True)
    assert read_message(again, "Model", TYPES) == read_message(content, "Model", TYPES)
    spec = coremltools.models.MLModel(str(path), skip_model_load=True).get_spec()
    mil = load(spec, spec.specificationVersion, str(path / "Data/com.apple.CoreML/weights"))
    operations = list(mil.functions[program.function].operations)
    assert [op.op_type for op in operations if op.op_type != "const"] == [op.type for op in program.operations]
    stored = {op.outputs[0].name: np.asarray(op.outputs[0].val) for op in operations if op.op_type == "const"}
    for name in stored.keys() & program.constants.keys():
        if program.constants[name].dtype.kind != "U":
            assert stored[name].tobytes() == program.constants[name].tobytes(), name
    return stored


SMALL = [np.float16, np.float32, np.int32]


@pytest.mark.filterwarnings("ignore")
@given(st.sampled_from(SMALL).flatmap(lambda dtype: arrays(dtype, st.integers(1, 80))), st.sampled_from(["add", "mul"]))
def test_constants_of_every_size_are_bit_identical(tmp_path_factory, value, kind):
    folder, dtype, shape = tmp_path_factory.mktemp("write"), value.dtype.name, value.shape
    path = one_operation(folder / "a.mlpackage", kind, [("x", dtype, shape)], ("y", dtype, shape), x="x", y=value)
    program = open_package(path)
    same(open_package(write_package(program, folder / "b.mlpackage")), program)
    renamed = extract(program, ["y"])  # the constant as an operation of its own, and so perhaps in weight.bin
    renamed.constants["c"] = renamed.constants.pop("y.y")
    renamed.operations[0].inputs["y"] = "c"
    path = write_package(renamed, folder / "c.mlpackage")
    same(open_package(path), renamed)
    held = (path / "Data/com.apple.CoreML/weights/weight.bin").stat().st_size > 64
    assert held == (value.nbytes > 64 and dtype != "int32")


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=5)  # an export takes a second
@given(configs(), st.sampled_from(["float16", "float32"]), st.sampled_from(["iOS16", "iOS17", "iOS18"]))
def test_exported_networks_are_written_as_they_were(tmp_path_factory, config, precision, target):
    folder = tmp_path_factory.mktemp("write")
    shape = (1, 3, 2 * config.multiple_of, 3 * config.multiple_of)
    network = random_model(config, seed=0)
    program = open_package(export(network, folder / "a.mlpackage", shape, precision, target))
    path = write_package(program, folder / "b.mlpackage")
    same(open_package(path), program)
    assert opens_in_coremltools(path, program)
    again = write_package(program, folder / "c.mlpackage")
    files = sorted(f.relative_to(path) for f in path.rglob("*") if f.is_file() and f.name != "Manifest.json")
    assert all((path / f).read_bytes() == (again / f).read_bytes() for f in files)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["RCAN_4x.mlpackage", "RealESRGAN_x4v3_tensor.mlpackage"])
def test_foreign_packages_are_written_as_they_were(tmp_path, name):
    if not (DATA / "coreml" / name).exists():
        pytest.skip(f"{name} is not in the data folder; set KARAT_DATA")
    program = open_package(DATA / "coreml" / name)
    path = write_package(program, tmp_path / name)
    same(open_package(path), program)
    stored = opens_in_coremltools(path, program)
    assert len(stored.keys() & program.constants.keys()) > 100


def chain(folder):
    """x -> relu -> h -> times c -> m -> tanh -> y, and an operation that y does not need."""
    x, c = ("float32", (1, 3)), np.float32([[1, 2, 3]])
    steps = [
        operation("relu", {"x": "x"}, [("h", *x)]),
        operation("mul", {"x": "h", "y": c}, [("m", *x)]),
        operation("exp", {"x": "h"}, [("unused", *x)]),
        operation("tanh", {"x": "m"}, [("y", *x)]),
    ]
    return open_package(write_bytes(folder / "m.mlpackage", model([("x", *x)], steps, ["y"])))


def test_a_part_has_what_it_needs_and_nothing_else(tmp_path):
    program = chain(tmp_path)
    part = extract(program, ["y"], ["h", "unused"])
    assert [op.name for op in part.operations] == ["m", "y"]
    assert [f.name for f in part.inputs] == ["h"]
    assert list(part.constants) == ["m.y"]
    path = write_package(part, tmp_path / "part.mlpackage")
    h = np.float32([[0.5, 0, 1]])
    np.testing.assert_array_equal(open_package(path).predict({"h": h})["y"], np.tanh(h * np.float32([1, 2, 3])))
    assert [op.name for op in extract(program, ["y"]).operations] == ["h", "m", "y"]
    with pytest.raises(BadInput, match="no operation computes 'x'"):
        extract(program, ["x"])


def test_what_cannot_be_written_is_one_sentence(tmp_path):
    program = chain(tmp_path)
    refusals = [
        (tmp_path / "part.mlmodel", "ends in .mlpackage", None),
        (tmp_path / "m.mlpackage", "exists already", None),
        (tmp_path / "a.mlpackage", "is float64", np.ones((1, 3))),
        (tmp_path / "nowhere/a.mlpackage", "cannot be written", None),
    ]
    for path, words, value in refusals:
        part = extract(program, ["y"])
        if value is not None:
            part.constants["m.y"] = value
        with pytest.raises(BadInput, match=words) as caught:
            write_package(part, path)
        assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.mlpackage"]
