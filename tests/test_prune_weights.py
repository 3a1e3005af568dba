"""Single weights of all linear layers: which go, and in rounds."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from removal import choose
from swinir_networks import FORMS, network
from test_prune import KINDS, plan_of

from karat.refimpl.prune import masked, removed, weights

PROOF = settings(max_examples=max(200, settings.default.max_examples))

FORM = st.sampled_from(sorted(FORMS))


def golden(form):
    model = network(form)[1]
    return replace(model, parameters={name: np.float64(value) for name, value in model.parameters.items()})


@PROOF
@given(FORM, st.floats(0.01, 0.99))
def test_the_smallest_weights_of_all_linear_layers_go(form, rate):
    model = golden(form)
    stay = weights.weight_masks(model, rate)
    assert list(stay) == [f"{layer}.weight" for layer, operator in model.layers.items() if operator == "linear"]
    sizes, kept = (np.concatenate([part[name].ravel() for name in stay]) for part in (model.parameters, stay))
    assert (~kept).sum() == round(rate * kept.size)
    assert np.abs(sizes[~kept]).max(initial=0) <= np.abs(sizes[kept]).min()
    done = weights.pruned(model, rate)
    for name, value in model.parameters.items():
        np.testing.assert_array_equal(done.parameters[name], value * stay.get(name, True))


@PROOF
@given(FORM, st.floats(0.05, 0.95), st.integers(1, 6))
def test_rounds_without_training_are_one_round(form, rate, count):
    model = done = golden(form)
    rates = list(weights.rounds(rate, count))
    assert rates == sorted(rates)
    shares = np.diff([0, *rates]) / (1 - np.array([0, *rates[:-1]]))
    np.testing.assert_allclose(shares, shares[0], rtol=1e-9)
    for one in rates:
        done = weights.pruned(done, one)
    once = weights.pruned(model, rate)
    for name in model.parameters:
        np.testing.assert_array_equal(done.parameters[name], once.parameters[name])


def after_a_plan(form, rate, what, seed, first=None, blind=False):
    """How far the masked and the removed form are apart, relatively, when single weights go afterwards."""
    model = weights.pruned(golden(form), first) if first else golden(form)
    plan = plan_of(model.config, choose(model.config, what, seed))
    small = weights.pruned(removed(model, plan), rate)
    zeros = weights.pruned(masked(model, plan), rate, None if blind else plan)
    for name in weights.linear_weights(model):
        assert np.count_nonzero(small.parameters[name]) == np.count_nonzero(zeros.parameters[name])
    side = round(model.config.positions**0.5)  # of the one size that a position embedding is for
    x = np.random.default_rng(seed).random((1, model.config.channels, *((side, side) if side else (9, 7))))
    expected = zeros(x)
    return np.linalg.norm(small(x) - expected) / np.linalg.norm(expected)


@PROOF
@given(
    FORM,
    st.floats(0.01, 0.99),
    st.lists(st.sampled_from(KINDS), unique=True),
    st.integers(0, 2**32 - 1),
    st.sampled_from([None, 0.3]),
)
def test_the_rate_is_of_what_units_leave_masked_or_removed(form, rate, what, seed, first):
    assert after_a_plan(form, rate, what, seed, first) <= 1e-12


def test_zeros_of_masked_units_that_use_up_the_rate_are_caught():
    with pytest.raises(AssertionError):
        after_a_plan("lightweight x3", 0.33, KINDS, 4, blind=True)


def test_a_plan_changes_nothing_for_a_network_without_one():
    model = golden("lightweight x3")
    whole = plan_of(model.config, choose(model.config, [], 0))
    for rate in (0.25, 0.33):
        one, other = (weights.weight_masks(model, rate, plan) for plan in (None, whole))
        assert all(np.array_equal(one[name], other[name]) for name in one)
