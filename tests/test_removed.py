"""Networks from which heads and channels were removed unevenly equal those where they were set to zero."""

import tempfile
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import configs, random_model, random_picture
from removal import (
    assert_same,
    choose,
    in_chain,
    in_swinir,
    quicksrnet_chain,
    remove_from_chain,
    remove_from_swinir,
    some,
    tail_chain,
)
from swinir_networks import FORMS, TAILS, explicit, network, random_swinir, swinir_arguments

from karat.convert.export import coreml
from karat.convert.torch_models import twin
from karat.refimpl.checkpoint import write_safetensors
from karat.refimpl.errors import BadInput
from karat.refimpl.load import load
from karat.refimpl.models import Model, quicksrnet
from karat.refimpl.models.swinir import query_scale

FEWER = settings(max_examples=max(5, settings.default.max_examples // 2))  # two whole networks each
KINDS = ("heads", "queries", "values", "hidden")
REACHED = Counter()


def golden(arguments, seed):
    state = random_swinir(arguments, seed).state_dict()
    return load({name: value.numpy() for name, value in state.items()}, **explicit(arguments))


def picture(model, size, seed):
    return np.random.default_rng(seed).random((1, model.config.channels, *size))


def reloaded(model, **explicit):
    """The model saved as safetensors and loaded again."""
    with tempfile.TemporaryDirectory() as folder:
        write_safetensors(f"{folder}/m.safetensors", model.parameters)
        return load(f"{folder}/m.safetensors", **explicit)


def assert_loads_again(model, x, **explicit):
    again = reloaded(model, **explicit)
    assert again.config == model.config
    assert again.fingerprint == model.fingerprint
    np.testing.assert_array_equal(again(x), model(x))


@FEWER
@given(
    st.sampled_from(TAILS).flatmap(swinir_arguments),
    st.lists(st.sampled_from(KINDS), min_size=1, unique=True),
    st.integers(0, 2**32 - 1),
)
def removed_is_masked(drawn, what, seed):
    arguments, size = drawn
    model = golden(arguments, seed)
    kept = choose(model.config, what, seed)
    masked, removed = remove_from_swinir(model, kept, **explicit(arguments))
    x = picture(model, size, seed)
    assert_same(masked, removed, x, in_swinir(model.config, kept))
    assert list(removed.config.paths.values()) == [one.block for one in kept.values()]
    if not {"queries", "values"} & set(what):
        assert removed.config.num_heads == model.config.num_heads
    assert_loads_again(removed, x, **explicit(arguments))
    blocks = set(removed.config.paths.values())
    REACHED.update([*what, "uneven" if removed.config.uneven else "even"])
    REACHED["blocks differ"] += len(blocks) > 1
    REACHED["own value width"] += any(block.qk_width != block.v_width for block in blocks)
    REACHED["shifted"] += any(":shift_back" in layer for layer in removed.layers)


def test_a_swinir_without_some_heads_and_channels_is_the_masked_one():
    """And the draws reached every kind."""
    REACHED.clear()
    removed_is_masked()
    wanted = [*KINDS, "uneven", "blocks differ", "own value width", "shifted"]
    assert [key for key in wanted if not REACHED[key]] == []


@FEWER
@given(st.data(), configs(), st.integers(0, 2**32 - 1))
def test_a_quicksrnet_without_some_features_is_the_masked_one(data, config, seed):
    model, x = random_model(config, seed, np.float64), random_picture(config, seed)
    chain, rng = quicksrnet_chain(config), np.random.default_rng(seed)
    kept = [some(rng, config.features, data.draw(st.integers(1, config.features), label="least")) for _ in chain]
    masked, removed = remove_from_chain(model, chain, kept, config.unshuffle**2, average=config.average)
    assert_same(masked, removed, x, in_chain(chain, kept))
    assert removed.config.widths == tuple(map(len, kept))
    assert removed.config.even == (len(set(map(len, kept))) == 1)
    assert replace(removed.config, features=config.features) == config
    assert_loads_again(removed, x, average=config.average)


@FEWER
@given(st.sampled_from([tail for tail in TAILS if tail[0] in ("pixelshuffle", "nearest+conv")]), st.integers(0, 99))
def test_a_tail_without_some_features_is_the_masked_one(tail, seed):
    form = {"img_size": 8, "embed_dim": 6, "depths": [1], "num_heads": [1], "window_size": 4, "mlp_ratio": 1.0}
    arguments = form | {"upsampler": tail[0], "upscale": tail[1], "img_range": 1.0, "qk_scale": None}
    model, rng = golden(arguments, seed), np.random.default_rng(seed)
    chain = tail_chain(model.config)
    kept = [some(rng, 64) for _ in chain]
    masked, removed = remove_from_chain(model, chain, kept, **explicit(arguments))
    x = picture(model, (4, 8), seed)
    assert_same(masked, removed, x, in_chain(chain, kept))
    assert removed.config.tail == tuple(map(len, kept))
    assert model.config == replace(removed.config, tail=())
    assert_loads_again(removed, x, **explicit(arguments))


def two_blocks(what=("heads", "hidden"), seed=4, form="lightweight x3"):
    """(model, kept, explicit) of a small network."""
    _, model = network(form)
    explicit = {"img_range": model.config.img_range, "qk_scale": model.config.qk_scale}
    return model, choose(model.config, what, seed), explicit


@FEWER
@given(st.sampled_from(sorted(FORMS)), st.integers(0, 2**32 - 1))
def test_what_karat_knows_of_every_layer_holds(form, seed):
    """Movements, operands and the scale are those of the block, which comparisons rely on."""
    model, kept, explicit = two_blocks(KINDS, seed, form)
    _, removed = remove_from_swinir(model, kept, **explicit)
    size = (2 * model.config.window,) * 2
    x = picture(model, size, seed)
    values = dict(removed.trace(x))
    for layer, (source, move) in removed.movements(size).items():
        np.testing.assert_array_equal(move(values[source] if source else x), values[layer])
    constants = removed.expressions(size)
    for layer, (source, _, take) in removed.operands.items():
        block, operand = layer.partition(":")[0], take(values[source])
        if layer.endswith(":query"):
            np.testing.assert_array_equal(operand * constants[f"{layer}.value"], values[layer])
        elif layer.endswith(":scores"):
            np.testing.assert_array_equal(values[f"{block}:query"] @ operand, values[layer])
        elif layer.endswith(":weighted_sum"):
            summed = (values[f"{block}:softmax"] @ operand).swapaxes(1, 2)
            np.testing.assert_array_equal(summed.reshape(values[layer].shape), values[layer])


PATH = "layers.0.residual_group.blocks.0"
TABLE, QKV, PROJ = (f"{PATH}.attn.{n}" for n in ("relative_position_bias_table", "qkv.weight", "proj.weight"))


def wrong_slices(model, kept):
    """Parameter by mutant: each has the right shape and holds the wrong slice."""
    one, d = kept[PATH], kept[PATH].d
    p = {name: np.asarray(value) for name, value in model.parameters.items()}
    channels, heads = model.config.embed_dim, model.config.num_heads[0]
    return {
        "proj columns of the wrong head": {PROJ: p[PROJ][:, (one.columns + d) % channels]},
        "bias-table column off by one": {TABLE: p[TABLE][:, (one.heads + 1) % heads]},
        "a qkv row off by one": {QKV: p[QKV][(one.rows(channels) + 1) % (3 * channels)]},
        "qkv of the wrong head": {QKV: p[QKV][(one.rows(channels) + d) % (3 * channels)]},
        "qkv bias not moved": {f"{PATH}.attn.qkv.bias": p[f"{PATH}.attn.qkv.bias"][: len(one.rows(channels))]},
        "fc2 column off by one": {
            f"{PATH}.mlp.fc2.weight": p[f"{PATH}.mlp.fc2.weight"][:, (one.hidden + 1) % model.config.hidden]
        },
        "the scale of the narrower head": {f"{PATH}.attn:query.value": np.array(one.queries.shape[1] ** -0.5)},
    }


def a_case():
    """A network of three heads without its first, and without some channels."""
    model, kept, explicit = two_blocks(KINDS)
    kept[PATH] = replace(
        kept[PATH],
        heads=np.array([1, 2]),
        queries=np.array([[0, 2, 3], [0, 1, 3]]),
        values=np.array([[1, 2], [0, 3]]),
    )
    return model, kept, explicit


@pytest.mark.parametrize("mutant", [None, *wrong_slices(*a_case()[:2])])
def test_a_wrong_slice_is_caught(mutant):
    model, kept, explicit = a_case()
    masked, removed = remove_from_swinir(model, kept, **explicit)
    x = picture(model, (8, 8), 0)
    if mutant is None:
        return assert_same(masked, removed, x, in_swinir(model.config, kept))
    changed = load({**removed.parameters, **wrong_slices(model, kept)[mutant]}, **explicit)
    with pytest.raises(AssertionError):
        assert_same(masked, changed, x, in_swinir(model.config, kept))
    return None


def test_a_wrong_slice_of_quicksrnet_is_caught():
    config = quicksrnet.Config(5, 1, 2)
    model, kept = random_model(config, 0, np.float64), [np.array([0, 3]), np.array([1, 2, 4])]
    masked, removed = remove_from_chain(model, quicksrnet_chain(config), kept)
    shifted = {"cnn.2.weight": model.parameters["cnn.2.weight"][kept[1]][:, kept[0] + 1]}
    changed, x = load({**removed.parameters, **shifted}), random_picture(config, 0)
    part = in_chain(quicksrnet_chain(config), kept)
    assert_same(masked, removed, x, part)
    with pytest.raises(AssertionError, match=r"cnn\.2"):
        assert_same(masked, changed, x, part)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({PROJ: (12, 9)}, "attn.proj.weight has shape"),  # one column too many for two heads
        ({PROJ: (12, 12)}, "attn.qkv.weight leaves 3 .* and 6 to its values"),  # none removed
        ({PROJ: (12, 14)}, "attn.proj.weight has shape"),
        ({PROJ: (11, 8)}, "attn.proj.weight has shape"),
        ({QKV: (23, 12)}, "attn.qkv.weight has shape"),
        ({QKV: (8, 12)}, "attn.qkv.weight has shape"),
        ({TABLE: (49, 3)}, "attn.proj.weight has shape"),
        ({TABLE: (49, 0)}, "relative_position_bias_table"),
        ({TABLE: (48, 2)}, "relative_position_bias_table has shape"),
        ({f"{PATH}.attn.qkv.bias": (36,)}, "attn.qkv.bias has shape"),
        ({f"{PATH}.mlp.fc1.weight": (0, 12)}, "mlp.fc1.weight"),
        ({f"{PATH}.mlp.fc2.weight": (12, 25)}, "mlp.fc2.weight has shape"),
        ({f"{PATH}.attn:query.value": (2,)}, "query.value has shape"),
    ],
)
def test_inconsistent_shapes_are_refused_and_named(change, says):
    model, kept, explicit = two_blocks(("heads",))
    kept[PATH] = replace(kept[PATH], heads=np.array([0, 2]), queries=kept[PATH].queries[:1].repeat(2, 0))
    kept[PATH] = replace(kept[PATH], values=kept[PATH].queries)
    _, removed = remove_from_swinir(model, kept, **explicit)
    assert removed.config.blocks[0][0].heads == 2
    broken = {name: np.zeros(shape, np.float32) for name, shape in change.items()}
    with pytest.raises(BadInput, match=says) as error:
        load({**removed.parameters, **broken})
    assert str(error.value).count(". ") == 0, "one sentence"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"cnn.0.weight": (0, 3, 3, 3), "cnn.0.bias": (0,), "cnn.2.weight": (4, 0, 3, 3)},
            "no feature left",
        ),
        ({"cnn.0.weight": (3, 3, 3, 3)}, "cnn.0.bias has shape"),
        ({"cnn.0.weight": (3, 3, 3, 3), "cnn.0.bias": (3,)}, "cnn.2.weight has shape"),
        ({"conv_last.weight": (12, 3, 3, 3)}, "conv_last.weight has shape"),
    ],
)
def test_inconsistent_shapes_of_quicksrnet_are_refused_and_named(change, says):
    shapes = quicksrnet.parameter_shapes(quicksrnet.Config(4, 1, 2)) | change
    with pytest.raises(BadInput, match=says):
        load({name: np.zeros(shape, np.float32) for name, shape in shapes.items()})


@pytest.mark.parametrize("what", ["queries", "values"])
def test_a_scale_that_cannot_be_told_is_asked_for(what):
    """Explicit, or carried by the checkpoint: never guessed."""
    model, kept, _ = two_blocks((what,), form="real-world x4")
    masked, removed = remove_from_swinir(model, kept)
    plain = {name: value for name, value in removed.parameters.items() if not name.endswith("query.value")}
    with pytest.raises(BadInput, match="qk_scale="):
        load(plain)
    x, part = picture(model, (8, 8), 0), in_swinir(model.config, kept)
    given = load(plain, qk_scale=kept[PATH].d ** -0.5)
    assert_same(masked, given, x, part)
    assert query_scale(given.config, given.parameters, PATH) == kept[PATH].d ** -0.5
    if what == "queries":
        with pytest.raises(AssertionError):
            assert_same(masked, load(plain, qk_scale=1.0), x, part)


def test_a_checkpoint_as_built_carries_no_scale():
    """The twins would not read it."""
    _, model = network("real-world x4")
    with pytest.raises(BadInput, match=r"query\.value has shape"):
        load({**model.parameters, f"{PATH}.attn:query.value": np.array(0.5)})


def test_a_network_that_is_as_narrow_everywhere_still_has_a_twin():
    """15 of 22 hidden channels: 22 x (15 / 22) is less than 15 in floating point."""
    form = {"img_size": 8, "embed_dim": 22, "depths": [2], "num_heads": [2], "window_size": 4, "mlp_ratio": 1.0}
    arguments = form | {"upscale": 1, "img_range": 1.0, "qk_scale": None}
    model = golden(arguments, 0)
    kept = {path: replace(one, hidden=np.arange(15)) for path, one in choose(model.config, (), 0).items()}
    _, removed = remove_from_swinir(model, kept, **explicit(arguments))
    assert removed.config.even
    x = picture(model, (8, 8), 0)
    with torch.no_grad():
        y = twin(removed, torch.float64)(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(y, removed(x), rtol=1e-12)


def test_what_no_constructor_builds_is_not_exported(tmp_path):
    """Features that are gone from the convolutions around the blocks."""
    arguments = {"img_size": 8, "embed_dim": 6, "depths": [1], "num_heads": [1], "window_size": 4, "mlp_ratio": 1.0}
    classical = golden(arguments | {"upsampler": "pixelshuffle", "upscale": 2, "img_range": 1.0, "qk_scale": None}, 0)
    chain = tail_chain(classical.config)
    _, removed = remove_from_chain(classical, chain, [np.arange(60) for _ in chain])
    config = quicksrnet.Config((3, 4), 1, 2)
    zeros = {name: np.zeros(shape, np.float32) for name, shape in quicksrnet.parameter_shapes(config).items()}
    for uneven in (removed, Model(quicksrnet, config, zeros)):
        with pytest.raises(BadInput, match="were removed"):
            twin(uneven)
        with pytest.raises(BadInput, match="were removed"):
            coreml.export(uneven, tmp_path / "m.mlpackage", (1, 3, 8, 8))
