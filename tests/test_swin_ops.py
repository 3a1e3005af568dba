"""The operators of Swin Transformers, each by its own properties."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from karat.refimpl.numerics.erf import erf
from karat.refimpl.ops import (
    attention_mask,
    cyclic_shift,
    gelu,
    layer_norm,
    leaky_relu,
    linear,
    reflect_pad,
    relative_position_bias,
    relative_position_index,
    softmax,
    upsample_nearest,
    window_attention,
    window_partition,
    window_reverse,
)

SEEDS = st.integers(0, 2**32 - 1)
WINDOWS = st.integers(1, 5)
COUNTS = st.integers(1, 4)


def labels(*shape):
    return np.arange(math.prod(shape)).reshape(shape)


@given(COUNTS, COUNTS, COUNTS, COUNTS, WINDOWS)
def test_window_partition_and_reverse_are_inverse_permutations(b, rows, columns, c, w):
    x = labels(b, rows * w, columns * w, c)
    windows = window_partition(x, w)
    assert windows.shape == (b * rows * columns, w * w, c)
    assert np.array_equal(np.sort(windows.ravel()), np.sort(x.ravel()))
    assert np.array_equal(window_reverse(windows, rows * w, columns * w), x)


@given(COUNTS, COUNTS, WINDOWS, st.data())
def test_every_token_lies_in_the_window_of_its_place(rows, columns, w, data):
    x = labels(1, rows * w, columns * w, 1)
    i, j = (data.draw(st.integers(0, n * w - 1)) for n in (rows, columns))
    windows = window_partition(x, w)
    assert windows[(i // w) * columns + j // w, (i % w) * w + j % w, 0] == x[0, i, j, 0]


def test_a_part_of_a_window_is_refused():
    with pytest.raises(ValueError, match="no whole number"):
        window_partition(np.zeros((1, 4, 5, 1)), 4)


@given(COUNTS, st.integers(1, 8), st.integers(1, 8), st.integers(0, 8))
def test_cyclic_shift_is_undone_by_its_negative(b, h, w, shift):
    x = labels(b, h, w, 2)
    y = cyclic_shift(x, shift)
    assert np.array_equal(cyclic_shift(y, -shift), x)
    assert y[0, 0, 0, 0] == x[0, shift % h, shift % w, 0]


@given(COUNTS, COUNTS, st.integers(2, 5), st.data())
def test_the_mask_separates_what_was_not_adjacent(rows, columns, w, data):
    """Tokens of a window see each other exactly if the roll moved them together."""
    shift = data.draw(st.integers(1, w - 1))
    h, width = rows * w, columns * w
    position = np.stack(np.meshgrid(np.arange(h), np.arange(width), indexing="ij"), axis=-1)[None]  # (1, H, W, 2)
    tokens = window_partition(cyclic_shift(position, shift), w)  # where each token came from
    places = window_partition(position, w)  # where it is now
    moved = tokens - places  # equal for tokens that the roll moved together
    together = np.all(moved[:, :, None] == moved[:, None, :], axis=-1)
    assert np.array_equal(attention_mask(h, width, w, shift) == 0, together)
    assert set(np.unique(attention_mask(h, width, w, shift))) <= {0.0, -100.0}


@given(st.integers(1, 6))
def test_relative_position_index_knows_every_displacement(w):
    index = relative_position_index(w)
    assert sorted(set(index.ravel())) == list(range((2 * w - 1) ** 2))
    assert np.array_equal(index + index.T, np.full_like(index, 2 * index[0, 0]))  # opposite displacements
    y, x = np.divmod(np.arange(w * w), w)
    for row in range(len(index)):
        dy, dx = np.divmod(index[row], 2 * w - 1)
        assert np.array_equal(dy - (w - 1), y[row] - y)
        assert np.array_equal(dx - (w - 1), x[row] - x)


@given(st.integers(1, 4), COUNTS, SEEDS)
def test_relative_position_bias_depends_on_the_displacement_only(w, heads, seed):
    table = np.random.default_rng(seed).normal(size=((2 * w - 1) ** 2, heads))
    bias = relative_position_bias(table, w)
    assert bias.shape == (heads, w * w, w * w)
    grid = bias.reshape(heads, w, w, w, w)
    if w > 1:
        assert np.array_equal(grid[:, 1:, 1:, 1:, 1:], grid[:, :-1, :-1, :-1, :-1])


@given(SEEDS, st.integers(1, 6), st.integers(1, 9), st.floats(0.01, 300))
def test_softmax_rows_are_convex_weights(seed, rows, n, size):
    x = np.random.default_rng(seed).normal(size=(rows, n)) * size
    y = softmax(x)
    assert np.all(y >= 0)
    np.testing.assert_allclose(y.sum(axis=-1), 1, rtol=1e-14)
    np.testing.assert_allclose(softmax(x + 1000.0), y, rtol=1e-9, atol=1e-300)
    np.testing.assert_allclose(y, torch.softmax(torch.from_numpy(x), -1).numpy(), rtol=1e-12, atol=1e-300)


@given(SEEDS, st.integers(1, 6), st.integers(2, 9))
def test_layer_norm_is_torch_s_and_blind_to_shifts(seed, rows, c):
    rng = np.random.default_rng(seed)
    x, weight, bias = rng.normal(size=(rows, c)), rng.normal(size=c), rng.normal(size=c)
    y = layer_norm(x, weight, bias)
    other = torch.nn.functional.layer_norm(*(torch.from_numpy(v) if v is not c else v for v in (x,)), (c,))
    np.testing.assert_allclose(y, other.numpy() * weight + bias, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(layer_norm(x + 7.0, weight, bias), y, rtol=0, atol=1e-10)
    assert np.all(np.abs((y - bias) / weight) <= math.sqrt(c - 1) + 1e-9)  # |(x - mean) / std| <= sqrt(C - 1)


@given(st.lists(st.floats(-40, 40), min_size=1, max_size=50))
def test_gelu_is_the_definition(values):
    x = np.array(values)
    exact = np.array([v * 0.5 * (1 + math.erf(v / math.sqrt(2))) for v in values])
    np.testing.assert_allclose(gelu(x), exact, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(gelu(x) - gelu(-x), x, rtol=1e-13, atol=1e-15)  # x Phi(x) - (-x) Phi(-x)


@given(st.floats(-30, 30) | st.floats(-0.6, 0.6) | st.floats(-4.5, 4.5))
def test_erf_is_good_to_two_units_in_the_last_place(x):
    exact = math.erf(x)
    assert abs(float(erf(x)) - exact) <= 2 * np.spacing(abs(exact))


def test_erf_over_its_whole_range():
    x = np.concatenate([np.linspace(-6.5, 6.5, 40001), 10.0 ** np.linspace(-300, 0, 2000)])
    exact = np.array([math.erf(v) for v in x])
    assert np.max(np.abs(erf(x) - exact) / np.spacing(np.abs(exact))) <= 2
    assert np.array_equal(erf(-x), -erf(x))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.floats(0, 1))
def test_leaky_relu_is_torch_s(values, slope):
    x = np.array(values)
    other = torch.nn.functional.leaky_relu(torch.from_numpy(x), slope).numpy()
    assert np.array_equal(leaky_relu(x, slope), other)


@given(COUNTS, COUNTS, st.integers(1, 5), st.integers(1, 5), st.integers(1, 3))
def test_upsample_nearest_is_torch_s(n, c, h, w, factor):
    x = labels(n, c, h, w).astype(np.float64)
    other = torch.nn.functional.interpolate(torch.from_numpy(x), scale_factor=factor, mode="nearest").numpy()
    assert np.array_equal(upsample_nearest(x, factor), other)


@given(COUNTS, COUNTS, st.integers(1, 12), st.integers(1, 12), st.integers(1, 8))
def test_reflect_pad_is_torch_s_where_torch_can(n, c, h, w, multiple):
    x = labels(n, c, h, w).astype(np.float64)
    y = reflect_pad(x, multiple)
    below, right = -h % multiple, -w % multiple
    assert y.shape == (n, c, h + below, w + right)
    assert np.array_equal(y[:, :, :h, :w], x)
    if below < h and right < w:
        other = torch.nn.functional.pad(torch.from_numpy(x), (0, right, 0, below), "reflect").numpy()
        assert np.array_equal(y, other)


def attention_parameters(rng, c, heads, w):
    shapes = {"qkv.weight": (3 * c, c), "qkv.bias": (3 * c,), "proj.weight": (c, c), "proj.bias": (c,)}
    shapes["relative_position_bias_table"] = ((2 * w - 1) ** 2, heads)
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


@given(SEEDS, st.integers(1, 3), st.integers(1, 4), st.integers(1, 4))
def test_attention_in_one_window_is_dense_attention(seed, heads, d, w):
    """When the window covers the image, it is attention as in "Attention Is All You Need", eq. 1, with a bias."""
    rng = np.random.default_rng(seed)
    c = heads * d
    p, x = attention_parameters(rng, c, heads, w), rng.normal(size=(1, w * w, c))
    *_, (_, y) = window_attention(x, p, heads, w)
    q, k, v = np.split(linear(x[0], p["qkv.weight"], p["qkv.bias"]), 3, axis=-1)
    out = np.empty((w * w, c))
    index = relative_position_index(w)
    for head in range(heads):
        own = slice(head * d, (head + 1) * d)
        scores = q[:, own] @ k[:, own].T / math.sqrt(d) + p["relative_position_bias_table"][index, head]
        out[:, own] = softmax(scores) @ v[:, own]
    np.testing.assert_allclose(y[0], out @ p["proj.weight"].T + p["proj.bias"], rtol=1e-9, atol=1e-9)


@given(SEEDS, COUNTS, COUNTS, st.integers(1, 3), st.data())
def test_attention_is_equivariant_under_shifts_by_whole_windows(seed, rows, columns, w, data):
    """Unmasked windows know nothing of their place; a shift by part of a window is another function."""
    heads, c = 2, 4
    rng = np.random.default_rng(seed)
    p, x = attention_parameters(rng, c, heads, w), rng.normal(size=(1, rows * w, columns * w, c))

    def attend(image):
        *_, (_, y) = window_attention(window_partition(image, w), p, heads, w)
        return window_reverse(y, rows * w, columns * w)

    shift = data.draw(st.integers(-w * rows, w * rows))
    close = np.allclose(attend(cyclic_shift(x, shift)), cyclic_shift(attend(x), shift), rtol=1e-9, atol=1e-12)
    assert close == (shift % w == 0 or rows * columns * w == 1)


@given(SEEDS, st.integers(2, 3), st.data())
def test_the_mask_isolates_regions(seed, w, data):
    """What lies in another region of the same window does not change a token's attention."""
    shift = data.draw(st.integers(1, w - 1))
    rng = np.random.default_rng(seed)
    heads, c, h = 2, 4, 2 * w
    p, mask = attention_parameters(rng, c, heads, w), attention_mask(h, h, w, shift)
    x = 0.1 * rng.normal(size=(len(mask), w * w, c))  # scores far below the mask's 100, or it would not isolate
    last = len(mask) - 1  # the window with all four regions
    apart = mask[last, 0] != 0
    other = x.copy()
    other[last, apart] += 0.1 * rng.normal(size=(apart.sum(), c))
    *_, (_, y) = window_attention(x, p, heads, w, mask=mask)
    *_, (_, z) = window_attention(other, p, heads, w, mask=mask)
    np.testing.assert_allclose(z[last, ~apart], y[last, ~apart], rtol=1e-9, atol=1e-12)
    assert not np.allclose(z[last, apart], y[last, apart])
