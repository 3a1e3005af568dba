"""The direct convolution of a feature map agrees with the plain one."""

import gc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import ENOUGH, assert_no_worse, clean_map, dirty_map, from_map
from kernel_guards import guarded

from karat.kernels.maps import direct
from karat.kernels.maps.direct import Conv3x3
from karat.refimpl.ops import conv2d, leaky_relu


class Case:
    """Random pictures, a convolution with a leaky ReLU behind it and a residual behind that."""

    def __init__(self, size=(9, 11), channels=(5, 14), side=3, slope=0.2, residual=True, seed=0):
        rng = np.random.default_rng(seed)
        made = channels[1]
        count = -(-ENOUGH // (made * size[0] * size[1]))
        self.x = rng.normal(0, 1, (count, channels[0], *size)).astype(np.float32)
        self.weight = rng.normal(0, (channels[0] * side**2) ** -0.5, (made, channels[0], side, side)).astype(np.float32)
        self.bias = rng.normal(0, 0.5, made).astype(np.float32)
        self.residual = rng.normal(0, 1, (count, made, *size)).astype(np.float32) if residual else None
        self.slope, self.size = slope, size

    def reference(self):
        """In float64."""
        x, weight, bias = (value.astype(np.float64) for value in (self.x, self.weight, self.bias))
        y = leaky_relu(conv2d(x, weight, bias, padding=weight.shape[-1] // 2), self.slope)
        return y if self.residual is None else y + self.residual

    def twin(self):
        """In float32, one term after the other. (A library's product for one output channel adds in so many lanes that
        it is off by a third of that: luck which no kernel has to match.)"""
        rim = self.weight.shape[-1] // 2
        x = np.pad(self.x, ((0, 0), (0, 0), (rim, rim), (rim, rim)))  # (N, C, H, W)
        height, width = self.size
        y = np.zeros((len(x), len(self.weight), height, width), np.float32) + self.bias[:, None, None]
        for channel, row, column in np.ndindex(self.weight.shape[1:]):
            tap = x[:, channel, None, row : row + height, column : column + width]  # (N, 1, H, W)
            y += tap * self.weight[:, channel, row, column, None, None]
        y = leaky_relu(y, self.slope)
        return y if self.residual is None else y + self.residual

    def run(self, threads=1, source=clean_map, in_place=False, change=None):
        """On the kernel, between guards."""
        results = []
        with guarded() as guards:
            packed = Conv3x3(self.weight, self.bias, self.slope)
            if change is not None:
                change(packed)
            guards.poison = True
            for i, pixels in enumerate(self.x):
                feature_map = source(pixels)
                residual = None if self.residual is None else dirty_map(self.residual[i])
                shape = (*feature_map.shape[:2], packed.out_channels, 16)
                target = residual if in_place else guards.aligned(shape)
                packed(feature_map, target, residual, threads)
                results.append(from_map(target, *self.size))
            guards.check()
        return np.stack(results)


@given(
    st.tuples(st.integers(1, 19), st.integers(1, 19)),
    st.tuples(st.integers(1, 20), st.integers(1, 30)),
    st.sampled_from([1, 3]),
    st.sampled_from([0.0, 0.01, 0.2, 1.0]),
    st.sampled_from(["none", "own", "target"]),
    st.integers(1, 3),
    st.integers(0, 2**32 - 1),
)
def test_a_convolution_is_no_worse_than_its_twin(size, channels, side, slope, residual, threads, seed):
    case = Case(size, channels, side, slope, residual != "none", seed)
    fast = case.run(threads, in_place=residual == "target")
    assert_no_worse(case.reference(), case.twin(), fast)


def test_bits_do_not_depend_on_threads_or_on_chance():
    case = Case()
    assert len({case.run(threads).tobytes() for threads in (1, 2, *[4] * 248)}) == 1


def test_nothing_is_freed_early():
    case = Case()
    expected, packed = case.run(), Conv3x3(case.weight.copy(), case.bias.copy(), case.slope)
    gc.collect()
    sizes = [value.nbytes for value in (packed.weight, packed.bias, packed.slope, packed.zeros)]
    garbage = [np.full(size + 64, 0xFF, np.uint8) for size in sizes * 20]
    target = dirty_map(case.residual[0])
    packed(clean_map(case.x[0]), target, target, 2)
    del garbage
    np.testing.assert_array_equal(from_map(target, *case.size), expected[0])


# mutants


def _tap_transposed(packed):
    packed.weight[...] = (
        packed.weight.reshape(*packed.weight.shape[:2], 3, 3, -1).swapaxes(2, 3).reshape(packed.weight.shape)
    )


def _one_input_less(packed):
    packed.weight[:, -1] = 0


def _bias_of_the_next_channel(packed):
    packed.bias[...] = np.roll(packed.bias, 1)


def _slope_dropped(packed):
    packed.slope[...] = 1


@pytest.mark.parametrize("change", [_tap_transposed, _one_input_less, _bias_of_the_next_channel, _slope_dropped])
def test_a_wrong_convolution_is_caught(change):
    case = Case()
    with pytest.raises(AssertionError):
        assert_no_worse(case.reference(), case.twin(), case.run(change=change))


def test_a_slope_behind_the_residual_is_caught():
    case, plain = Case(), Case(slope=1.0)
    golden, twin = case.reference(), case.twin()
    with pytest.raises(AssertionError):
        assert_no_worse(golden, twin, leaky_relu(plain.run(), case.slope))


@pytest.mark.parametrize("size", [(9, 12), (12, 9)])
def test_what_lies_outside_the_picture_is_caught(size):
    case = Case(size)
    with pytest.raises(AssertionError):
        assert_no_worse(case.reference(), case.twin(), case.run(source=dirty_map))


def test_the_guards_see_a_strip_that_is_too_short(monkeypatch):
    case = Case((4, 4))
    case.run()
    monkeypatch.setattr(direct, "TILE", direct.TILE - 64)
    with pytest.raises(AssertionError, match="written behind"):
        case.run()


def test_the_guards_see_a_channel_too_many():
    case = Case((4, 4), residual=False)

    def run():
        with guarded() as guards:
            packed = Conv3x3(case.weight, case.bias)
            packed(clean_map(case.x[0]), guards.aligned((1, 1, packed.out_channels - 1, 16)))

    with pytest.raises(AssertionError, match="written behind"):
        run()
