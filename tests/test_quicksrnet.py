"""The golden QuickSRNet against its PyTorch twin, and against what the paper says of it."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import FORMS, configs, random_model, random_picture

from karat.convert.torch_models import twin
from karat.refimpl.errors import BadInput
from karat.refimpl.load import load
from karat.refimpl.models import quicksrnet

REACHED = Counter()


def traced(module, x):
    """Output of every leaf module by path, in execution order."""
    outputs, hooks = {}, []
    for name, child in module.named_modules():
        if not list(child.children()):
            hooks.append(child.register_forward_hook(lambda m, i, out, name=name: outputs.__setitem__(name, out)))
    with torch.no_grad():
        module(torch.from_numpy(x))
    for hook in hooks:
        hook.remove()
    return {name: value.numpy() for name, value in outputs.items()}


@given(data=st.data())
def equals_the_twin(form, input_to_output, data):
    config = data.draw(configs(form, input_to_output), label="config")
    seed = data.draw(st.integers(0, 2**32 - 1), label="seed")
    blocks = data.draw(st.tuples(st.integers(1, 6), st.integers(1, 6)), label="blocks")
    model, x = random_model(config, seed, np.float64), random_picture(config, seed, blocks)
    golden, other = dict(model.trace(x)), traced(twin(model, torch.float64), x)
    assert list(golden) == list(model.layers)
    assert set(golden) == set(other)
    for layer, value in golden.items():
        assert value.shape == other[layer].shape, layer
        assert np.linalg.norm(value - other[layer]) <= 1e-12 * np.linalg.norm(value), layer
    REACHED[form, input_to_output, config.layers > 0] += 1
    REACHED["square" if blocks[0] == blocks[1] else "non-square"] += 1


def test_equals_the_twin_layer_by_layer_in_float64():
    """And the draws reached every form."""
    REACHED.clear()
    for form, input_to_output in product(FORMS, (False, True)):
        equals_the_twin(form, input_to_output)
    wanted = [*product(FORMS, (False, True), (False, True)), "square", "non-square"]
    assert [key for key in wanted if not REACHED[key]] == []


@given(configs(), st.integers(0, 2**32 - 1))
def test_the_configuration_is_read_off_the_shapes(config, seed):
    model = load(dict(random_model(config, seed).parameters), average=config.average)
    assert model.config == config


@given(configs(), st.integers(0, 2**32 - 1), st.tuples(st.integers(1, 5), st.integers(1, 5)))
def test_identity_initialisation_is_nearest_neighbour(config, seed, blocks):
    x = random_picture(config, seed, blocks)
    y = quicksrnet.identity(config)(x)
    factor = config.subpixel / config.unshuffle
    rows, columns = ((np.arange(int(n * factor)) / factor).astype(int) for n in x.shape[2:])
    nearest = x[:, :, rows][:, :, :, columns]
    if config.average > 1:  # the mean of a 2 x 2 block of the threefold picture
        n, c, h, w = nearest.shape
        nearest = nearest.reshape(n, c, h // 2, 2, w // 2, 2).mean((3, 5))
    np.testing.assert_allclose(y, nearest, rtol=0, atol=1e-15)


def test_the_last_clip_comes_before_the_shuffle():
    """Averaging makes the order visible: the mean of clipped pixels is not the clipped mean."""
    config = quicksrnet.Config(3, 0, 3, average=2)
    model = quicksrnet.identity(config, {"conv_last.bias": np.tile([-0.9, 0.9, 0.0], 9)})
    clipped = dict(model.trace(np.full((1, 3, 2, 2), 0.5)))
    assert clipped["clip_output"].min() == 0
    assert clipped["clip_output"].max() == 1
    assert 0 < clipped["average_pool"].min() < clipped["average_pool"].max() < 1


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_computes_in_the_type_of_the_picture(dtype):
    config = quicksrnet.Config(4, 1, 2)
    model = random_model(config, 0)
    assert all(value.dtype == dtype for _, value in model.trace(random_picture(config, 0).astype(dtype)))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"cnn.2.weight": (4, 5, 3, 3)}, "cnn.2.weight has shape"),
        ({"conv_last.weight": (13, 4, 3, 3)}, "conv_last.weight has shape"),
        ({"cnn.0.bias": (5,)}, "cnn.0.bias has shape"),
        ({"cnn.0.weight": ()}, "has shape"),
        ({"extra": (1,)}, "no such key"),
    ],
)
def test_a_wrong_shape_is_named(change, says):
    shapes = quicksrnet.parameter_shapes(quicksrnet.Config(4, 1, 2)) | change
    with pytest.raises(BadInput, match=says):
        load({name: np.zeros(shape, np.float32) for name, shape in shapes.items()})


def test_an_unknown_network_and_a_needless_argument_are_refused():
    with pytest.raises(BadInput, match="keys such as a, b"):
        load({"a": np.zeros(1), "b": np.zeros(1)})
    parameters = dict(random_model(quicksrnet.Config(4, 1, 2), 0).parameters)
    with pytest.raises(BadInput, match="does not take img_range"):
        load(parameters, img_range=255)
    with pytest.raises(BadInput, match="average=2"):
        load(parameters, average=2)


@pytest.mark.parametrize(
    "x", [np.zeros((1, 3, 4, 4), np.uint8), np.zeros((3, 4, 4)), np.zeros((1, 1, 4, 4)), np.zeros((1, 3, 5, 4)), [1.0]]
)
def test_a_wrong_picture_is_refused(x):
    with pytest.raises(BadInput, match="the picture"):
        random_model(quicksrnet.Config(4, 1, 3, 2), 0)(x)
