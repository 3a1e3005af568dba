"""Running programs: arithmetic of the profiles, what is checked, what is freed."""

import json
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mil_programs import entry, field, immediate, model, named, one_operation, operation, write_package

from karat.convert.mil import open_package, predict
from karat.refimpl.errors import BadInput, UnsupportedOperator

HALVES = arrays(np.uint16, 5).map(lambda bits: bits.view(np.float16))  # every pattern: NaN, infinities, subnormals
BINARY = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "real_div": np.divide}


@pytest.fixture(scope="module")
def binary_programs(tmp_path_factory):
    """Programs of one fp16 operation of x and y."""
    folder, half = tmp_path_factory.mktemp("binary"), ("float16", (5,))
    inputs = [("x", *half), ("y", *half)]
    return {
        kind: open_package(one_operation(folder / f"{kind}.mlpackage", kind, inputs, ("z", *half), x="x", y="y"))
        for kind in BINARY
    }


@given(HALVES, HALVES, st.sampled_from(sorted(BINARY)))
def test_half_arithmetic_is_ieee(binary_programs, x, y, kind):
    with np.errstate(all="ignore"):
        expected = BINARY[kind](x, y)
    got = binary_programs[kind].predict({"x": x, "y": y})["z"]
    assert got.dtype == np.float16
    np.testing.assert_array_equal(got, expected)


@given(HALVES, HALVES)
def test_profiles_hold_floats_as_they_say(binary_programs, x, y):
    program = binary_programs["mul"]
    for profile in ("float32", "float64"):
        with np.errstate(all="ignore"):
            expected = x.astype(profile) * y.astype(profile)
        got = program.predict({"x": x, "y": y}, profile=profile)["z"]
        assert got.dtype == profile
        np.testing.assert_array_equal(got, expected)


def chain(folder, dtype="fp16"):
    """x (float32) -> cast to fp16 -> times 3 -> cast to int32 -> cast to float32."""
    steps = [
        operation("cast", {"x": "x", "dtype": np.array(dtype)}, [("h", "float16", (2,))]),
        operation("mul", {"x": "h", "y": np.float16(3)}, [("m", "float16", (2,))]),
        operation("cast", {"x": "m", "dtype": np.array("int32")}, [("i", "int32", (2,))]),
        operation("cast", {"x": "i", "dtype": np.array("fp32")}, [("y", "float32", (2,))]),
    ]
    return write_package(folder / "chain.mlpackage", model([("x", "float32", (2,))], steps, ["y", "m"]))


def test_float_casts_round_only_in_the_typed_profile(tmp_path):
    program = open_package(chain(tmp_path))
    x = np.array([0.3333, -0.9])  # three times the first one is 1 in half precision, and less in double
    typed, golden = program.predict({"x": x}), program.predict({"x": x}, profile="float64")
    np.testing.assert_array_equal(typed["m"], np.float16(3) * x.astype(np.float16))
    np.testing.assert_array_equal(golden["m"], 3 * x)
    assert [value.dtype.name for value in (typed["m"], typed["y"], golden["y"])] == ["float16", "float32", "float64"]
    assert (typed["y"].tolist(), golden["y"].tolist()) == ([1, -2], [0, -2])  # casts to integers cut, in every profile


def test_a_trace_shows_every_operator_and_ends_in_the_output(tmp_path):
    program = open_package(chain(tmp_path))
    records = list(program.trace({"x": np.ones(2)}))
    assert [(r.name, r.op_type, r.layer) for r in records] == [
        ("h", "cast", None),
        ("m", "mul", None),
        ("i", "cast", None),
        ("y", "cast", None),
    ]
    np.testing.assert_array_equal(records[-1].value, program.predict({"x": np.ones(2)})["y"])


def test_layers_come_from_the_sidecar(tmp_path):
    from karat.convert.mil.pairing import sidecar_path, write_pairing

    path = chain(tmp_path)
    write_pairing(sidecar_path(path), path, {"m": {"layer": "block.0", "torch": "mul", "last": True}})
    layers = [record.layer for record in open_package(path).trace({"x": np.ones(2)})]
    assert layers == [None, "block.0", None, None]
    sidecar_path(path).write_text(json.dumps({"format": 99}))
    with pytest.raises(BadInput, match="pairing"):
        open_package(path).trace({"x": np.ones(2)})


def test_a_split_gives_one_record_per_output(tmp_path):
    outputs = [("a", "float32", (1,)), ("b", "float32", (1,))]
    split = operation("split", {"x": "x", "axis": np.int32(0), "num_splits": np.int32(2)}, outputs)
    join = operation("concat", {"values": ["b", "a"], "axis": np.int32(0)}, [("y", "float32", (2,))])
    path = write_package(tmp_path / "m.mlpackage", model([("x", "float32", (2,))], [split, join], ["y"]))
    records = list(open_package(path).trace({"x": np.array([1, 2])}))
    assert [(r.name, r.value.tolist()) for r in records] == [("a", [1]), ("b", [2]), ("y", [2, 1])]


def test_a_constant_among_several_values(tmp_path):
    x = [("x", "float16", (1,))]
    const = (
        field(1, "const") + field(3, named("c", "float16", (1,))) + field(5, entry("val", immediate(np.float16([7]))))
    )
    join = operation("concat", {"values": ["c", "x"], "axis": np.int32(0)}, [("y", "float16", (2,))])
    program = open_package(write_package(tmp_path / "m.mlpackage", model(x, [const, join], ["y"])))
    for profile in ("fp32-accumulate", "float32", "float64"):
        assert program.predict({"x": [1]}, profile=profile)["y"].tolist() == [7, 1]


def test_a_constant_can_be_an_output(tmp_path):
    text = field(1, "const") + field(3, named("t", "str", ())) + field(5, entry("val", immediate("hello")))
    half = field(1, "const") + field(3, named("h", "float16", ())) + field(5, entry("val", immediate(np.float16(2))))
    path = write_package(tmp_path / "m.mlpackage", model([("x", "float32", (2,))], [text, half], ["t", "h", "x"]))
    out = open_package(path).predict({"x": np.ones(2)}, profile="float64")
    assert (out["t"].item(), out["h"].dtype, out["x"].tolist()) == ("hello", np.float64, [1, 1])


def test_inputs_are_cast_to_the_declared_type(tmp_path):
    path = one_operation(tmp_path / "m.mlpackage", "relu", [("x", "float32", (2,))], ("y", "float32", (2,)), x="x")
    assert predict(path, {"x": np.array([3, 200], np.uint8)})["y"].dtype == np.float32
    assert predict(path, {"x": [np.nan, -np.inf]})["y"].tolist()[1] == 0


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({}, "input 'x' is missing"),
        ({"x": np.ones(2), "z": np.ones(2)}, "no input 'z'"),
        ({"x": np.ones(3)}, r"has shape \(3,\), the program takes \(2,\)"),
        ({"x": np.ones((1, 2))}, "has shape"),
        ({"x": np.array(["a", "b"])}, "has dtype <U1"),
        ({"x": np.ones(2, complex)}, "has dtype complex"),
    ],
)
def test_wrong_inputs_are_named(tmp_path, inputs, words):
    path = one_operation(tmp_path / "m.mlpackage", "relu", [("x", "float32", (2,))], ("y", "float32", (2,)), x="x")
    for run in (open_package(path).predict, open_package(path).trace):
        with pytest.raises(BadInput, match=words):
            run(inputs)


def test_an_unknown_profile_lists_the_known(tmp_path):
    with pytest.raises(BadInput, match="fp32-accumulate, float32, float64"):
        open_package(chain(tmp_path)).predict({"x": np.ones(2)}, profile="float8")


def test_flexible_sizes_are_none_and_any_size_runs(tmp_path):
    shape = (1, None)
    path = one_operation(tmp_path / "m.mlpackage", "relu", [("x", "float32", shape)], ("y", "float32", shape), x="x")
    program = open_package(path)
    assert program.inputs[0].shape == shape
    assert program.predict({"x": np.ones((1, 7))})["y"].shape == (1, 7)


def test_an_unknown_operator_can_be_inspected_and_is_refused_when_run(tmp_path):
    x = [("x", "float32", (2,))]
    program = open_package(one_operation(tmp_path / "m.mlpackage", "transmogrify", x, ("y", "float32", (2,)), x="x"))
    assert program.operations[0].type == "transmogrify"
    with pytest.raises(UnsupportedOperator, match="transmogrify 'y'"):
        program.predict({"x": np.ones(2)})


def test_a_state_that_the_program_does_not_keep_is_refused(tmp_path):
    with pytest.raises(BadInput, match="the state holds \\['cache'\\]"):
        predict(chain(tmp_path), {"x": np.ones(2)}, state={"cache": 1})


@pytest.mark.parametrize(
    ("kind", "output", "parameters", "words"),
    [
        ("relu", ("y", "float32", (3,)), {"x": "x"}, "declared is"),
        ("relu", ("y", "float32", (2,)), {"x": "nowhere"}, "which nothing computes"),
        ("relu", ("y", "float32", (2,)), {}, "lacks parameter 'x'"),
        ("relu", ("y", "float32", (2,)), {"x": "x", "surprise": np.int32(1)}, "parameter 'surprise'"),
        ("relu", ("x", "float32", (2,)), {"x": "x"}, "called like an input"),
        ("relu", ("y", "float32", (2**20, 2**20)), {"x": "x"}, "more than"),
        ("reshape", ("y", "float32", (2,)), {"x": "x", "shape": np.array([7], np.int32)}, "cannot be computed"),
        ("tile", ("y", "float32", (2,)), {"x": "x", "reps": np.array([2**31 - 1], np.int32)}, "beyond"),
    ],
)
def test_operations_that_cannot_be_are_named(tmp_path, kind, output, parameters, words):
    path = one_operation(tmp_path / "m.mlpackage", kind, [("x", "float32", (2,))], output, **parameters)
    with pytest.raises(BadInput, match=words):
        predict(path, {"x": np.ones(2)})


@pytest.mark.parametrize(("rows", "terms", "columns"), [(2, 0, 3), (0, 4, 3), (2, 4, 0)])
def test_a_layer_without_elements_has_bounds_too(tmp_path, rows, terms, columns):
    weight, bias = np.ones((columns, terms), np.float16), np.full(columns, 0.5, np.float16)
    x, y = ("x", "float16", (rows, terms)), ("y", "float16", (rows, columns))
    program = open_package(one_operation(tmp_path / "m.mlpackage", "linear", [x], y, x="x", weight=weight, bias=bias))
    (record,) = program.trace({"x": np.ones((rows, terms))})
    assert np.array_equal(record.value, np.full((rows, columns), terms + 0.5))
    assert record.bound.shape == (rows, columns)
    assert not record.local_error.any()


def test_values_are_freed_after_their_last_use(tmp_path):
    steps, shape = 60, (2**18,)  # 1 MiB each
    names = ["x", *(f"v{i}" for i in range(steps))]
    one = np.float32(1)
    operations = [operation("add", {"x": a, "y": one}, [(b, "float32", shape)]) for a, b in pairwise(names)]
    path = write_package(tmp_path / "m.mlpackage", model([("x", "float32", shape)], operations, [names[-1]]))
    program, x = open_package(path), np.zeros(shape, np.float32)

    def trace():
        for record in program.trace({"x": x}):
            assert record.value.shape == shape

    for run in (lambda: program.predict({"x": x}), trace):
        run()
        tracemalloc.start()
        run()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 5 * x.nbytes  # of 60 that were computed


def test_constants_are_not_changed_by_running(tmp_path):
    program = open_package(chain(tmp_path))
    before = {name: array.copy() for name, array in program.constants.items()}
    program.predict({"x": np.ones(2)})
    assert all(np.array_equal(before[name], array) for name, array in program.constants.items())
