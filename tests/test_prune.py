"""What was removed computes what the masked network does: every layer, every plan."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from removal import assert_same, choose, in_swinir, remove_from_swinir
from swinir_networks import TAILS, explicit, network, random_swinir, swinir_arguments

from karat.refimpl.checkpoint import write_safetensors
from karat.refimpl.errors import BadInput
from karat.refimpl.load import load
from karat.refimpl.models import Model
from karat.refimpl.models.seeded import CONFIGS, seeded_model
from karat.refimpl.prune import Cut, Plan, channels, count, heads, masked, masks, remove, removed, scores, weights

PROOF = settings(max_examples=max(200, settings.default.max_examples))
KINDS = scores.KINDS
PATH = "layers.0.residual_group.blocks.0"
REACHED = Counter()


def plan_of(config, kept):
    """The plan that leaves what is kept."""
    cuts = {}
    for path, one in kept.items():
        block, place = config.paths[path], {head: i for i, head in enumerate(one.heads.tolist())}

        def channels(stay, width, block=block, place=place):
            gone = [np.setdiff1d(np.arange(width), stay[place[h]]) if h in place else [] for h in range(block.heads)]
            return tuple(tuple(map(int, row)) for row in gone)

        queries, values = channels(one.queries, block.qk_width), channels(one.values, block.v_width)
        goes, hidden = (
            np.setdiff1d(np.arange(n), k).tolist() for n, k in ((block.heads, one.heads), (block.hidden, one.hidden))
        )
        cuts[path] = Cut(tuple(goes), queries, values, tuple(hidden))
    return Plan(cuts)


def same_parameters(a, b):
    assert a.parameters.keys() == b.parameters.keys()
    for name, value in a.parameters.items():
        np.testing.assert_array_equal(value, b.parameters[name], name)


def by_definition(model, plan):
    """Zeros only where a unit is read, and where queries are computed: enough to silence it, and plainly so."""
    last = {name: mask for name, mask in masks(model, plan).items() if name.endswith(("proj.weight", "fc2.weight"))}
    silent = remove.silenced(model, last)
    parameters = dict(silent.parameters)
    for path, cut in plan.cuts.items():
        block = model.config.paths[path]
        for head, gone in enumerate(cut.queries):
            rows = [head * block.qk_width + channel for channel in gone]
            for name in {f"{path}.attn.qkv.weight", f"{path}.attn.qkv.bias"} & parameters.keys():
                parameters[name] = parameters[name].copy()
                parameters[name][rows] = 0
    return replace(silent, parameters=parameters)


@PROOF
@given(
    st.sampled_from(TAILS).flatmap(swinir_arguments),
    st.lists(st.sampled_from(KINDS), unique=True),
    st.sampled_from([None, 0.1, 0.5]),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def removed_is_masked(drawn, what, rate, half, seed):
    """Of every configuration; also of networks with single weights pruned, and of those rounded to 16 bits."""
    arguments, size = drawn
    state = random_swinir(arguments, seed).state_dict()
    model = load({name: value.numpy() for name, value in state.items()}, **explicit(arguments))
    model = weights.pruned(model, rate) if rate else model
    if half:
        model = replace(model, parameters={n: np.float16(v).astype(float) for n, v in model.parameters.items()})
    kept = choose(model.config, what, seed)
    plan = plan_of(model.config, kept)
    zeros, small = masked(model, plan), removed(model, plan)
    x = np.random.default_rng(seed).random((1, model.config.channels, *size))
    assert_same(zeros, small, x, in_swinir(model.config, kept))
    expected = by_definition(model, plan)(x)
    assert np.linalg.norm(zeros(x) - expected) <= 1e-12 * np.linalg.norm(expected)
    assert [small.config.paths[path] for path in kept] == [one.block for one in kept.values()]
    same_parameters(masked(zeros, plan), zeros)
    same_parameters(removed(zeros, plan), small)
    for ours, theirs in zip((zeros, small), remove_from_swinir(model, kept, **explicit(arguments)), strict=True):
        assert theirs.parameters.keys() - {f"{path}.attn:query.value" for path in kept} <= ours.parameters.keys()
        for name in ours.parameters.keys() & theirs.parameters.keys():
            np.testing.assert_array_equal(ours.parameters[name], theirs.parameters[name], name)
    again = load(small.parameters, **explicit(arguments), shifted=model.config.shifted)
    assert again.config == small.config
    np.testing.assert_array_equal(again(x), small(x))
    REACHED.update([*what, *(["half"] if half else []), *(["weights"] if rate else [])])
    REACHED["uneven"] += bool(small.config.uneven)
    REACHED["scale stored"] += any(name.endswith("query.value") for name in small.parameters)


def test_removed_is_masked():
    """And the draws reached every kind."""
    REACHED.clear()
    removed_is_masked()
    assert [key for key in [*KINDS, "half", "weights", "uneven", "scale stored"] if not REACHED[key]] == []


@PROOF
@given(
    st.sampled_from(TAILS).flatmap(swinir_arguments),
    st.lists(st.sampled_from(["queries", "values"]), min_size=1, unique=True),
    st.sampled_from(KINDS),
    st.integers(0, 2**32 - 1),
)
def test_channels_of_some_blocks_go_and_others_stay_whole(drawn, what, more, seed):
    """All blocks then store the scale that they were trained with: their widths no more tell it."""
    arguments, size = drawn
    state = random_swinir(arguments, seed).state_dict()
    model = load({name: value.numpy() for name, value in state.items()}, **explicit(arguments))
    whole, some = choose(model.config, [], seed), choose(model.config, [*what, more], seed)
    rng = np.random.default_rng(seed)
    cut = [path for path in whole if rng.random() < 0.5] or [next(iter(whole))]
    plan = Plan({path: plan_of(model.config, some).cuts[path] for path in cut})
    zeros, small = masked(model, plan), removed(model, plan)
    x = rng.random((1, model.config.channels, *size))
    assert_same(zeros, small, x, in_swinir(model.config, whole | {path: some[path] for path in cut}))
    stored = [path for path in whole if f"{path}.attn:query.value" in small.parameters]
    assert stored == (list(whole) if _any_channel(plan) else [])


def _any_channel(plan):
    return any(any(map(len, (*cut.queries, *cut.values))) for cut in plan.cuts.values())


@pytest.mark.parametrize("kind", ["queries", "values"])
def test_a_scale_of_the_cut_block_alone_is_refused(kind):
    """The mutant of the property above."""
    model = network("lightweight x3")[1]
    small = removed(model, Plan({PATH: replace(Cut(), **{kind: ((0,), (1,), (2,))})}))
    other = "layers.0.residual_group.blocks.1.attn:query.value"
    assert load(small.parameters).config.paths == small.config.paths
    with pytest.raises(BadInput):
        load({name: value for name, value in small.parameters.items() if name != other})


def a_case():
    """(model, plan, kept) of a network of three heads that loses one, and channels of the others."""
    _, model = network("lightweight x3")
    model = replace(model, parameters={name: np.float64(value) for name, value in model.parameters.items()})
    kept = choose(model.config, KINDS, 4)
    kept[PATH] = replace(
        kept[PATH],
        heads=np.array([0, 2]),
        queries=np.array([[0, 2, 3], [0, 1, 3]]),
        values=np.array([[1, 2], [0, 3]]),
        hidden=np.arange(5, 21),
    )
    return model, plan_of(model.config, kept), kept


def rolled(stay):
    return np.roll(stay, 1)


def one_more(stay):
    return stay | (np.arange(len(stay)) == np.argmin(stay))


# (in which form, parameter, what stays of it instead)
CUT_MUTANTS = {
    "a proj column not removed": ("removed", "attn.proj.weight", one_more),
    "a proj column of another head": ("removed", "attn.proj.weight", rolled),
    "a bias-table column off by one": ("removed", "attn.relative_position_bias_table", rolled),
    "a bias-table column not removed": ("removed", "attn.relative_position_bias_table", one_more),
    "qkv rows off by one": ("removed", "attn.qkv.weight", rolled),
    "qkv bias off by one": ("removed", "attn.qkv.bias", rolled),
    "a hidden bias off by one": ("removed", "mlp.fc1.bias", rolled),
    "fc2 columns off by one": ("removed", "mlp.fc2.weight", rolled),
    "masked: a proj column of another head": ("masked", "attn.proj.weight", rolled),
    "masked: bias table off by one": ("masked", "attn.relative_position_bias_table", rolled),
    "the mask spares the bias of the queries": ("masked", "attn.qkv.bias", lambda stay: stay | True),
    "both: bias table off by one": ("both", "attn.relative_position_bias_table", rolled),
    "both: qkv of another head": ("both", "attn.qkv.weight", rolled),
}


@pytest.mark.parametrize("mutant", [None, *CUT_MUTANTS])
def test_a_wrong_cut_is_caught(mutant, monkeypatch):
    model, plan, kept = a_case()
    x, part, right = np.random.default_rng(0).random((1, 3, 8, 8)), in_swinir(model.config, kept), remove.axes
    form, parameter, instead = CUT_MUTANTS.get(mutant, ("", "", None))

    def built(how, name):
        def wrong(path, units):
            for key, axis, stay in right(path, units):
                yield key, axis, instead(stay) if path == PATH and key == f"{path}.{parameter}" else stay

        with monkeypatch.context() as patch:
            patch.setattr(remove, "axes", wrong if form in (name, "both") else right)
            return how(model, plan)

    def prove():
        assert_same(built(masked, "masked"), built(removed, "removed"), x, part)

    if mutant is None:
        return prove()
    with pytest.raises((AssertionError, BadInput)):
        prove()
    return None


@pytest.mark.parametrize("bias", ["attn.proj.bias", "mlp.fc2.bias"])
def test_a_mask_applied_after_the_bias_is_caught(bias):
    """Masking what a layer gives, instead of what it reads, takes the bias along."""
    model, plan, kept = a_case()
    zeros = masked(model, plan)
    wrong = replace(zeros, parameters=zeros.parameters | {f"{PATH}.{bias}": np.zeros(model.config.embed_dim)})
    with pytest.raises(AssertionError, match=bias.rpartition(".")[0]):
        assert_same(wrong, removed(model, plan), np.full((1, 3, 8, 8), 0.5), in_swinir(model.config, kept))


def test_a_mask_before_the_bias_is_caught():
    """Zero rows with their biases kept leave gelu(bias) behind, which fc2 reads."""
    model, plan, kept = a_case()
    only = {name: mask for name, mask in masks(model, plan).items() if not name.endswith(("fc1.bias", "fc2.weight"))}
    x = np.full((1, 3, 8, 8), 0.5)
    with pytest.raises(AssertionError, match="fc2"):
        assert_same(remove.silenced(model, only), removed(model, plan), x, in_swinir(model.config, kept))


def test_the_scale_of_the_narrower_head_is_caught():
    model, plan, kept = a_case()
    small = removed(model, plan)
    name = f"{PATH}.attn:query.value"
    assert small.parameters[name] == 0.4  # as it was given
    wrong = replace(small, parameters=small.parameters | {name: np.array(3**-0.5)})
    with pytest.raises(AssertionError, match="query"):
        assert_same(masked(model, plan), wrong, np.full((1, 3, 8, 8), 0.5), in_swinir(model.config, kept))


def test_a_pruned_network_is_pruned_further_and_keeps_its_scale(tmp_path):
    model = load("zoo:swinir-small-x2")
    plan = channels.per_layer(model, "queries", scores.l1(model, "queries"), 0.5)
    once = removed(model, plan)
    twice = removed(once, heads.per_layer(once, scores.l1(once, "heads")))
    write_safetensors(tmp_path / "m.safetensors", twice.parameters)
    again = load(tmp_path / "m.safetensors")
    assert again.config.paths[PATH].qk_width == 8
    assert again.config.paths[PATH].heads == 1
    assert again.parameters[f"{PATH}.attn:query.value"] == 16**-0.5
    assert again.fingerprint == twice.fingerprint


def test_steps_on_the_masked_network_pass_over_heads_that_are_gone():
    model = network("lightweight x3")[1]
    first, second = heads.steps(model, scores.l1(model, "heads"))
    zeros = masked(model, first)
    more = heads.per_layer(zeros, scores.l1(zeros, "heads"))
    assert first.joined(more) == second
    same_parameters(removed(masked(zeros, more), first.joined(more)), removed(model, second))
    with pytest.raises(BadInput, match="named twice"):
        second.joined(more)
    gone = first.cuts[PATH].heads
    with pytest.raises(BadInput, match="masked already"):
        heads.named(zeros, {PATH: gone})
    left = tuple({0, 1, 2} - set(gone))
    with pytest.raises(BadInput, match="all 2 heads left"):
        heads.named(zeros, {PATH: left})
    assert heads.named(zeros, {PATH: left[:1]}).cuts == {PATH: Cut(heads=left[:1])}


@given(st.sampled_from(["light-x2-test", "classical-x2-test"]), st.integers(0, 2**32 - 1))
def test_a_plan_is_read_back(name, seed):
    config = CONFIGS[name]
    plan = plan_of(config, choose(config, KINDS, seed))
    assert Plan.from_json(plan.to_json()) == plan
    assert json.loads(plan.to_json()).keys() == plan.cuts.keys()


@given(st.sampled_from(["queries", "values", "hidden"]), st.sampled_from([0.25, 0.5, 0.75]), st.integers(0, 99))
def test_plans_joined_are_plans_one_after_the_other(kind, rate, seed):
    model = network("lightweight x3", seed)[1]
    first = channels.per_layer(model, kind, scores.l1(model, kind), rate)
    second = heads.per_layer(model, scores.l1(model, "heads"))
    both = first.joined(second)
    same_parameters(masked(masked(model, first), second), masked(model, both))
    same_parameters(removed(removed(model, first), second), removed(model, both))
    assert second.joined(first) == both


def test_an_official_network_without_a_head_in_every_layer():
    model = seeded_model("light-x2-test")
    plan = heads.per_layer(model, scores.l1(model, "heads"), 2)
    small = removed(model, plan)
    assert count.parameters(small) == count.head_steps(model)[2].as_is == sum(v.size for v in small.parameters.values())
    x = np.random.default_rng(0).random((1, 3, 8, 8))
    expected = masked(model, plan)(x)
    assert np.linalg.norm(small(x) - expected) <= 1e-12 * np.linalg.norm(expected)


def test_types_and_what_is_not_touched_stay():
    model = network("real-world x4")[1]
    plan = Plan({PATH: Cut(heads=(1,))})
    for how in (masked, removed):
        done = how(model, plan)
        assert all(value.dtype == model.parameters[name].dtype for name, value in done.parameters.items())
        untouched = [name for name in model.parameters if not name.startswith(f"{PATH}.attn")]
        assert all(done.parameters[name] is model.parameters[name] for name in untouched)
    assert isinstance(done, Model)
