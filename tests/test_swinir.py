"""The golden SwinIR against its PyTorch twin, over all forms; and what is derived, counted and refused."""

import json
from collections import Counter
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from swinir_networks import TAILS, arrays, explicit, random_swinir, swinir_arguments, traced

from karat.convert.torch_models import twin
from karat.convert.torch_models.swin_blocks import SwinTransformerBlock, Widths
from karat.convert.torch_models.swinir import SwinIR
from karat.refimpl.checkpoint import read_checkpoint
from karat.refimpl.errors import BadInput
from karat.refimpl.load import load
from karat.refimpl.models.swinir import parameter_shapes

REACHED = Counter()
FEWER = settings(
    max_examples=max(5, settings.default.max_examples // 4)
)  # a whole network each, for each of eight tails


def count(arguments, size, window):
    height, width = size
    REACHED[arguments["upsampler"], arguments["upscale"]] += 1
    REACHED["shifted"] += any(d > 1 for d in arguments["depths"]) and arguments["img_size"] > arguments["window_size"]
    REACHED["padded"] += bool(height % window or width % window)
    REACHED["single window"] += height <= window and width <= window
    REACHED["built for one window"] += arguments["img_size"] <= window
    REACHED["non-square"] += height != width
    for name, value in arguments.items():
        if name in (
            "in_chans",
            "qkv_bias",
            "qk_scale",
            "ape",
            "patch_norm",
            "img_range",
            "resi_connection",
            "window_size",
        ):
            REACHED[name, value] += 1


SIDES = st.integers(1, 3)


@given(SIDES, SIDES, st.integers(2, 5), st.integers(1, 2))
def test_the_twin_that_traces_cleanly_is_the_straightforward_form(rows, columns, w, batch):
    """Windows are cut by one permutation of six axes, and masks by slices, as the papers' own figures show."""
    height, width, c = rows * w, columns * w, 3
    block = SwinTransformerBlock(c, (8 * w, 8 * w), Widths(1, c, c, 2 * c), w // 2, w, True, None)
    x = torch.arange(batch * height * width * c).reshape(batch, height, width, c)
    six = x.view(batch, rows, w, columns, w, c).permute(0, 1, 3, 2, 4, 5)  # (B, H/w, W/w, w, w, C)
    windows = six.reshape(-1, w * w, c)
    assert torch.equal(block.partition(x, height, width), windows)
    back = windows.view(batch, rows, columns, w, w, c).permute(0, 1, 3, 2, 4, 5).reshape(batch, height, width, c)
    assert torch.equal(block.reverse(windows, height, width), back)
    assert torch.equal(back, x)
    region, cuts = torch.zeros(1, height, width, 1), (slice(0, -w), slice(-w, -(w // 2)), slice(-(w // 2), None))
    for number, (i, j) in enumerate(product(cuts, cuts)):
        region[:, i, j] = number
    tokens = region.view(1, rows, w, columns, w, 1).permute(0, 1, 3, 2, 4, 5).reshape(-1, w * w)
    apart = tokens.unsqueeze(1) - tokens.unsqueeze(2)
    assert torch.equal(block.mask(height, width), apart.masked_fill(apart != 0, -100.0))


@FEWER
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def equals_the_twin(tail, data, seed):
    arguments, size = data.draw(swinir_arguments(tail))
    net = random_swinir(arguments, seed)
    model = load(arrays(net), **explicit(arguments))
    x = np.random.default_rng(seed).random((1 + seed % 2, arguments["in_chans"], *size))
    golden, other = dict(model.trace(x)), traced(net, x)
    assert list(golden) == list(model.layers)
    for layer, value in golden.items():
        assert value.shape == tuple(other[layer].shape), layer
        assert np.linalg.norm(value - other[layer].numpy()) <= 1e-10 * np.linalg.norm(value), layer
    assert golden[":crop"].shape == (len(x), x.shape[1], *(tail[1] * n for n in size))
    leaves = {name for name, module in net.named_modules() if not list(module.children()) and name in other}
    assert leaves <= set(golden), "a module that the golden side does not name"
    count(arguments, size, arguments["window_size"])


def test_equals_the_twin_at_every_layer_and_step():
    """And the draws reached every combination."""
    REACHED.clear()
    for tail in TAILS:
        equals_the_twin(tail)
    wanted = [*TAILS, "shifted", "padded", "single window", "built for one window", "non-square"]
    wanted += [("in_chans", 1), ("in_chans", 3), ("qk_scale", None), ("qk_scale", 0.3), ("img_range", 255.0)]
    wanted += [(name, value) for name in ("qkv_bias", "ape", "patch_norm") for value in (True, False)]
    wanted += [("resi_connection", kind) for kind in ("1conv", "3conv")] + [("window_size", n) for n in (2, 3, 4, 7)]
    assert [key for key in wanted if not REACHED[key]] == []


@FEWER
@given(st.sampled_from(TAILS).flatmap(swinir_arguments), st.integers(0, 99))
def test_the_configuration_is_read_off_the_shapes(drawn, seed):
    arguments, _ = drawn
    model = load(arrays(random_swinir(arguments, seed)), **explicit(arguments))
    config = model.config
    assert config.depths == tuple(arguments["depths"])
    assert config.num_heads == tuple(arguments["num_heads"])
    assert (config.upsampler, config.upscale) == (arguments["upsampler"], arguments["upscale"])
    assert config.window == min(arguments["window_size"], arguments["img_size"])
    assert config.hidden == int(12 * arguments["mlp_ratio"])
    again = twin(model, torch.float64)  # loads strictly: the same keys, buffers apart
    side = arguments["img_size"] if arguments["ape"] else arguments["window_size"]
    x = torch.rand(1, config.channels, side, side, dtype=torch.float64)
    with torch.no_grad():
        assert torch.equal(again(x), random_swinir(arguments, seed)(x))


CLASSICAL = {
    "img_size": 64,
    "window_size": 8,
    "embed_dim": 180,
    "depths": [6] * 6,
    "num_heads": [6] * 6,
    "mlp_ratio": 2,
}
LIGHT = CLASSICAL | {"embed_dim": 60, "depths": [6] * 4, "num_heads": [6] * 4}


@pytest.mark.parametrize(
    ("arguments", "parameters"),
    [
        (CLASSICAL | {"upscale": 2, "upsampler": "pixelshuffle"}, 11_752_487),
        (LIGHT | {"upscale": 2, "upsampler": "pixelshuffledirect"}, 910_152),
        (CLASSICAL | {"upscale": 2, "upsampler": "nearest+conv"}, 11_678_631),
        (CLASSICAL | {"upscale": 4, "upsampler": "nearest+conv"}, 11_715_559),
    ],
    ids=["classical x2", "lightweight x2", "real-world x2", "real-world x4"],
)
def test_the_official_forms_have_their_published_size(arguments, parameters):
    net = SwinIR(**arguments)
    assert sum(p.numel() for p in net.parameters()) == parameters
    config = load(arrays(net)).config
    assert sum(int(np.prod(shape)) for shape in parameter_shapes(config).values()) == parameters


def test_the_network_of_another_project_gives_its_stored_output(data):
    """Random weights with official keys, computed elsewhere: mean 0, slope 0.2, the shuffle the other way round."""
    folder = data / "weights/tiny_swinir_random_lgpl"
    parameters = read_checkpoint(folder / "tiny_swinir.safetensors")
    stored = json.loads((folder / "tiny_swinir_io.json").read_text())
    rows = np.arange(16).reshape(2, 2, 4).T.ravel()  # (column, row, channel) to our (channel, row, column)
    theirs = {
        ":normalise.value": np.zeros((3, 1, 1)),
        ":denormalise.value": np.zeros((3, 1, 1)),
        "conv_before_upsample.1.slope": 0.2,
        "upsample.0.weight": parameters["upsample.0.weight"][rows],
        "upsample.0.bias": parameters["upsample.0.bias"][rows],
    }
    y = load(parameters).carrying(theirs)(np.array(stored["input"], np.float64)[None])
    np.testing.assert_allclose(y[0], stored["image"], rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"norm.weight": (5,)}, "norm.weight has shape"),
        ({"layers.0.residual_group.blocks.0.attn.qkv.weight": (36, 13)}, "qkv.weight has shape"),
        ({"conv_first.weight": ()}, "expected the shapes of a SwinIR"),
    ],
)
def test_a_wrong_shape_is_named(change, says):
    arguments = {"img_size": 4, "embed_dim": 12, "depths": [2], "num_heads": [2], "window_size": 2, "upscale": 1}
    parameters = arrays(SwinIR(**arguments)) | {name: np.zeros(shape, np.float32) for name, shape in change.items()}
    with pytest.raises(BadInput, match=says):
        load(parameters)


def test_another_size_than_the_position_embedding_s_is_refused():
    arguments = {"img_size": 4, "embed_dim": 12, "depths": [1], "num_heads": [2], "window_size": 2, "ape": True}
    model = load(arrays(SwinIR(**arguments)))
    assert model(np.zeros((1, 3, 4, 4))).shape == (1, 3, 4, 4)
    with pytest.raises(BadInput, match="position embedding"):
        model(np.zeros((1, 3, 6, 4)))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"upsampler": "nearest+conv", "upscale": 3}, "x2 and x4"),
        ({"upsampler": "pixelshuffle", "upscale": 6}, "powers of two and 3"),
        ({"upsampler": "bicubic"}, "upsampler is 'bicubic'"),
        ({"patch_size": 2}, "patches of one pixel"),
    ],
)
def test_what_the_official_code_would_get_wrong_is_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        SwinIR(img_size=4, embed_dim=12, depths=[1], num_heads=[2], window_size=2, **arguments)


def test_a_checkpoint_s_masks_are_not_trusted():
    """They are for the size that the network was built for, and may hold anything."""
    arguments = {"img_size": 16, "embed_dim": 12, "depths": [2], "num_heads": [2], "window_size": 4, "upscale": 1}
    net = random_swinir(arguments, 0)
    parameters = arrays(net)
    mask = "layers.0.residual_group.blocks.1.attn_mask"
    assert parameters[mask].shape == (16, 16, 16)
    model = load(parameters | {mask: np.full_like(parameters[mask], 7)})
    x = np.random.default_rng(0).random((1, 3, 12, 8))
    with torch.no_grad():
        expected = net(torch.from_numpy(x)).numpy()
        again = twin(model, torch.float64)(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(model(x), expected, rtol=1e-12)
    np.testing.assert_allclose(again, expected, rtol=1e-12)
