"""Winograd's algorithm: exact where arithmetic is, and its kernels over block maps within the derived bound."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from karat.kernels.emit.winograd import pack
from karat.kernels.maps.winograd import convolve, scratch_sizes
from karat.kernels.scratch import Scratch
from karat.refimpl.numerics.formats import FLOAT32
from karat.refimpl.numerics.winograd import A, B, G, conv2d_winograd, winograd
from karat.refimpl.ops import conv2d


def to_blocks(x):
    c, h, w = x.shape
    return x.reshape(c, h // 4, 4, w // 4, 4).transpose(1, 3, 0, 2, 4).reshape(h // 4, w // 4, c, 16)


def from_blocks(blocks):
    h, w, c, _ = blocks.shape
    return blocks.reshape(h, w, c, 4, 4).transpose(2, 0, 3, 1, 4).reshape(c, 4 * h, 4 * w)


CHANNELS = st.integers(1, 40)


@given(CHANNELS, CHANNELS, st.integers(1, 9), st.integers(1, 20), st.integers(0, 99))
def test_the_algorithm_is_the_convolution(channels, outputs, height, width, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(-9, 9, (1, channels, height, width)).astype(np.float64)
    weight = 576.0 * rng.integers(-9, 9, (outputs, channels, 3, 3))  # 24 G is whole, so that all numbers are exact
    whole = conv2d_winograd(x, weight / 576, (A, B, 24 * G))
    np.testing.assert_array_equal(whole, conv2d(x, weight, padding=1))


class Case:
    """A convolution of block maps in guarded memory."""

    def __init__(self, channels, outputs, height, width, seed, scale=1.0):
        rng = np.random.default_rng(seed)
        self.weight, self.bias = rng.normal(0, scale, (outputs, channels, 3, 3)), rng.normal(0, 1, outputs)
        self.bias = self.bias.astype(np.float32)
        self.shape, self.target_shape = (height, width, channels, 16), (height, width, outputs, 16)
        sizes = {"source": self.shape, "target": self.target_shape, "residual": self.target_shape}
        self.maps = Scratch({name: 4 * int(np.prod(shape)) for name, shape in sizes.items()})
        self.source, self.target, self.residual = (self.maps.view(name, shape) for name, shape in sizes.items())
        self.source[:] = rng.normal(0, 1, self.shape)
        self.residual[:] = rng.normal(0, 1, self.target_shape)
        self.packed = pack(self.weight)

    def run(self, residual, slope, threads, scratch=None):
        convolve(
            self.source,
            self.packed,
            self.bias,
            self.target,
            self.residual if residual else None,
            slope,
            threads,
            scratch,
        )
        return self.target.copy()

    def excess(self, residual, slope):
        """The largest share of its bound that an error takes; slope and residual round once each."""
        x = from_blocks(self.source.astype(np.float64))[None]
        y = conv2d(x, self.weight, self.bias.astype(np.float64), padding=1)
        bound = winograd(x, self.weight, self.bias.astype(np.float64), FLOAT32)
        u = FLOAT32.unit_roundoff
        golden, bound = np.maximum(y, slope * y), bound + u * (np.abs(slope * y) + bound)
        if residual:
            golden = golden + from_blocks(self.residual.astype(np.float64))
            bound = bound + u * (np.abs(golden) + bound)
        return np.max(np.abs(from_blocks(self.target) - golden[0]) / bound[0])


SLOPES = st.sampled_from([1.0, 0.0, 0.125])


@given(CHANNELS, CHANNELS, st.integers(1, 20), st.integers(1, 40), st.booleans(), SLOPES, st.integers(0, 99))
def test_block_maps_are_within_the_bound_and_equal_on_any_threads(
    channels, outputs, height, width, residual, slope, seed
):
    case = Case(channels, outputs, height, width, seed)
    first = case.run(residual, slope, 1)
    assert case.excess(residual, slope) <= 1
    for threads in (2, 4):
        scratch = [Scratch(scratch_sizes(width, channels)) for _ in range(threads)]
        np.testing.assert_array_equal(case.run(residual, slope, threads, scratch), first)
        assert all(buffers.intact() for buffers in scratch)
    assert case.maps.intact()


@pytest.mark.parametrize("channels", [60, 180])
def test_swinir_widths(channels):
    case = Case(channels, channels, 3, 17, channels)
    case.run(True, 1.0, 1)
    assert case.excess(True, 1.0) <= 1


def test_the_residual_may_be_the_target():
    case = Case(5, 7, 6, 19, 0)
    expected = case.run(True, 0.125, 1)
    case.target[:] = case.residual
    convolve(case.source, case.packed, case.bias, case.target, case.target, 0.125, 2)
    np.testing.assert_array_equal(case.target, expected)


def test_250_repetitions_are_equal():
    case = Case(9, 5, 20, 18, 0)
    first = case.run(True, 1.0, 2)
    assert all(np.array_equal(case.run(True, 1.0, 2), first) for _ in range(250))


def flipped(case):
    case.packed = pack(case.weight[..., ::-1])


def one_tap(case):
    weight = case.weight.copy()
    weight[2, 1, 0, 0] *= 1.01
    case.packed = pack(weight)


def next_channel(case):
    case.packed = np.roll(case.packed, 1)


@pytest.mark.parametrize("mutate", [flipped, one_tap, next_channel])
def test_the_bound_sees(mutate):
    case = Case(12, 10, 4, 20, 1)
    mutate(case)
    case.run(False, 1.0, 1)
    assert case.excess(False, 1.0) > 1


def test_maps_that_do_not_fit_are_refused():
    case = Case(4, 4, 2, 2, 0)
    with pytest.raises(ValueError, match="target"):
        convolve(case.source, case.packed, case.bias, case.target[:1])
    with pytest.raises(ValueError, match="packed"):
        convolve(case.source, case.packed[:-1], case.bias, case.target)
