"""The golden operators against their definitions."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from karat.refimpl.ops import (
    average_pool,
    conv2d,
    crd_to_dcr,
    depth_to_space,
    pixel_shuffle,
    pixel_unshuffle,
    relu1,
    space_to_depth,
)

ORDERS = st.sampled_from(["CRD", "DCR"])
SIDES = st.integers(1, 5)


def labels(*shape):
    """Every element its own number: a permutation that is right for these is right for all values."""
    return np.arange(np.prod(shape)).reshape(shape)


@given(
    st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(1, 8), st.integers(1, 8),
    st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_conv2d_is_the_definition(n, c, o, h, w, kh, kw, stride, padding, seed):
    if h + 2 * padding < kh or w + 2 * padding < kw:
        with pytest.raises(ValueError, match="does not fit"):
            conv2d(np.zeros((n, c, h, w)), np.zeros((o, c, kh, kw)), None, stride, padding)
        return
    rng = np.random.default_rng(seed)
    x, weight, bias = rng.normal(size=(n, c, h, w)), rng.normal(size=(o, c, kh, kw)), rng.normal(size=o)
    y = conv2d(x, weight, bias, stride, padding)
    other = torch.nn.functional.conv2d(*map(torch.from_numpy, (x, weight, bias)), stride=stride, padding=padding)
    np.testing.assert_allclose(y, other.numpy(), rtol=1e-12, atol=1e-12)
    i, j = rng.integers(y.shape[2]), rng.integers(y.shape[3])  # and one pixel by the sum itself
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    window = padded[0, :, stride * i : stride * i + kh, stride * j : stride * j + kw]
    assert abs(y[0, 0, i, j] - (np.sum(window * weight[0]) + bias[0])) < 1e-12


def test_conv2d_wants_equal_channels():
    with pytest.raises(ValueError, match="2 channels"):
        conv2d(np.zeros((1, 2, 3, 3)), np.zeros((1, 3, 1, 1)))


@given(SIDES, SIDES, SIDES, SIDES, st.integers(1, 4), ORDERS)
def test_depth_to_space_and_back(n, c, h, w, r, order):
    x = labels(n, c * r * r, h, w)
    y = depth_to_space(x, r, order)
    assert y.shape == (n, c, h * r, w * r)
    assert np.array_equal(space_to_depth(y, r, order), x)
    z = labels(n, c, h * r, w * r)
    assert np.array_equal(depth_to_space(space_to_depth(z, r, order), r, order), z)


@given(SIDES, SIDES, SIDES, SIDES, st.integers(1, 4), ORDERS, st.data())
def test_depth_to_space_puts_every_phase_where_the_definition_says(n, c, h, w, r, order, draw):
    x = labels(n, c * r * r, h, w)
    y = depth_to_space(x, r, order)
    b, k, i, j, p, q = (draw.draw(st.integers(0, size - 1)) for size in (n, c, h, w, r, r))
    channel = k * r * r + p * r + q if order == "CRD" else (p * r + q) * c + k
    assert y[b, k, i * r + p, j * r + q] == x[b, channel, i, j]


@given(SIDES, SIDES, SIDES, SIDES, st.integers(1, 4))
def test_pixel_shuffle_is_torch_s(n, c, h, w, r):
    x = labels(n, c * r * r, h, w)
    y = pixel_shuffle(x, r)
    assert np.array_equal(y, torch.nn.functional.pixel_shuffle(torch.from_numpy(x), r).numpy())
    assert np.array_equal(pixel_unshuffle(y, r), x)
    assert np.array_equal(x, torch.nn.functional.pixel_unshuffle(torch.from_numpy(y), r).numpy())


@given(SIDES, SIDES, SIDES, st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_permuted_weights_turn_one_order_into_the_other(c, h, w, r, seed):
    rng = np.random.default_rng(seed)
    p = crd_to_dcr(c, r)
    assert sorted(p) == list(range(c * r * r))
    x, weight, bias = rng.normal(size=(1, 2, h, w)), rng.normal(size=(c * r * r, 2, 1, 1)), rng.normal(size=c * r * r)
    crd = depth_to_space(conv2d(x, weight, bias), r, "CRD")
    dcr = depth_to_space(conv2d(x, weight[p], bias[p]), r, "DCR")
    np.testing.assert_allclose(crd, dcr, rtol=0, atol=1e-12)
    image, after = rng.normal(size=(1, c, h * r, w * r)), rng.normal(size=(3, c * r * r, 1, 1))
    crd = conv2d(space_to_depth(image, r, "CRD"), after)
    dcr = conv2d(space_to_depth(image, r, "DCR"), after[:, p])
    np.testing.assert_allclose(crd, dcr, rtol=0, atol=1e-12)


def test_the_orders_differ():
    """The mutant that the properties above must catch: taking one order for the other."""
    x = labels(1, 8, 2, 2)
    assert not np.array_equal(depth_to_space(x, 2, "CRD"), depth_to_space(x, 2, "DCR"))
    assert np.array_equal(
        depth_to_space(x[:, :4], 2, "CRD"), depth_to_space(x[:, :4], 2, "DCR")
    )  # one channel: no order


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: depth_to_space(labels(1, 3, 2, 2), 2, "CRD"), "multiple of 4"),
        (lambda: space_to_depth(labels(1, 3, 3, 2), 2, "CRD"), "multiple of 2"),
        (lambda: depth_to_space(labels(1, 4, 2, 2), 2, "RCD"), "CRD or DCR"),
    ],
)
def test_what_does_not_fit_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()


@given(SIDES, SIDES, st.integers(1, 6), st.integers(1, 6), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_average_pool_is_torch_s(n, c, h, w, factor, seed):
    x = np.random.default_rng(seed).normal(size=(n, c, h * factor, w * factor))
    other = torch.nn.functional.avg_pool2d(torch.from_numpy(x), factor).numpy()
    np.testing.assert_allclose(average_pool(x, factor), other, rtol=1e-12, atol=1e-15)


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=20))
def test_relu1_keeps_what_lies_between(values):
    y = relu1(np.array(values))
    assert all(b == (0 if a < 0 else 1 if a > 1 else a) for a, b in zip(values, y, strict=True))
