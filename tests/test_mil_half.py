"""Half precision conversions against NumPy's, bit for bit."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from karat.convert.mil import half
from karat.convert.mil.half import narrow, widen

EVERY_HALF = np.arange(2**16, dtype=np.uint16).view(np.float16)


def same(found, wanted):
    assert found.dtype == wanted.dtype
    assert_array_equal(found, wanted)  # NaN equals NaN
    numbers = ~np.isnan(wanted)
    assert_array_equal(np.signbit(found[numbers]), np.signbit(wanted[numbers]))


def test_every_half_widened():
    same(widen(EVERY_HALF), EVERY_HALF.astype(np.float32))
    finite = EVERY_HALF[np.isfinite(EVERY_HALF)]  # the others go another way
    same(widen(finite), finite.astype(np.float32))


@given(st.integers(0, 2**32 - 1), st.sampled_from([2**32, 2**31, 2**20]))
def test_any_bits_narrowed(seed, span):
    bits = np.random.default_rng(seed).integers(0, span, half.FEW, dtype=np.uint64).astype(np.uint32)
    x = bits.view(np.float32)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        same(narrow(x), x.astype(np.float16))
        small = x[np.abs(x) < 65520]
        small = np.resize(small, half.FEW) if small.size else np.zeros(half.FEW, np.float32)
        same(narrow(small), small.astype(np.float16))


def test_ties_and_their_neighbours_narrowed():
    halves = EVERY_HALF[np.isfinite(EVERY_HALF)].astype(np.float32)
    middles = (np.sort(halves)[1:] + np.sort(halves)[:-1]) / 2
    x = np.concatenate([halves, middles, np.nextafter(middles, np.float32(0)), np.nextafter(middles, np.float32(1e9))])
    same(narrow(x), x.astype(np.float16))


def test_blocks_and_shapes():
    x = np.random.default_rng(0).normal(size=(3, 7, 2**13)).astype(np.float32).transpose(2, 0, 1)
    same(narrow(x), x.astype(np.float16))
    same(widen(narrow(x)), x.astype(np.float16).astype(np.float32))
    same(narrow(x[::2, 1:, :-1]), x[::2, 1:, :-1].astype(np.float16))
    same(narrow(x.astype(">f4")), x.astype(np.float16))
    same(widen(narrow(x).astype(">f2")), x.astype(np.float16).astype(np.float32))
    assert narrow(np.float32(1)[None][0:0]).shape == (0,)


def test_subnormals_survive_a_thread_that_flushes_them():
    assert torch.set_flush_denormal(True) in (True, False)
    try:
        same(widen(EVERY_HALF), EVERY_HALF.astype(np.float32))
    finally:
        torch.set_flush_denormal(False)
