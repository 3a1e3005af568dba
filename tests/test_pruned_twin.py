"""The PyTorch twin of a network from which heads and channels were removed, layer by layer."""

import copy
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from removal import apply, assert_same, choose, in_swinir, remove_from_swinir, swinir_cuts
from swinir_networks import TAILS, arrays, explicit, network, random_swinir, swinir_arguments, traced

from karat.convert.torch_models import swin_blocks, twin
from karat.convert.torch_models.swin_blocks import Widths
from karat.convert.torch_models.swinir import SwinIR
from karat.refimpl.checkpoint import write_safetensors
from karat.refimpl.load import load

PROOF = settings(max_examples=max(200, settings.default.max_examples))
KINDS = ("heads", "queries", "values", "hidden")
PATH = "layers.0.residual_group.blocks.0"
SCALE = f"{PATH}.attn:query.value"
REACHED = Counter()


class Twin:
    """A model's float64 twin, traced as the model is."""

    def __init__(self, model):
        self.layers, self.net = model.layers, twin(model, torch.float64)

    def trace(self, x):
        values = traced(self.net, x)
        return [(layer, values[layer].numpy()) for layer in self.layers]


def whole(layer, value):
    return value


@PROOF
@given(
    st.sampled_from(TAILS).flatmap(swinir_arguments),
    st.lists(st.sampled_from(KINDS), min_size=1, unique=True),
    st.integers(0, 2**32 - 1),
)
def removed_twin_is_masked(drawn, what, seed):
    """At every layer to 1e-12; and the golden reference of the removed network at every layer."""
    arguments, size = drawn
    model = load(arrays(random_swinir(arguments, seed)), **explicit(arguments))
    kept = choose(model.config, what, seed)
    masked, removed = remove_from_swinir(model, kept, **explicit(arguments))
    x = np.random.default_rng(seed).random((1 + seed % 2, model.config.channels, *size))
    small = Twin(removed)
    assert_same(Twin(masked), small, x, in_swinir(model.config, kept))
    assert_same(removed, small, x, whole)
    again = load(arrays(small.net), **explicit(arguments))  # float64: nothing is rounded
    assert again.config == removed.config
    assert again.fingerprint == removed.fingerprint
    REACHED.update(what)
    REACHED["blocks differ"] += len(set(removed.config.paths.values())) > 1
    REACHED["own value width"] += any(block.qk_width != block.v_width for block in removed.config.paths.values())
    REACHED["shifted"] += any(":shift_back" in layer for layer in removed.layers)
    REACHED["scale stored"] += SCALE in removed.parameters
    REACHED["scale not stored"] += SCALE not in removed.parameters


def test_the_removed_twin_is_the_masked_one():
    """And the draws reached every kind."""
    REACHED.clear()
    removed_twin_is_masked()
    wanted = [*KINDS, "blocks differ", "own value width", "shifted", "scale stored", "scale not stored"]
    assert [key for key in wanted if not REACHED[key]] == []


def case(what=KINDS, form="lightweight x3"):
    """(model, kept, masked, removed) of a form whose blocks have three heads of four channels, or two of six."""
    _, model = network(form)
    kept = choose(model.config, what, 4)
    explicit = {"img_range": model.config.img_range, "qk_scale": model.config.qk_scale}
    return model, kept, *remove_from_swinir(model, kept, **explicit)


def gradients(model, x, memory_format=torch.contiguous_format):
    """Of the sum of squares of the output, by parameter."""
    net = twin(model, x.dtype).train().to(memory_format=memory_format)
    net(x.to(memory_format=memory_format)).square().sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    return {name: p.grad.numpy() for name, p in net.named_parameters()}


@given(st.lists(st.sampled_from(KINDS), min_size=1, unique=True), st.integers(0, 2**32 - 1))
def test_what_is_left_is_trained_as_in_the_masked_twin(what, seed):
    _, model = network("real-world x4", seed % 100)
    kept = choose(model.config, what, seed)
    masked, removed = remove_from_swinir(model, kept)
    x = torch.rand(2, 3, 8, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    expected = apply(gradients(masked, x), swinir_cuts(model.config, kept), "removed")
    for memory_format in (torch.contiguous_format, torch.channels_last):
        for name, gradient in gradients(removed, x, memory_format).items():
            error = np.linalg.norm(gradient - expected[name])
            assert error <= 1e-12 * np.linalg.norm(expected[name]), name


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_float32_is_as_near_as_that_of_the_network_as_it_was(memory_format):
    """Law 2: twice the error of the plain twin of the same precision, and the rounding of the result."""
    model, _, _, removed = case()
    x = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))

    def error(of):
        golden = of(x.double().numpy())
        with torch.no_grad():
            y = twin(of).to(memory_format=memory_format)(x.to(memory_format=memory_format))
        assert y.dtype == torch.float32
        return np.linalg.norm(y.double().numpy() - golden) / np.linalg.norm(golden)

    assert error(removed) <= 2 * error(model) + 2**-24


def test_a_scale_is_kept_as_it_is_in_every_precision(tmp_path):
    """0.4 is no float32, and the twin of that precision still stores 0.4."""
    _, _, _, removed = case(("queries",))
    net = copy.deepcopy(twin(removed)).half().float()
    assert net.state_dict()[SCALE].dtype == torch.float64
    write_safetensors(tmp_path / "m.safetensors", net.state_dict())
    torch.save(net.state_dict(), tmp_path / "m.pth")
    for name in ("m.safetensors", "m.pth"):
        assert load(tmp_path / name, qk_scale=0.4).config == removed.config
        assert load(tmp_path / name).parameters[SCALE] == 0.4
    other = twin(removed)
    other.load_state_dict({name: 2 * value for name, value in net.state_dict().items()})
    assert other.layers[0].residual_group.blocks[0].attn.scale == 0.8
    assert SCALE not in twin(case(("heads",))[3]).state_dict()


def test_a_missing_scale_and_one_too_many_are_refused():
    _, _, _, removed = case(("queries",))
    net = twin(removed)
    state = net.state_dict()
    without = {name: value for name, value in state.items() if name != SCALE}
    assert len(without) == len(state) - 1
    with pytest.raises(RuntimeError, match=f"Missing key.*{SCALE}"):
        net.load_state_dict(without)
    assert net.load_state_dict(without, strict=False).missing_keys == [SCALE]
    as_built, _ = network("lightweight x3")
    with pytest.raises(RuntimeError, match=f"Unexpected key.*{SCALE}"):
        as_built.load_state_dict(as_built.state_dict() | {SCALE: state[SCALE]})


def test_widths_of_other_blocks_are_refused():
    with pytest.raises(ValueError, match="widths are of 1, 2 blocks"):
        SwinIR(depths=[1, 1], num_heads=[6, 6], widths=[[Widths(1, 2, 3, 4)], [Widths(1, 2, 3, 4)] * 2])
    with pytest.raises(ValueError, match="longer than argument 1"):
        SwinIR(depths=[1, 1], num_heads=[6])
    with pytest.raises(ValueError, match="give a multiple of each"):
        SwinIR(embed_dim=10, depths=[1], num_heads=[3])


def test_the_constructor_alone_builds_uneven_blocks():
    """Initialised as the official one is, and ready to be trained from nothing."""
    widths = [[Widths(2, 3, 5, 7), Widths(1, 8, 2, 20, query_scale=0.5)]]
    net = SwinIR(img_size=8, embed_dim=12, depths=[2], num_heads=[2], window_size=4, upscale=1, widths=widths)
    model = load(arrays(net), qk_scale=0.25)
    assert [tuple(vars(b).values()) for b in model.config.paths.values()] == [(2, 3, 5, 7), (1, 8, 2, 20)]
    assert net.layers[0].residual_group.blocks[0].attn.scale == 3**-0.5
    assert net(torch.rand(1, 3, 9, 7)).shape == (1, 3, 9, 7)


def rolled(part):
    return lambda p: p | {part: np.roll(p[part], 1, axis=1 if part.endswith(("proj.weight", "table")) else 0)}


STATE_MUTANTS = {
    "a bias row off by one": rolled(f"{PATH}.attn.relative_position_bias_table"),
    "qkv rows off by one": rolled(f"{PATH}.attn.qkv.weight"),
    "qkv bias off by one": rolled(f"{PATH}.attn.qkv.bias"),
    "proj columns off by one": rolled(f"{PATH}.attn.proj.weight"),
    "hidden rows off by one": rolled(f"{PATH}.mlp.fc1.weight"),
}


def prove(masked, removed, model, kept, change=lambda p: p):
    x, small = np.random.default_rng(0).random((1, 3, 8, 8)), Twin(removed)
    state = change(arrays(small.net))
    small.net.load_state_dict({name: torch.from_numpy(np.asarray(value)) for name, value in state.items()})
    assert_same(Twin(masked), small, x, in_swinir(model.config, kept))


@pytest.mark.parametrize("mutant", [None, *STATE_MUTANTS])
def test_a_wrong_slice_is_caught(mutant):
    model, kept, masked, removed = case(("heads", "queries", "values", "hidden"), "real-world x4")
    if mutant is None:
        return prove(masked, removed, model, kept)
    with pytest.raises(AssertionError):
        prove(masked, removed, model, kept, STATE_MUTANTS[mutant])
    return None


def test_a_proj_column_that_was_not_removed_is_caught():
    model, kept, masked, removed = case()
    proj = f"{PATH}.attn.proj.weight"
    with pytest.raises(RuntimeError, match=r"size mismatch for .*attn\.proj\.weight"):
        prove(masked, removed, model, kept, lambda p: p | {proj: np.pad(p[proj], [(0, 0), (0, 1)])})


def narrower_scale(attention):
    attention.scale = attention.qk_width**-0.5


def values_first(attention):
    right = attention._split

    def wrong(qkv):
        values = attention.heads * attention.v_width
        return right(torch.cat([qkv[..., -values:], qkv[..., :-values]], -1))

    attention._split = wrong


def heads_outside(attention):
    """Rows read as the channels of every head, instead of the heads' channels."""
    right = attention._split

    def wrong(qkv):
        q, k, v = right(qkv)
        return q.transpose(1, 3).reshape(q.shape), k, v

    attention._split = wrong


@pytest.mark.parametrize("mutant", [None, narrower_scale, values_first, heads_outside])
def test_a_wrong_attention_is_caught(mutant, monkeypatch):
    model, kept, masked, removed = case(("queries", "values"))
    right = swin_blocks.WindowAttention.forward

    def forward(self, x, mask):
        if mutant and self.qk_width < 4:  # what was removed from
            mutant(self)
        return right(self, x, mask)

    monkeypatch.setattr(swin_blocks.WindowAttention, "forward", forward)
    if mutant is None:
        return prove(masked, removed, model, kept)
    with pytest.raises(AssertionError, match=r"query|scores"):
        prove(masked, removed, model, kept)
    return None
