"""What scores mean, who is chosen by them, and importances multiplied in."""

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from swinir_networks import FORMS, network

from karat.convert.torch_models import twin
from karat.refimpl.errors import BadInput
from karat.refimpl.metrics import psnr
from karat.refimpl.ops import linear
from karat.refimpl.ops.window_attention import split_heads
from karat.refimpl.prune import Cut, Plan, channels, heads, masked, masks, remove, removed, scores
from karat.refimpl.prune.choose import lowest_of_all

PROOF = settings(max_examples=max(200, settings.default.max_examples))

PATH = "layers.0.residual_group.blocks.0"
CHANNELS = ("queries", "values", "hidden")
FORM = st.sampled_from(sorted(FORMS))


def golden(form, seed=1):
    """In float64; qkv weights of their own size in every block."""
    model = network(form, seed)[1]
    return replace(model, parameters={name: np.float64(value) for name, value in model.parameters.items()})


def near(a, b):
    """To what float64 sums of some thousand terms leave."""
    assert np.linalg.norm(a - b) <= 1e-12 * np.linalg.norm(b)


def units(model, kind):
    """(block, number of the score, the cut of that unit alone) of every unit."""
    for path, block in model.config.paths.items():
        cuts = scores.single_cuts(kind, scores.unit_shape(block, kind))
        yield from ((path, number, cut) for number, cut in enumerate(cuts))


# L1: what the tensor that computes the unit loses when the unit is masked


def assert_l1_is_what_masking_takes(model, kind):
    found = scores.l1(model, kind)
    tensor = "mlp.fc1.weight" if kind == "hidden" else "attn.qkv.weight"
    for path, number, cut in units(model, kind):
        mask = masks(model, Plan({path: cut}))[f"{path}.{tensor}"]
        near(found[path].flat[number], np.abs(model.parameters[f"{path}.{tensor}"][~mask]).sum())


@PROOF
@given(FORM, st.sampled_from(scores.KINDS), st.integers(0, 2**32 - 1))
def test_l1_is_what_masking_takes(form, kind, seed):
    assert_l1_is_what_masking_takes(golden(form, seed), kind)


def rows_in_a_block(value, block):
    """The wrong slice: as if all rows of a head stood together."""
    return np.split(value.reshape(block.heads, -1, *value.shape[1:]), [block.qk_width, 2 * block.qk_width], axis=1)


def next_head(value, block):
    return [np.roll(part, 1, axis=0) for part in RIGHT(value, block)]


RIGHT = scores.qkv_parts


@pytest.mark.parametrize("wrong", [rows_in_a_block, next_head])
@pytest.mark.parametrize("kind", ["heads", "queries", "values"])
def test_a_head_scored_by_the_wrong_slice_is_caught(kind, wrong, monkeypatch):
    monkeypatch.setattr(scores, "qkv_parts", wrong)
    with pytest.raises(AssertionError):
        assert_l1_is_what_masking_takes(golden("lightweight x3"), kind)


# Gradient: the derivative with respect to the unit's importance, where that is 1


def gradients(model, x, y):
    net = twin(model, torch.float64)
    ((net(torch.from_numpy(x)) - torch.from_numpy(y)) ** 2).sum().backward()
    return {name: value.grad.numpy() for name, value in net.named_parameters() if value.grad is not None}


# Without leaky ReLUs, whose bends no difference quotient follows; what comes behind the blocks is all the same here
SMOOTH = st.sampled_from([form for form in sorted(FORMS) if FORMS[form]["upsampler"] in ("", "pixelshuffledirect")])


@PROOF
@given(SMOOTH, st.sampled_from(scores.KINDS), st.integers(0, 99), st.data())
def test_taylor_is_the_derivative_with_respect_to_the_importance(form, kind, seed, data):
    model, rng = golden(form, seed), np.random.default_rng(seed)
    x = rng.random((1, model.config.channels, 2 * model.config.window, 2 * model.config.window))
    y = model(x) + 0.1 * rng.standard_normal(model(x).shape)
    found = scores.taylor(model, kind, gradients(model, x, y))
    path = data.draw(st.sampled_from(sorted(found)), label="block")
    unit = data.draw(st.integers(0, found[path].size - 1), label="unit")

    def loss(t):
        ones = {p: np.ones(scores.unit_shape(block, kind)) for p, block in model.config.paths.items()}
        ones[path].flat[unit] = t
        return np.sum((channels.folded(model, kind, ones)(x) - y) ** 2)

    def slope(h):
        return (loss(1 + h) - loss(1 - h)) / (2 * h)

    # A central difference errs by h^2 times a constant: four times as much at 2 h, so by less than their difference
    h = 1e-3
    rounding = 1e-12 * loss(1) / h
    assert abs(found[path].flat[unit] - abs(slope(h))) <= abs(slope(2 * h) - slope(h)) + rounding


def test_queries_without_their_bias_are_caught():
    """Scored with the weights only, where the bias is scaled as well."""
    model, rng = golden("lightweight x3"), np.random.default_rng(0)
    x = rng.random((1, 3, 8, 8))
    grads = gradients(model, x, model(x) + 0.1)
    free = {name: 0 * g if name.endswith("qkv.bias") else g for name, g in grads.items()}
    a, b = (scores.taylor(model, "queries", g)[PATH] for g in (grads, free))
    assert np.linalg.norm(a - b) > 1e-3 * np.linalg.norm(a)


# Sensitivity: PSNR with and without the unit


@pytest.mark.parametrize("kind", scores.KINDS)
def test_sensitivity_is_the_psnr_that_a_unit_is_worth(kind):
    model, rng = golden("lightweight x3"), np.random.default_rng(3)
    pairs = [(rng.random((1, 3, 8, 8)), rng.random((1, 3, 24, 24))) for _ in range(2)]
    found = scores.sensitivity(model, kind, pairs)

    def quality(net):
        return np.mean([psnr(np.clip(net(x), 0, 1), y, border=3) for x, y in pairs])

    for path, number, cut in list(units(model, kind))[:: 7 if kind == "hidden" else 1]:
        form = removed if kind in ("heads", "hidden") else masked  # one channel of one head can only be masked
        without = form(model, Plan({path: cut}))
        assert found[path].flat[number] == pytest.approx(quality(model) - quality(without), abs=1e-9)  # dB


def test_a_unit_that_is_gone_is_worth_nothing():
    model = masked(golden("lightweight x3"), Plan({PATH: Cut(heads=(1,))}))
    x = np.random.default_rng(0).random((1, 3, 8, 8))
    assert scores.sensitivity(model, "heads", [(x, np.zeros((1, 3, 24, 24)))])[PATH][1] == 0
    assert scores.sensitivity(model, "heads", [(x, np.clip(model(x), 0, 1))])[PATH][1] == 0  # of a perfect network
    assert scores.l1(model, "heads")[PATH][1] == 0


def test_the_only_head_of_a_layer_has_a_score_too():
    model = removed(golden("lightweight x3"), Plan({PATH: Cut(heads=(0, 2))}))
    x = np.random.default_rng(0).random((1, 3, 8, 8))
    assert scores.sensitivity(model, "heads", [(x, np.zeros((1, 3, 24, 24)))])[PATH].shape == (1,)


# Choosing


@PROOF
@given(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=4), min_size=1, max_size=5), st.data())
def test_the_lowest_of_the_whole_network_go_and_no_layer_ends(layers, data):
    values = {str(i): np.array(one, float) for i, one in enumerate(layers)}
    most = sum(len(one) - 1 for one in layers)
    if not most:
        return
    count = data.draw(st.integers(1, most), label="count")
    gone = lowest_of_all(values, count)
    assert sum(map(len, gone.values())) == count
    highest = max(values[path][unit] for path, units in gone.items() for unit in units)
    for path, one in values.items():
        left = [value for unit, value in enumerate(one) if unit not in gone.get(path, ())]
        assert left
        assert len(left) == 1 or min(left) >= highest
        assert max(left) == max(one)


def test_steps_hold_the_steps_before():
    model = golden("lightweight x3")
    plans = list(heads.steps(model, scores.l1(model, "heads")))
    assert [len(plan.cuts[PATH].heads) for plan in plans] == [1, 2]
    for less, more in pairwise(plans):
        assert all(set(cut.heads) < set(more.cuts[path].heads) for path, cut in less.cuts.items())
    assert removed(model, plans[-1]).config.paths[PATH].heads == 1


@PROOF
@given(FORM, st.sampled_from(CHANNELS), st.floats(0.01, 0.99))
def test_channels_go_at_their_rate_and_lowest_first(form, kind, rate):
    model = golden(form)
    found = scores.l1(model, kind)
    shapes = [scores.unit_shape(block, kind) for block in model.config.paths.values()]
    if any(round(rate * shape[-1]) >= shape[-1] for shape in shapes):
        with pytest.raises(BadInput, match="can go, expected a rate up to") as error:
            channels.per_layer(model, kind, found, rate)
        highest = float(re.search("up to ([0-9.]+);", str(error.value))[1])
        rate = highest  # which is taken, and refused no more
    plan = channels.per_layer(model, kind, found, rate)
    for path, cut in plan.cuts.items():
        rows = [getattr(cut, kind)] if kind == "hidden" else getattr(cut, kind)
        for values, gone in zip(np.atleast_2d(found[path]), rows, strict=True):
            assert len(gone) == round(rate * len(values)) < len(values)
            stay = np.delete(values, gone)
            assert not gone or values[list(gone)].max() <= stay.min()
    removed(model, plan)  # can be built


def test_hidden_channels_of_the_whole_network_leave_layers_of_their_own_width():
    model = golden("lightweight x3")
    found = scores.l1(model, "hidden")
    found[PATH] = found[PATH] * 0.8
    small = removed(model, channels.globally(model, found, 0.5))
    widths = [block.hidden for block in small.config.paths.values()]
    assert sum(widths) == 24
    assert widths[0] < widths[1]
    assert channels.globally(model, found, 0.001) == Plan({})


# Importances


def assert_scaled(model, scaled, kind, a, x):
    """In the scaled network every layer behind the units is the old layer of X diag(a), given what it reads."""
    values, old = dict(scaled.trace(x)), model.parameters
    for path, block in model.config.paths.items():
        if kind == "queries":
            tokens = values[f"{path}:window_partition"]
            qkv = linear(tokens, old[f"{path}.attn.qkv.weight"], old.get(f"{path}.attn.qkv.bias"))
            q, k, v = split_heads(qkv, block.heads)
            got = split_heads(values[f"{path}.attn.qkv"], block.heads)
            for mine, theirs in zip(got, (q * a[path][:, None], k, v), strict=True):
                near(mine, theirs)
            continue
        source, layer = ("mlp.act", "mlp.fc2") if kind == "hidden" else ("attn:weighted_sum", "attn.proj")
        read = values[f"{path}.{source}"] * (np.repeat(a[path], block.v_width) if kind == "heads" else a[path].ravel())
        near(values[f"{path}.{layer}"], linear(read, old[f"{path}.{layer}.weight"], old[f"{path}.{layer}.bias"]))
    for name, value in old.items():
        touched = {"queries": "attn.qkv", "hidden": "mlp.fc2.weight"}.get(kind, "attn.proj.weight")
        assert touched in name or scaled.parameters[name] is value


def importances(model, kind, seed):
    rng = np.random.default_rng(seed)
    return {p: rng.normal(1, 0.5, scores.unit_shape(block, kind)) for p, block in model.config.paths.items()}


def picture(model, seed=0):
    return np.random.default_rng(seed).random((1, model.config.channels, *(2 * model.config.window,) * 2))


@PROOF
@given(FORM, st.sampled_from(scores.KINDS), st.integers(0, 2**32 - 1))
def test_importances_are_multiplied_in_once(form, kind, seed):
    model = golden(form)
    a = importances(model, kind, seed)
    assert_scaled(model, channels.folded(model, kind, a), kind, a, picture(model, seed))


def twice_where_read(model, kind, a):
    return channels.folded(channels.folded(model, kind, a), kind, a)


def also_where_computed(model, kind, a):
    """Into keys as well as queries, into fc1 as well as fc2, into the value rows as well as proj."""
    done = channels.folded(model, kind, a)
    scaled = dict(done.parameters)
    for path, block in model.config.paths.items():
        if kind == "hidden":
            scaled[f"{path}.mlp.fc1.weight"] = scaled[f"{path}.mlp.fc1.weight"] * a[path][:, None]
            continue
        q, k, v = (part.copy() for part in scores.qkv_parts(scaled[f"{path}.attn.qkv.weight"], block))
        part = k if kind == "queries" else v
        part *= a[path].reshape(block.heads, -1, 1)
        flat = [one.reshape(-1, model.config.embed_dim) for one in (q, k, v)]
        scaled[f"{path}.attn.qkv.weight"] = np.concatenate(flat)
    return replace(model, parameters=scaled)


@pytest.mark.parametrize("wrong", [twice_where_read, also_where_computed])
@pytest.mark.parametrize("kind", scores.KINDS)
def test_an_importance_applied_twice_is_caught(kind, wrong):
    model = golden("lightweight x3")
    a = importances(model, kind, 0)
    with pytest.raises(AssertionError):
        assert_scaled(model, wrong(model, kind, a), kind, a, picture(model))


@PROOF
@given(FORM, st.sampled_from(CHANNELS), st.sampled_from([0.2, 0.5, 0.75]), st.integers(0, 2**32 - 1))
def test_learnt_importances_are_cut_at_a_rate(form, kind, rate, seed):
    """Masked and removed are the network whose lowest importances are zero."""
    model = golden(form)
    a = importances(model, kind, seed)
    whole, plan = channels.learnt(model, kind, a, rate)
    cut = {}
    for path, block in model.config.paths.items():
        stay = getattr(remove.stays(plan.cuts[path], block), kind)
        cut[path] = np.where(stay, a[path], 0)
        assert (np.abs(a[path]).max(-1) == np.abs(cut[path]).max(-1)).all()
    x = picture(model, seed)
    expected = channels.folded(model, kind, cut)(x)
    near(masked(whole, plan)(x), expected)
    near(removed(whole, plan)(x), expected)


@pytest.mark.parametrize("globally", [False, True])
def test_a_unit_of_infinite_worth_is_not_gone(globally):
    """The network gives its picture exactly, and any head less does not: the lowest goes all the same."""
    _, model = network("classical x2, 3conv")
    counts = {path: block.heads for path, block in model.config.paths.items()}
    worth = {path: np.where(np.arange(count) == 0, 1.0, np.inf) for path, count in counts.items()}
    plan = heads.globally(model, worth, len(counts)) if globally else heads.per_layer(model, worth)
    assert {path: cut.heads for path, cut in plan.cuts.items()} == dict.fromkeys(counts, (0,))
    values = {path: np.full(scores.unit_shape(block, "hidden"), np.inf) for path, block in model.config.paths.items()}
    assert all(len(cut.hidden) for cut in channels.per_layer(model, "hidden", values, 0.5).cuts.values())
