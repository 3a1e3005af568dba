"""Scatters and gathers against plain loops: every mode, duplicates, and what an index outside does in which opset."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mil_programs import model, operation, write_package
from numpy.testing import assert_allclose, assert_array_equal

from karat.convert.mil import open_package
from karat.convert.mil.ops import OPERATORS, scatter
from karat.refimpl.errors import BadInput

IOS16, IOS17 = 6, 7
SEEDS = st.integers(0, 2**32 - 1)
CHANGE = {
    "update": lambda old, new: new,
    "add": lambda old, new: old + new,
    "sub": lambda old, new: old - new,
    "mul": lambda old, new: old * new,
    "div": lambda old, new: old / new,
    "max": max,
    "min": min,
}
MODES = sorted(CHANGE)


def at(opset, kind, *args, **parameters):
    return OPERATORS[kind].at(opset).function(*args, **parameters)


def plain(data, changes, mode):
    """One change after the other: pairs of (place, number)."""
    out = data.tolist()
    for place, number in changes:
        row = out
        for i in place[:-1]:
            row = row[i]
        row[place[-1]] = CHANGE[mode](row[place[-1]], float(number))
    return out


def scatter_case(rng):
    """(arguments, changes in order) of a scatter with more updates than places."""
    axis, indices = int(rng.integers(-3, 3)), rng.integers(-3, 3, 5)
    data, shape = rng.standard_normal((3, 3, 3)), [3, 3, 3]
    shape[axis] = 5
    updates = rng.standard_normal(shape) + 3
    changes = []
    for place in product(*map(range, shape)):
        target = list(place)
        target[axis] = int(indices[place[axis]])
        changes.append((target, updates[place]))
    return (data, indices, updates, axis), changes


def along_case(rng):
    axis, shape = int(rng.integers(-3, 3)), [2, 3, 4]
    data = rng.standard_normal(shape)
    size, shape[axis] = shape[axis], 5
    indices, updates, changes = rng.integers(-size, size, shape), rng.standard_normal(shape) + 3, []
    for place in product(*map(range, shape)):
        target = list(place)
        target[axis] = int(indices[place])
        changes.append((target, updates[place]))
    return (data, indices, updates, axis), changes


def nd_case(rng):
    depth = int(rng.integers(1, 4))
    data = rng.standard_normal((3, 3, 3))
    indices = rng.integers(-3, 3, (2, 3, depth))
    updates = rng.standard_normal((2, 3, *data.shape[depth:])) + 3
    rests = list(product(*map(range, data.shape[depth:])))
    changes = [
        ([*map(int, indices[place]), *rest], updates[(*place, *rest)]) for place in np.ndindex(2, 3) for rest in rests
    ]
    return (data, indices, updates), changes


CASES = {"scatter": scatter_case, "scatter_along_axis": along_case, "scatter_nd": nd_case}


@pytest.mark.parametrize("kind", CASES)
@given(SEEDS, st.sampled_from(MODES))
def test_all_modes_with_duplicates_and_negative_indices(kind, seed, mode):
    arguments, changes = CASES[kind](np.random.default_rng(seed))
    before = arguments[0].copy()
    assert_allclose(at(IOS16, kind, *arguments, mode=mode), plain(arguments[0], changes, mode), rtol=1e-14)
    assert_array_equal(arguments[0], before)  # the data stays as it was


def buffered(data, places, updates, mode):
    """A mutant: of the updates that meet at one place only one counts."""
    out = data.copy()
    out[places] = updates if mode == "update" else scatter.MODES[mode](out[places], updates)
    return out


def test_a_scatter_that_forgets_duplicates_is_caught(monkeypatch):
    arguments, changes = scatter_case(np.random.default_rng(1))
    assert_allclose(at(IOS16, "scatter", *arguments), plain(arguments[0], changes, "add"))
    monkeypatch.setattr(scatter, "_written", buffered)
    with pytest.raises(AssertionError):
        assert_allclose(at(IOS16, "scatter", *arguments), plain(arguments[0], changes, "add"))


def test_quotients_of_integers_are_cut():
    data, indices, updates = np.array([7, -7, 9]), np.array([0, 1, 0]), np.array([2, 2, 2])
    quotients = at(IOS17, "scatter", data, indices, updates, mode="div")
    assert quotients.astype(np.int32).tolist() == [1, -3, 9]


FIVE = np.arange(5.0)
ONE = {  # operator: arguments of an index into FIVE
    "scatter": lambda i: (FIVE, np.array([i]), np.ones(1)),
    "scatter_along_axis": lambda i: (FIVE, np.array([i]), np.ones(1)),
    "scatter_nd": lambda i: (FIVE, np.array([[i]]), np.ones(1)),
    "gather": lambda i: (FIVE, np.array([i])),
    "gather_along_axis": lambda i: (FIVE, np.array([i])),
    "gather_nd": lambda i: (FIVE, np.array([[i]])),
}


@pytest.mark.parametrize("kind", ONE)
@pytest.mark.parametrize("index", [-6, 5])
def test_an_index_outside_is_refused_until_ios16(kind, index):
    with pytest.raises(BadInput, match="indices reach"):
        at(IOS16, kind, *ONE[kind](index))


@pytest.mark.parametrize("kind", ONE)
@pytest.mark.parametrize("index", [-1, 5])
def test_validation_refuses_negative_indices_too_from_ios17_on(kind, index):
    with pytest.raises(BadInput, match="indices reach"):
        at(IOS17, kind, *ONE[kind](index), validate_indices=True)


@pytest.mark.parametrize("kind", [kind for kind in ONE if kind.startswith("scatter")])
@pytest.mark.parametrize("index", [-1, 5])
def test_without_validation_a_scatter_leaves_out_what_is_outside_from_ios17_on(kind, index):
    assert_array_equal(at(IOS17, kind, *ONE[kind](index)), FIVE)
    assert_array_equal(at(IOS17, kind, *ONE[kind](4)), [0, 1, 2, 3, 5])


@pytest.mark.parametrize("kind", ONE)
def test_a_negative_index_counts_from_the_end_until_ios16(kind):
    assert_array_equal(at(IOS16, kind, *ONE[kind](-1)), at(IOS16, kind, *ONE[kind](4)))


@pytest.mark.parametrize(("opset", "fits"), [("CoreML5", True), ("CoreML6", True), ("CoreML7", False)])
def test_a_program_means_the_gather_of_its_opset(tmp_path, opset, fits):
    step = operation("gather", {"x": "x", "indices": np.int32(-1), "axis": np.int32(0)}, [("y", "float32", ())])
    message = model([("x", "float32", (5,))], [step], ["y"], opset)
    program = open_package(write_package(tmp_path / "g.mlpackage", message))
    if fits:
        assert program.predict({"x": FIVE})["y"] == 4
    else:
        with pytest.raises(BadInput, match="none is negative from iOS17 on"):
            program.predict({"x": FIVE})


@pytest.mark.parametrize("opset", [IOS16, IOS17])
@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("scatter", (FIVE, np.array([0, 1]), np.ones(3))),
        ("scatter", (FIVE, np.array([0]), np.ones(1), 1)),
        ("scatter_along_axis", (np.ones((2, 3)), np.zeros((3, 3), int), np.ones((3, 3)), 1)),
        ("scatter_nd", (FIVE, np.zeros((1, 2), int), np.ones(1))),
        ("scatter_nd", (FIVE, np.zeros((1, 0), int), np.ones((1, 5)))),
        ("gather_along_axis", (np.ones((2, 3)), np.zeros((1, 3), int), 1)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(kind, arguments, opset):
    with pytest.raises(BadInput):
        at(opset, kind, *arguments)
    with pytest.raises(BadInput, match="mode"):
        at(opset, "scatter", FIVE, np.array([0]), np.ones(1), mode="xor")


@pytest.mark.parametrize("mode", ["add", "mul"])
def test_a_trace_judges_sums_and_no_products_in_one_place(tmp_path, mode):
    half, text = ("float16", (5,)), {"mode": np.array(mode)}
    steps = [
        operation(
            "scatter", {"data": "x", "indices": np.array([1, 1], np.int32), "updates": "u"} | text, [("y", *half)]
        ),
        operation("argsort", {"x": "y"}, [("z", "int32", (5,))]),
    ]
    message = model([("x", *half), ("u", "float16", (2,))], steps, ["y", "z"])
    program = open_package(write_package(tmp_path / "s.mlpackage", message))
    records = list(program.trace({"x": FIVE, "u": np.array([0.1, 0.1])}))
    assert np.isfinite(records[0].bound).all() == (mode == "add")
    assert (records[1].bound == 0).all()
    assert (records[1].local_error == 0).all()
    tenth = np.float32(np.float16(0.1))
    assert records[0].value[1] == np.float16(FIVE[1] + 2 * tenth if mode == "add" else FIVE[1] * tenth * tenth)
