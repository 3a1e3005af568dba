"""Single weights of all linear layers: which go, and in rounds."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from swinir_networks import FORMS, network

from karat.refimpl.prune import weights

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
