"""Counted operations are those behind the tensors that the golden model gives."""

from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import configs, random_model, random_picture
from removal import choose, remove_from_swinir
from swinir_networks import FORMS, network

from karat.app.bench.flops import count_flops
from karat.refimpl.load import load


def counted_on_tensors(model, x):
    """Operations by kind: two for every product behind every element that the golden model really gives."""
    query = None
    totals = {"linear": 0, "attention": 0, "convolution": 0}
    for layer, y in model.trace(x):
        weight = model.parameters.get(f"{layer}.weight")
        if layer.endswith(":query"):
            query = y  # (B nW, heads, N, d)
        elif layer.endswith(":scores"):  # (B nW, heads, N, N) of sums over d
            totals["attention"] += 2 * y.size * query.shape[-1]
        elif layer.endswith(":weighted_sum"):  # (B nW, N, C) of sums over N keys
            totals["attention"] += 2 * y.size * y.shape[1]
        elif weight is not None and weight.ndim > 1:
            totals["convolution" if weight.ndim == 4 else "linear"] += 2 * y.size * prod(weight.shape[1:])
    return totals


@given(configs(), st.integers(1, 4), st.integers(1, 4))
def test_flops_are_those_of_the_tensors_of_a_quicksrnet(config, rows, columns):
    x = random_picture(config, 0, (rows, columns))
    model = random_model(config, 0)
    assert count_flops(model, *x.shape[2:]) == counted_on_tensors(model, x)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [(14, 14), (9, 14)])
def test_flops_are_those_of_the_tensors_of_a_swinir(form, size):
    model = network(form)[1]
    size = (8, 8) if model.config.positions else size
    counted = count_flops(model, *size)
    assert counted == counted_on_tensors(model, np.zeros((1, model.config.channels, *size)))
    block = "layers.0.residual_group.blocks.1."
    part = count_flops(model, *size, within=block)
    assert 2 * part["attention"] == counted["attention"] > 0 == part["convolution"]  # one of two blocks
    assert 2 * part["linear"] == counted["linear"]


@pytest.mark.parametrize("seed", range(3))
def test_flops_of_a_swinir_without_some_heads_and_channels(seed):
    model = network("classical x2, 3conv")[1]
    kept = choose(model.config, {"heads", "queries", "values", "hidden"}, seed)
    removed = remove_from_swinir(model, kept)[1]
    counted = count_flops(removed, 8, 8)
    assert counted == counted_on_tensors(removed, np.zeros((1, 3, 8, 8)))
    assert counted["attention"] < count_flops(model, 8, 8)["attention"]


def test_flops_of_the_judged_network():
    pixels = 256 * 256
    total = sum(count_flops(load("zoo:light-x2-test"), 256, 256).values())
    assert total / pixels == pytest.approx(2.09e6, rel=0.01)
