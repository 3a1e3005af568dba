"""Numbers with errors: whatever float32 computes lies within the error, or nothing is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from karat.refimpl.numerics.formats import FLOAT32
from karat.refimpl.numerics.running import Rounded, exactly, held

FORMULAS = {
    "add": lambda x, y: x + y,
    "polynomial": lambda x, y: (x * x - y) * x + x * y,
    "quotient": lambda x, y: x / (y * y + x * x),
    "difference of squares": lambda x, y: (x + y) * (x - y) - (x * x - y * y),
}
SINGLE = st.floats(width=32, allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize("name", FORMULAS)
@given(SINGLE, SINGLE)
def test_float32_stays_within_the_error(name, x, y):
    formula = FORMULAS[name]
    with np.errstate(all="ignore"):
        bound = formula(exactly(x, FLOAT32), exactly(y, FLOAT32))
        found = float(formula(np.float32(x), np.float32(y)))
    if np.isfinite(bound.error):
        assert abs(found - bound.exact) <= bound.error
        assert abs(found) < np.inf


@given(st.lists(SINGLE, min_size=1, max_size=40))
def test_sums_and_roots_in_any_order(values):
    x = np.array(values, np.float32)
    with np.errstate(all="ignore"):
        bound = (exactly(x, FLOAT32) * exactly(x, FLOAT32)).sum((0,)).sqrt()
        for order in (x, x[::-1], np.sort(x)):
            found = float(np.sqrt(np.add.accumulate(order * order, dtype=np.float32)[-1]))
            assert np.isinf(bound.error[0]) or abs(found - bound.exact[0]) <= bound.error[0]


@given(SINGLE)
def test_functions(x):
    with np.errstate(all="ignore"):
        for function in (np.exp, np.tanh, np.expm1, np.arctan):
            bound = (exactly(x, FLOAT32) * held(0.1, FLOAT32)).apply(function)
            found = float(function(np.float32(x) * np.float32(0.1)))
            assert np.isinf(bound.error) or abs(found - bound.exact) <= bound.error


def test_a_rounding_that_is_forgotten_is_noticed():
    """The mutant: 0.1 taken as a number of the format."""
    x = np.float32(3)
    found = float(x * np.float32(0.1)) * 2.0**20
    honest = exactly(x, FLOAT32) * held(0.1, FLOAT32) * exactly(2.0**20, FLOAT32)
    forgetful = Rounded(honest.exact, np.zeros(()), FLOAT32)
    assert abs(found - honest.exact) <= honest.error
    assert not abs(found - forgetful.exact) <= forgetful.error
