"""Sorting, windows, blocks, attention and their like against PyTorch and plain loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from karat.convert.mil.ops import OPERATORS, sorting
from karat.refimpl.errors import BadInput, UnsupportedOperator

torch = pytest.importorskip("torch", reason="PyTorch is the independent definition here; install karat[test]")
IOS16, IOS17 = 6, 7
SEEDS = st.integers(0, 2**32 - 1)
SMALL = st.integers(1, 3)


def run(kind, *args, **parameters):
    return OPERATORS[kind].function(*args, **parameters)


def at(opset, kind, *args, **parameters):
    return OPERATORS[kind].at(opset).function(*args, **parameters)


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def t(x):
    return torch.from_numpy(np.ascontiguousarray(x))


def sorted_places(row, ascending):
    return sorted(range(len(row)), key=lambda i: row[i] if ascending else -int(row[i]))


@given(SEEDS, st.sampled_from(["uint8", "int8", "float16"]), st.booleans(), st.integers(0, 5))
def test_sorting_keeps_equal_elements_in_order(seed, dtype, ascending, k):
    x = np.random.default_rng(seed).integers(0, 4, (2, 5)).astype(dtype)
    places = [sorted_places(row, ascending) for row in x]
    assert_array_equal(run("argsort", x, ascending=ascending), places)
    assert_array_equal(run("argsort", x.T, 0, ascending=ascending), np.transpose(places))
    values, best = run("topk", x, np.array([k], np.int8), 1, ascending, output_indices_dtype="uint16")
    assert_array_equal(best, [row[:k] for row in places])
    assert_array_equal(values, np.take_along_axis(x, np.array(places)[:, :k], 1))
    assert (values.dtype, best.dtype) == (x.dtype, np.uint16)
    assert_array_equal(run("topk", x, k, ascending=ascending, return_indices=False), values)


def test_unsigned_minimum_sorts_last_and_a_mutant_is_caught(monkeypatch):
    x = np.array([0, 3, 1], np.uint8)
    assert run("argsort", x).tolist() == [1, 2, 0]
    monkeypatch.setattr(sorting, "order", lambda x, axis, ascending: np.argsort(-x, axis))  # -0 is 0, -3 is 253
    assert run("argsort", x).tolist() != [1, 2, 0]


def test_topk_of_all_elements_is_new_in_ios17():
    x = np.array([1.0, 3.0, 2.0])
    assert at(IOS17, "topk", x, -1)[0].tolist() == [3, 2, 1]
    with pytest.raises(BadInput, match="-1 elements"):
        at(IOS16, "topk", x, -1)
    with pytest.raises(BadInput, match="4 elements"):
        run("topk", x, 4)
    with pytest.raises(BadInput, match="output_indices_dtype"):
        run("topk", x, output_indices_dtype="S99999999999")


@given(SEEDS, st.integers(-3, 2), st.booleans(), st.booleans())
def test_cumsum(seed, axis, exclusive, reverse):
    x = normal(seed, 2, 3, 4)
    want = np.zeros_like(x)
    size = x.shape[axis]
    for i in range(size):
        for j in range(size):
            counts = j <= i if not reverse else j >= i
            if counts and not (exclusive and i == j):
                np.moveaxis(want, axis, 0)[i] += np.moveaxis(x, axis, 0)[j]
    assert_allclose(run("cumsum", x, axis, exclusive, reverse), want, rtol=1e-12, atol=1e-12)
    assert run("cumsum", np.array([2**31 - 1, 1], np.int32)).tolist() == [2**31 - 1, -(2**31)]


@given(SEEDS, st.integers(-3, 2))
def test_one_hot(seed, axis):
    indices = np.random.default_rng(seed).integers(0, 4, (2, 3))
    want = torch.nn.functional.one_hot(t(indices), 4).movedim(-1, axis).numpy()
    assert_array_equal(run("one_hot", indices, 4, axis), want)
    assert_array_equal(run("one_hot", indices, np.array([4]), axis, np.float32(0.5), np.float32(2)), 2 - 1.5 * want)
    assert not run("one_hot", np.array([-1, 4]), 4).any()


@given(SEEDS, st.integers(-2, 4), st.integers(-2, 4))
def test_band_part(seed, lower, upper):
    x = normal(seed, 2, 3, 4)
    want = t(x)
    want = torch.triu(want, -lower) if lower >= 0 else want
    want = torch.tril(want, upper) if upper >= 0 else want
    assert_array_equal(run("band_part", x, lower, upper), want)
    assert run("band_part", np.full((2, 2), np.inf), 0, 0).tolist() == [[np.inf, 0], [0, np.inf]]
    assert run("band_part", np.ones((2, 2), bool), 0, 0).dtype == bool


def test_places_that_are_not_zero():
    x = np.array([[0, 2, -1], [0, 0, np.nan]])
    assert_array_equal(run("non_zero", x), torch.nonzero(t(x)))
    assert run("non_zero", np.zeros((2, 3, 1))).shape == (0, 3)


@given(SEEDS, st.permutations([0, 1, 2]))
def test_reverse_sequence(seed, axes):
    x, (seq, batch, _) = normal(seed, 2, 3, 4), axes
    lengths = np.random.default_rng(seed).integers(0, x.shape[seq] + 1, x.shape[batch])
    want = x.copy()
    for place in np.ndindex(x.shape):
        source = list(place)
        if place[seq] < lengths[place[batch]]:
            source[seq] = lengths[place[batch]] - 1 - place[seq]
        want[place] = x[tuple(source)]
    assert_array_equal(run("reverse_sequence", x, lengths.astype(np.int8), seq - 3, batch), want)


@pytest.mark.parametrize(("lengths", "seq", "batch"), [([4, 0], 1, 0), ([-1, 0], 1, 0), ([1], 1, 0), ([1, 1], 0, 0)])
def test_sequences_that_do_not_fit_are_refused(lengths, seq, batch):
    with pytest.raises(BadInput):
        run("reverse_sequence", np.zeros((2, 3)), lengths, seq, batch)


@given(SEEDS, SMALL, SMALL, st.tuples(*[st.integers(0, 2)] * 4), SMALL, SMALL)
def test_blocks_become_batches(seed, r, s, pad, rows, columns):
    (top, bottom, left, right), n, c = pad, 2, 3
    h, w = rows * r + 4 * r - top - bottom, columns * s + 4 * s - left - right
    x = normal(seed, n, c, h, w)
    whole = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    out = run("space_to_batch", x, [r, s], [[top, bottom], [left, right]])
    for i in range(r):
        for j in range(s):
            assert_array_equal(out[(i * s + j) * n : (i * s + j + 1) * n], whole[:, :, i::r, j::s])
    assert_array_equal(run("batch_to_space", out, [r, s], [[top, bottom], [left, right]]), x)


def test_blocks_that_do_not_fit_are_refused():
    x = np.zeros((3, 1, 4, 4))
    for kind, block, border in [
        ("space_to_batch", [3, 1], [[0, 0], [0, 0]]),
        ("space_to_batch", [0, 1], [[0, 0], [0, 0]]),
        ("space_to_batch", [1, 1], [[0, -1], [0, 0]]),
        ("space_to_batch", [1, 1], [[0, 2**40], [0, 0]]),
        ("batch_to_space", [2, 1], [[0, 0], [0, 0]]),
        ("batch_to_space", [3, 1], [[9, 9], [0, 0]]),
    ]:
        with pytest.raises(BadInput):
            run(kind, x, block, border)


@given(SEEDS, st.integers(-3, 2), st.integers(1, 4), SMALL)
def test_sliding_windows(seed, axis, size, stride):
    x = normal(seed, 4, 5, 6)
    want = t(x).unfold(axis, size, stride).movedim(-1, axis % 3 + 1)
    assert_array_equal(run("sliding_windows", x, axis, size, stride), want)
    with pytest.raises(BadInput, match="do not fit"):
        run("sliding_windows", x, axis, 7)


@given(SEEDS, st.data())
def test_slice_update_writes_where_slice_by_index_reads(seed, data):
    x, flags = normal(seed, 4, 5, 6), st.lists(st.booleans(), min_size=3, max_size=3)
    begin = [data.draw(st.integers(-n, n - 1), label="begin") for n in x.shape]
    end = [data.draw(st.integers(-n, n), label="end") for n in x.shape]
    stride = data.draw(st.lists(st.sampled_from([-2, -1, 1, 2]), min_size=3, max_size=3), label="stride")
    masks = dict(zip(("begin_mask", "end_mask", "squeeze_mask"), (data.draw(flags) for _ in range(3)), strict=True))
    cut = (np.array(begin, np.int8), np.array(end, np.int8), stride)
    old = run("slice_by_index", x, *cut, **masks)
    new = old + 100
    out = run("slice_update", x, new, *cut, **masks)
    assert_array_equal(run("slice_by_index", out, *cut, **masks), new)
    assert np.sum(out != x) == old.size  # and nowhere else
    assert_array_equal(run("slice_update", out, old, *cut, **masks), x)


def test_an_update_of_another_shape_is_refused():
    with pytest.raises(BadInput, match="an update of shape"):
        run("slice_update", np.zeros((3, 3)), np.ones((1, 1)), [0, 0], [2, 2])


@given(SEEDS, st.sampled_from([None, "bool", "float"]), st.booleans())
def test_attention(seed, kind, broadcast):
    q, k, v = normal(seed, 2, 3, 4, 5), normal(seed + 1, 2, 3, 6, 5), normal(seed + 2, 2, 3, 6, 7)
    mask = normal(seed + 3, *((6,) if broadcast else (3, 4, 6)))
    mask = {"bool": mask > 0, "float": mask}.get(kind)
    theirs = torch.nn.functional.scaled_dot_product_attention(
        t(q), t(k), t(v), None if mask is None else t(mask).expand(2, 3, 4, 6)
    )
    with np.errstate(invalid="ignore"):
        ours = run("scaled_dot_product_attention", q, k, v, mask)
    some = mask.any(-1) if kind == "bool" else np.ones(1, bool)  # PyTorch gives zeros where nothing is left, we NaN
    some = np.broadcast_to(some, ours.shape[:-1])
    assert_allclose(ours[some], theirs.numpy()[some], rtol=1e-12, atol=1e-12)
    assert np.isnan(ours[~some]).all()
    single = run("scaled_dot_product_attention", *(x.astype(np.float32) for x in (q, k, v)))
    assert single.dtype == np.float32


@given(SEEDS, st.sampled_from(["chw,whr->chr", "abc, cbd -> abd", "nchw,nwhu->nchu"]), st.booleans(), st.booleans())
def test_einsum(seed, equation, first, second):
    letters = equation.replace(" ", "")
    rank = letters.index(",")
    x, y = normal(seed, 2, 3, 4, 5)[-1 if rank == 3 else slice(None)], normal(seed + 1, 2, 5, 4, 6)
    y = y[0] if rank == 3 else y
    x, y = x[..., :1, :] if first else x, y[..., :1, :] if second else y
    if rank == 4 and second:
        y = y[:1]
    height = max(x.shape[-2], y.shape[-2])
    full = [np.broadcast_to(a, (*[2] * (rank - 3), a.shape[-3], height, a.shape[-1])) for a in (x, y)]
    assert_allclose(run("einsum", (x, y), equation), np.einsum(equation, *full), rtol=1e-12, atol=1e-12)


def test_other_einsums_are_unsupported():
    x = np.ones((2, 2, 2))
    for equation in ("ij,jk->ik", "chw,whr->crh", "chw,whr", "", "abc,abc->abc"):
        with pytest.raises(UnsupportedOperator, match="einsum"):
            run("einsum", (x, x), equation)
    with pytest.raises(BadInput, match="does not fit"):
        run("einsum", (x, x), "nchw,nwhu->nchu")
