"""Data movement: the golden statement of it is what the golden model does, and labels find what values cannot."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import FORMS, configs, random_model, random_picture
from packages import Surgeon
from swinir_networks import FORMS as SWIN_FORMS
from swinir_networks import TAILS, explicit, network, random_swinir, swinir_arguments
from test_verify_defects import take_dcr_for_crd

from karat.convert.export.coreml import export
from karat.convert.fidelity import verify
from karat.convert.mil import open_package
from karat.refimpl.load import load
from karat.refimpl.models import quicksrnet
from karat.refimpl.ops.window_attention import split_heads


def moved(model, x):
    """Every stated movement gives the golden layer from the golden layer before, bit for bit."""
    golden = {"": x} | dict(model.trace(x))
    for layer, (source, function) in model.movements(x.shape[2:]).items():
        np.testing.assert_array_equal(function(golden[source]), golden[layer], err_msg=layer)
    return golden


@given(configs(), st.integers(0, 2**32 - 1))
def test_quicksrnet_moves_as_stated(config, seed):
    model = random_model(config, seed)
    moved(model, random_picture(config, seed))


@pytest.mark.parametrize("tail", TAILS, ids=str)
@given(st.data())
def test_swinir_moves_as_stated(tail, data):
    arguments, size = data.draw(swinir_arguments(tail))
    net = random_swinir(arguments, 3)
    model = load({name: value.numpy() for name, value in net.state_dict().items()}, **explicit(arguments))
    x = np.random.default_rng(0).random((1, arguments["in_chans"], *size))
    golden = moved(model, x)
    for layer, (source, _, function) in model.operands.items():
        operand = function(golden[source])
        block = layer.partition(":")[0]
        if layer.endswith(":scores"):
            np.testing.assert_allclose(golden[f"{block}:query"] @ operand, golden[layer], rtol=0, atol=1e-12)
        elif layer.endswith(":weighted_sum"):
            summed = (golden[f"{block}:softmax"] @ operand).swapaxes(1, 2)
            np.testing.assert_allclose(summed.reshape(golden[layer].shape), golden[layer], rtol=0, atol=1e-12)
        elif layer.endswith(":query"):
            ratio = golden[layer] / operand  # one number: the scale
            assert np.ptp(ratio) < 1e-12 * abs(ratio.flat[0]) * 16


@pytest.mark.parametrize("form", FORMS)
def test_every_rearrangement_of_quicksrnet_is_proved(tmp_path, form):
    subpixel, unshuffle, average = FORMS[form]
    config = quicksrnet.Config(4, 1, subpixel, unshuffle, average=average)
    model, x = random_model(config, 1), random_picture(config, 1)
    verdict = verify(model, open_package(export(model, tmp_path / "m.mlpackage", x.shape)), x)
    assert {movement.layer for movement in verdict.movements} == set(model.movements(x.shape[2:]))
    assert all(movement.count and not movement.wrong for movement in verdict.movements)


@pytest.mark.parametrize("sidecar", [True, False], ids=["sidecar", "foreign"])
@pytest.mark.parametrize("form", SWIN_FORMS)
def test_every_rearrangement_of_swinir_is_proved(tmp_path, form, sidecar):
    net, model = network(form)
    window = model.config.window
    x = np.random.default_rng(0).random((1, model.config.channels, 2 * window, 2 * window))
    package = export(net, tmp_path / "m.mlpackage", x.shape)
    if not sidecar:
        package.with_suffix(".pairing.json").unlink()
    verdict = verify(model, open_package(package), x)
    assert verdict.faithful is True
    assert [m for m in verdict.movements if not m.count or m.wrong] == []
    assert len([m for m in verdict.movements if m.operand]) >= 3 * len(model.config.depths)


def test_a_wrong_shuffle_is_called_where_no_value_tells(tmp_path):
    """The mutant: with weights of zero every pixel is the same, and the float64 run agrees to the last bit."""
    config = quicksrnet.Config(features=3, layers=0, subpixel=2)
    shapes = quicksrnet.parameter_shapes(config)
    model = quicksrnet.Model(quicksrnet, config, {key: np.zeros(shape, np.float32) for key, shape in shapes.items()})
    x = np.random.default_rng(0).random((1, 3, 4, 6))
    surgeon = Surgeon(export(model, tmp_path / "h.mlpackage", x.shape), tmp_path / "m.mlpackage")
    take_dcr_for_crd(surgeon)
    program = open_package(surgeon.save())
    np.testing.assert_array_equal(program.predict({"x": x}, profile="float64")["y"], model(x))
    verdict = verify(model, program, x)
    assert verdict.faithful is False
    assert (verdict.culprit.layer, verdict.culprit.kind) == ("depth_to_space", "structure")
    assert "comes from" in verdict.culprit.note


def test_heads_are_split_in_the_order_of_the_official_code():
    qkv = np.arange(12.0).reshape(1, 1, 12)  # 3 x 2 heads x 2
    q, k, v = split_heads(qkv, 2)
    assert q.ravel().tolist() == [0, 1, 2, 3]
    assert k.ravel().tolist() == [4, 5, 6, 7]
    assert v.ravel().tolist() == [8, 9, 10, 11]
