"""The evidence of every operation: recomputation, shadow and bound, and the gain that hides below the bounds."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import random_model
from swinir_networks import network
from test_verify_defects import CONFIG, MODEL, SHAPE, FaultyDevice, X

from karat.convert.export.coreml import export
from karat.convert.fidelity import verify
from karat.convert.fidelity.arithmetic import _gain, _magnitudes
from karat.convert.fidelity.budget import Budget, error_budget
from karat.convert.mil import open_package
from karat.convert.torch_models import twin
from karat.refimpl.load import load
from karat.refimpl.numerics.formats import FLOAT16, nearest, spacing


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return open_package(export(MODEL, tmp_path_factory.mktemp("m") / "m.mlpackage", SHAPE))


@pytest.fixture(scope="module")
def swin(tmp_path_factory):
    net, model = network("lightweight x3")
    path = export(net, tmp_path_factory.mktemp("s") / "s.mlpackage", (1, 3, 8, 12))
    return model, open_package(path), np.random.default_rng(0).random((1, 3, 8, 12))


def test_the_shadow_is_the_float64_run_in_whatever_order_it_is_asked_for(program):
    exact = {r.name: r.value for r in program.trace({"x": X}, profile="float64")}
    records = list(program.trace({"x": X}))
    for record in [*records, *reversed(list(program.trace({"x": X}))), records[3]]:
        np.testing.assert_array_equal(record.shadow, exact[record.name])


@pytest.mark.parametrize("profile", ["fp32-accumulate", "float32", "float64"])
def test_no_honest_operation_leaves_its_bound(swin, profile):
    _, program, x = swin
    for record in program.trace({"x": x}, profile=profile):
        if record.value.dtype.kind == "f":
            assert record.bound is not None, record.op_type
            assert np.all(record.local_error <= record.bound), record.name


def test_what_is_made_here_and_what_came_in_is_the_whole_error(program):
    for record in program.trace({"x": X}):
        if record.value.dtype.kind == "f":
            whole = record.value.astype(np.float64) - record.shadow
            parts = (record.value.astype(np.float64) - record.exact) + (record.exact - record.shadow)
            np.testing.assert_allclose(whole, parts, rtol=0, atol=1e-15)
            np.testing.assert_array_equal(np.abs(record.value - record.exact), record.local_error)


class Record:
    """What `_gain` asks of a record."""

    def __init__(self, exact):
        self.exact, self.bound = exact, spacing(exact, FLOAT16) / 2


@given(st.integers(0, 2**32 - 1), st.sampled_from([64, 1000, 60000]))
def test_honest_rounding_has_no_gain(seed, count):
    exact = np.random.default_rng(seed).normal(size=count) * 3
    gain, limit = _gain(Record(exact), nearest(exact, FLOAT16), FLOAT16)
    assert abs(gain) < limit


@given(st.integers(0, 2**32 - 1), st.sampled_from([1 + 2.0**-13, 1 - 2.0**-13]))
def test_a_gain_far_below_the_rounding_is_seen(seed, factor):
    exact = np.random.default_rng(seed).normal(size=60000)
    gain, limit = _gain(Record(exact), nearest(factor * exact, FLOAT16), FLOAT16)
    assert abs(gain) > limit
    assert gain == pytest.approx(factor - 1, rel=0.5)


def test_equal_results_are_one_observation():
    """A flat picture rounds the same way everywhere: that is no gain."""
    exact = np.full(60000, 1 + 2.0**-12)
    gain, limit = _gain(Record(exact), nearest(exact, FLOAT16), FLOAT16)
    assert abs(gain) < limit


@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-6, 1e-4, 1e-3, 0.02]))
def test_results_that_share_a_rounding_are_one_observation(seed, spread):
    """Of a nearly flat picture thousands of different results round to one number, and are off by the same."""
    rng = np.random.default_rng(seed)
    exact = np.repeat(rng.normal(size=32), 500) + spread * rng.normal(size=16000)
    gain, limit = _gain(Record(exact), nearest(exact, FLOAT16), FLOAT16)
    assert abs(gain) < limit


@pytest.mark.parametrize("base", [0.37, 191 / 255, 0.8])
@pytest.mark.parametrize("share", [0.01, 0.3])
def test_a_nearly_flat_picture_is_not_blamed(tmp_path, base, share):
    model = load("zoo:quicksrnet-small-x2")
    rng = np.random.default_rng(0)
    x = np.round(255 * base) / 255 + (rng.random((1, 3, 96, 96)) < share) / 255
    verdict = verify(model, open_package(export(model, tmp_path / "m.mlpackage", x.shape)), x)
    assert verdict.faithful is True, verdict.summary()[-1]


def naive_softmax(tensor, dim):
    e = torch.exp(tensor)
    return e / e.sum(dim, keepdim=True)


def test_an_overflow_inside_a_layer_is_called(tmp_path, monkeypatch):
    """A softmax without its maximum: the sum is infinite in half precision, the weights are zero, all is finite."""
    net, _ = network("real-world x4")
    with torch.no_grad():
        net.layers[0].residual_group.blocks[0].attn.relative_position_bias_table += 9.5
    model = load({name: value.numpy() for name, value in net.state_dict().items()})
    x = np.random.default_rng(1).random((1, 3, 8, 8))
    monkeypatch.setattr(torch.Tensor, "softmax", naive_softmax)
    package = export(net, tmp_path / "m.mlpackage", x.shape)
    monkeypatch.undo()
    verdict = verify(model, open_package(package), x)
    assert verdict.faithful is False
    assert (verdict.culprit.verdict, verdict.culprit.layer[-8:]) == ("overflow", ":softmax")
    assert verdict.range_report()["largest"] == np.inf


def test_a_bend_that_no_layer_has_is_not_called_faithful(tmp_path):
    """It acts beyond what both inputs reach: they agree in every bit."""

    class Bent(torch.nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module = module
            self.module.conv_last.register_forward_hook(lambda m, i, y: torch.minimum(y, torch.full((1,), 50.0)))

        def forward(self, x):
            return self.module(x)

    verdict = verify(MODEL, open_package(export(Bent(twin(MODEL)), tmp_path / "m.mlpackage", SHAPE)), X)
    assert verdict.faithful is not True
    honest = verify(MODEL, open_package(export(MODEL, tmp_path / "h.mlpackage", SHAPE)), X)
    assert honest.faithful is True


@pytest.mark.parametrize("gain", [1.001, 1 + 2.0**-13])
def test_a_gain_on_correctly_rounded_stores_is_called(swin, gain):
    model, program, x = swin
    honest = verify(model, program, x)
    kinds = ["linear", "conv", "softmax", "layer_norm"]
    kinds += ["gelu"] if gain > 1.0005 else []  # whose results are halves already: a smaller gain leaves them
    for kind in kinds:
        row = next(r for r in honest.rows if r.operator == kind and r.measured and r.measured.largest > 0)
        device = FaultyDevice(program, row.variable, lambda y: (y.astype(np.float64) * gain).astype(y.dtype))
        verdict = verify(model, device, x)
        found = next(figures for figures in verdict.operators if figures.name == row.variable)
        assert found.wrong, kind
        assert (verdict.culprit.layer, verdict.culprit.kind) == (row.layer, "arithmetic"), kind


def test_magnitudes_are_counted_by_octave():
    counts = _magnitudes(np.array([0.0, 2.0**-26, 2.0**-25, 1.0, 1.9, 2.0**16, np.inf]))
    assert (counts[0], counts[1], counts[26], counts[42]) == (2, 1, 2, 2)
    assert sum(counts) == 7


@pytest.mark.parametrize("options", [{}, {"precision": "float32"}, {"storage": "float32"}], ids=str)
def test_the_budget_adds_up(tmp_path, options):
    x = np.random.default_rng(2).random((1, 3, 24, 24))
    model = random_model(CONFIG, 7)
    program = open_package(export(model, tmp_path / "m.mlpackage", x.shape, **options))
    budget = error_budget(verify(model, program, x), model, program, x)
    assert abs(budget.gap) < 0.5, budget
    assert budget.causes["input"] >= 0
    assert "within" in budget.lines()[1]


def test_the_budget_of_a_transformer_adds_up(swin):
    model, program, x = swin
    budget = error_budget(verify(model, program, x), model, program, x)
    assert abs(budget.gap) < 0.5, budget
    assert {"weights", "constants", "arithmetic of softmax", "arithmetic of layer_norm"} <= set(budget.causes)


def test_what_a_budget_does_not_explain_is_said(program):
    """The mutant: a device that is off without an operation that says so."""
    budget = Budget({"weights": 1e-6, "input": 1e-7}, total=4e-6)
    assert "unexplained" in budget.lines()[1]
    assert "twice" in Budget({"weights": 4e-6}, total=1e-6).lines()[1]
