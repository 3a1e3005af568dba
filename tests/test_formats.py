"""Rounding and units in the last place against NumPy's own half precision."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from karat.refimpl.numerics.formats import FLOAT16, FLOAT32, FORMATS, nearest, spacing

HALVES = st.floats(width=16, allow_nan=False, allow_infinity=False)


@given(HALVES)
def test_spacing_is_the_gap_to_the_next_number(x):
    if abs(x) < FLOAT16.largest:
        gap = np.abs(np.float64(np.nextafter(np.float16(x), np.float16(np.copysign(np.inf, x)))) - x)
        assert spacing(x, FLOAT16) == gap


@given(st.integers(0, 2**64 - 1), st.floats(-70000, 70000))
def test_nearest_is_what_a_conversion_gives(bits, common):
    x = np.array([np.uint64(bits).view(np.float64), common, common * 1e-6, 65519.999, 65520.0, -0.0])
    for name, fmt in FORMATS.items():
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(nearest(x, fmt), x.astype(name).astype(np.float64))


def test_limits_are_numpy_s():
    for name, fmt in FORMATS.items():
        info = np.finfo(name)
        assert fmt.largest == info.max
        assert fmt.unit_roundoff == info.eps / 2
        assert fmt.smallest_subnormal == info.smallest_subnormal
        assert 2.0**fmt.min_exponent == info.smallest_normal
    assert FLOAT16.largest == 65504
    assert FLOAT32.unit_roundoff == 2**-24
