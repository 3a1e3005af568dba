"""What goes in and comes out: states, functions, pictures, flexible shapes, defaults, element types."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mil_programs import entry, field, immediate, model, named, one_operation, operation, tensor_type, write_package
from PIL import Image

from karat.convert.mil import open_package, predict
from karat.convert.mil.extract import extract
from karat.convert.mil.profiles import profile_named
from karat.convert.mil.write import write_package as write
from karat.refimpl.errors import BadInput

HALF2 = ("float16", (2,))


def with_state(name, dtype, shape):
    """A function's input that is a state."""
    return field(1, name) + field(2, field(5, field(1, tensor_type(dtype, shape))))


def described(message, features):
    """A Model message with an interface: feature number (1 in, 10 out) and FeatureType by name."""
    parts = [field(number, field(1, name) + field(3, kind)) for name, (number, kind) in features.items()]
    return message + field(2, b"".join(parts))


def function(inputs, operations, outputs):
    """A Function message."""
    block = b"".join(field(2, name) for name in outputs) + b"".join(field(3, o) for o in operations)
    return b"".join(field(1, i) for i in inputs) + field(2, "CoreML8") + field(3, entry("CoreML8", block))


def functions(**by_name):
    """A Model message of several functions."""
    return field(1, 9) + field(502, field(1, 1) + b"".join(field(2, entry(n, f)) for n, f in by_name.items()))


def counter(folder, extra=()):
    """y is what the state was, and then x is added to it; z is what it is then."""
    steps = [
        operation("read_state", {"input": "s"}, [("y", *HALF2)]),
        operation("add", {"x": "y", "y": "x"}, [("sum", *HALF2)]),
        operation("write_state", {"input": "s", "data": "sum"}, []),
        operation("read_state", {"input": "s"}, [("z", *HALF2)]),
        *extra,
    ]
    inputs = [named("x", *HALF2), with_state("s", *HALF2)]
    return write_package(folder / "c.mlpackage", functions(main=function(inputs, steps, ["y", "z"])))


@given(st.lists(st.tuples(*[st.integers(-50, 50)] * 2), min_size=1, max_size=5))
def test_a_state_outlives_the_run(tmp_path_factory, steps):
    program = open_package(counter(tmp_path_factory.mktemp("state")))
    assert [(f.name, f.dtype, f.shape) for f in program.states] == [("s", "float16", (2,))]
    assert [f.name for f in program.inputs] == ["x"]
    state, total = program.make_state(), np.zeros(2)
    assert state["s"].dtype == np.float16
    for step in steps:
        found = program.predict({"x": step}, state=state)
        np.testing.assert_array_equal(found["y"], total)
        total = total + step
        np.testing.assert_array_equal(found["z"], total)
        np.testing.assert_array_equal(state["s"], total)
        found["z"][:] = 7  # what a caller does to a result is no business of the state
    np.testing.assert_array_equal(state["s"], total)


def test_without_a_state_every_run_begins_anew(tmp_path):
    package = counter(tmp_path)
    program = open_package(package)
    for _ in range(2):
        assert program.predict({"x": [1, 2]})["z"].tolist() == [1, 2]
    state = {"s": np.array([5, 5], np.float16)}
    assert predict(package, {"x": [1, 2]}, state=state)["z"].tolist() == [6, 7]
    assert state["s"].tolist() == [6, 7]


def test_a_trace_shows_states_and_leaves_them(tmp_path):
    program, state = open_package(counter(tmp_path)), {"s": np.array([5, 0.1], np.float16)}
    records = list(program.trace({"x": [0.1, 1]}, state=state))
    assert [r.op_type for r in records] == ["read_state", "add", "write_state", "read_state"]
    for record in records:
        assert np.all(record.local_error <= record.bound)
    assert records[2].name == "s"
    np.testing.assert_allclose(records[3].shadow, [5.1, float(np.float16(0.1)) + 1], rtol=1e-15)
    assert state["s"].tolist() == np.array([5, 0.1], np.float16).tolist()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({}, "the state holds"),
        ({"s": [0, 0], "t": [0, 0]}, "the state holds"),
        ({"s": [0, 0, 0]}, "state 's' has shape"),
        ({"s": ["a", "b"]}, "state 's' has dtype"),
    ],
)
def test_a_wrong_state_is_one_sentence(tmp_path, state, words):
    with pytest.raises(BadInput, match=words) as caught:
        open_package(counter(tmp_path)).predict({"x": [1, 1]}, state=state)
    assert "\n" not in str(caught.value)


def test_states_are_read_and_written_only(tmp_path):
    wrong = operation("add", {"x": "s", "y": "x"}, [("w", *HALF2)])
    with pytest.raises(BadInput, match="takes the state 's'"):
        open_package(counter(tmp_path, [wrong])).predict({"x": [1, 1]})
    program = open_package(counter(tmp_path / "again"))
    with pytest.raises(BadInput, match="keeps the state 's'"):
        extract(program, ["y"])
    with pytest.raises(BadInput, match="keeps the state 's'"):
        write(program, tmp_path / "w.mlpackage")


def test_writing_what_is_no_state_is_one_sentence(tmp_path):
    steps = [operation("write_state", {"input": "x", "data": "x"}, [])]
    message = functions(main=function([named("x", *HALF2)], steps, ["x"]))
    with pytest.raises(BadInput, match="has no type or output"):
        open_package(write_package(tmp_path / "c.mlpackage", message))


def test_a_function_is_chosen_by_name(tmp_path):
    x = ("x", "float32", (2,))
    parts = {
        name: function([named(*x)], [operation("mul", {"x": "x", "y": k}, [("y", *x[1:])])], ["y"])
        for name, k in (("main", np.float32(2)), ("other", np.float32(3)))
    }
    package = write_package(tmp_path / "f.mlpackage", functions(**parts))
    for name, factor in ((None, 2), ("main", 2), ("other", 3)):
        program = open_package(package, function=name)
        assert program.function == (name or "main")
        assert program.predict({"x": [1, 2]})["y"].tolist() == [factor, 2 * factor]
    with pytest.raises(BadInput, match=r"no function 'third', found \['main', 'other'\]; name one of these"):
        open_package(package, function="third")


def flexible(folder, kind, shape=(1, None), dtype="float32", out=None):
    """y = 2 x of an input that the interface describes, and an output if ``out`` does."""
    steps = [operation("mul", {"x": "x", "y": np.dtype(dtype).type(2)}, [("y", dtype, shape)])]
    message = described(
        model([("x", dtype, shape)], steps, ["y"]), {"x": (1, kind)} | ({"y": (10, out)} if out else {})
    )
    return open_package(write_package(folder / "x.mlpackage", message))


def sizes(*numbers):
    return b"".join(field(1, n) for n in numbers)


def span(low, high):
    return field(1, low) + field(2, high)


def array_type(rest=b"", default=()):
    return field(5, sizes(*default) + field(2, 65568) + rest)


@given(low=st.integers(1, 4), extra=st.integers(0, 3), size=st.integers(1, 9), unlimited=st.booleans())
def test_shapes_outside_a_range_are_refused(tmp_path_factory, low, extra, size, unlimited):
    high = -1 if unlimited else low + extra
    ranges = field(31, field(1, span(1, 1)) + field(1, span(low, high)))
    program = flexible(tmp_path_factory.mktemp("r"), array_type(ranges, (1, low)))
    x = np.ones((1, size), np.float32)
    if low <= size and (unlimited or size <= high):
        np.testing.assert_array_equal(program.predict({"x": x})["y"], 2 * x)
    else:
        text = f"{low} or more" if unlimited else str(low) if low == high else f"{low} to {high}"
        with pytest.raises(BadInput, match=rf"takes \(1, {text}\)"):
            program.predict({"x": x})


@given(size=st.integers(1, 9))
def test_shapes_that_are_not_listed_are_refused(tmp_path_factory, size):
    shapes = field(21, field(1, sizes(1, 3)) + field(1, sizes(1, 7)))
    program = flexible(tmp_path_factory.mktemp("e"), array_type(shapes, (1, 3)))
    assert program.inputs[0].sizes == ((1, 3), (1, 7))
    x = np.ones((1, size), np.float32)
    if size in (3, 7):
        np.testing.assert_array_equal(program.predict({"x": x})["y"], 2 * x)
    else:
        with pytest.raises(BadInput, match=r"one of \(1, 3\), \(1, 7\)"):
            program.predict({"x": x})


def test_flexible_pictures(tmp_path):
    shape = (1, 3, None, None)
    listed = field(21, field(1, field(1, 4) + field(2, 3)) + field(1, field(1, 8) + field(2, 6)))
    between = field(31, field(1, span(4, 8)) + field(2, span(3, -1)))
    for number, (rest, bad) in enumerate(((listed, (4, 4)), (between, (9, 3)))):
        kind = field(4, field(1, 4) + field(2, 3) + field(3, 20) + rest)
        program = flexible(tmp_path / str(number), kind, shape)
        assert program.predict({"x": Image.new("RGB", (8, 6), (1, 2, 3))})["y"][0, :, 5, 7].tolist() == [2, 4, 6]
        with pytest.raises(BadInput, match="the program takes"):
            program.predict({"x": Image.new("RGB", bad)})


LAYOUTS = {"RGB": (20, [1, 2, 3]), "BGR": (30, [3, 2, 1]), "GRAYSCALE": (10, [2]), "GRAYSCALE_FLOAT16": (40, [2])}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pictures_come_in_the_layout_that_the_package_names(tmp_path, layout):
    number, expected = LAYOUTS[layout]
    shape = (1, len(expected), 2, 5)
    kind = field(4, field(1, 5) + field(2, 2) + field(3, number))
    program = flexible(tmp_path, kind, shape, "float16" if number == 40 else "float32")
    assert program.inputs[0].image == layout
    picture = Image.new("L", (5, 2), 2) if len(expected) == 1 else Image.new("RGB", (5, 2), (1, 2, 3))
    found = program.predict({"x": picture})["y"]
    assert found[0, :, 1, 4].tolist() == [2 * value for value in expected]
    values = np.arange(np.prod(shape)).reshape(shape)
    assert np.array_equal(program.predict({"x": values})["y"], 2 * values)
    for wrong, words in (
        (Image.new("RGB", (2, 5)), "has shape"),
        (Image.new("RGBA", (5, 2)), "transparency"),
    ):
        with pytest.raises(BadInput, match=words):
            program.predict({"x": wrong})


@given(value=st.integers(1, 9), size=st.integers(1, 4))
def test_an_optional_input_has_a_default(tmp_path_factory, value, size):
    kind = field(5, sizes(1, size) + field(2, 131104) + field(41, value)) + field(1000, 1)
    program = flexible(tmp_path_factory.mktemp("d"), kind)
    assert program.predict({})["y"].tolist() == [[2.0 * value] * size]
    assert program.predict({"x": np.ones((1, 2))})["y"].tolist() == [[2, 2]]


def test_a_giant_default_is_refused(tmp_path):
    kind = field(5, sizes(1, 2**50) + field(2, 65568)) + field(1000, 1)
    with pytest.raises(BadInput, match="is beyond"):
        flexible(tmp_path, kind).predict({})


@pytest.mark.parametrize("dtype", ["float16", "float32", "int32", "bool"])
def test_element_types_go_through(tmp_path, dtype):
    shape = (2, 3)
    steps = [operation("identity", {"x": "x"}, [("y", dtype, shape)])]
    program = open_package(write_package(tmp_path / "i.mlpackage", model([("x", dtype, shape)], steps, ["y"])))
    x = np.array([[0, 1, 1], [1, 0, 1]])
    found = program.predict({"x": x})["y"]
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(found, x)


def test_a_scalar_may_come_with_one_axis(tmp_path):
    steps = [operation("exp2", {"x": "x"}, [("y", "float32", ())])]
    program = open_package(write_package(tmp_path / "s.mlpackage", model([("x", "float32", ())], steps, ["y"])))
    for x in (3, [3], np.float32(3)):
        assert program.predict({"x": x})["y"] == 8
    with pytest.raises(BadInput, match="has shape"):
        program.predict({"x": [1, 2]})


@given(st.floats(width=32))
def test_bfloat16_is_rounded_to_even(x):
    found = profile_named("fp32-accumulate").store(np.array([x], np.float32), "bfloat16")
    bits = int(np.array([x], np.float32).view(np.uint32)[0])
    assert found.dtype == np.float32
    if np.isnan(x):
        assert np.isnan(found[0])
    else:
        nearest = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16
        assert int(found.view(np.uint32)[0]) == nearest


def test_lists_of_different_lengths_are_refused(tmp_path):
    path = one_operation(tmp_path / "m", "relu", [("x", "float32", (2, 2))], ("y", "float32", (2, 2)), x="x")
    with pytest.raises(BadInput, match="is no array"):
        open_package(path).predict({"x": [[1], [2, 3]]})


@pytest.mark.parametrize("inputs", [None, [1, 2], np.ones(2)])
def test_inputs_without_names_are_refused(tmp_path, inputs):
    program = open_package(counter(tmp_path))
    with pytest.raises(BadInput, match="expected a dict of arrays by name"):
        program.predict(inputs)
    with pytest.raises(BadInput, match=r"the state .* expected a dict"):
        program.predict({"x": np.ones(2)}, state=[inputs])


@given(st.sampled_from(["int64", "uint32", "float32", "float64"]), st.floats(-(2.0**33), 2.0**33) | st.just(np.nan))
def test_integers_arrive_as_they_are_or_are_refused(tmp_path_factory, dtype, number):
    """2^31 does not become -2^31, nor 1.5 a 1."""
    x, y = ("x", "int32", (1,)), ("y", "int32", (1,))
    path = one_operation(tmp_path_factory.mktemp("i") / "m", "identity", [x], y, x="x")
    with np.errstate(invalid="ignore"):
        given_ = np.array([number]).astype(dtype)
    whole = given_.dtype.kind != "f" or float(given_[0]).is_integer()
    if whole and -(2**31) <= int(given_[0]) < 2**31:
        assert open_package(path).predict({"x": given_})["y"][0] == int(given_[0])
    else:
        with pytest.raises(BadInput, match="the program takes int32: whole numbers from -2147483648 to 2147483647"):
            open_package(path).predict({"x": given_})


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_an_empty_constant_is_one(tmp_path, dtype):
    """protobuf leaves out empty fields: the value of no elements has no bytes."""
    value = field(5, entry("val", immediate(np.empty(0, dtype))))
    steps = [
        field(1, "const") + field(3, named("none", dtype, (0,))) + value,
        operation("concat", {"values": ["none", "x"], "axis": np.int32(0)}, [("y", dtype, (2,))]),
    ]
    path = write_package(tmp_path / "m", model([("x", dtype, (2,))], steps, ["y"]))
    np.testing.assert_array_equal(open_package(path).predict({"x": [1, 2]})["y"], [1, 2])
