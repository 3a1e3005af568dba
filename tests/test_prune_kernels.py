"""The kernels of a removed network compute what the golden masked one does: every plan, block by block.

A block is one fused kernel, whose scratch holds nothing but its last window: blocks are compared, and the picture.
"""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from compile_cases import computing_as, form, picture, random_network
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import ENOUGH, PRECISIONS, assert_no_worse, from_map
from removal import choose
from swinir_networks import TAILS, swinir_arguments
from test_prune import KINDS, plan_of

import karat
from karat.kernels.swin import pack, swinir
from karat.refimpl.errors import BadInput
from karat.refimpl.prune import Cut, Plan, masked, remove, removed

PROOF = settings(max_examples=max(200, settings.default.max_examples))
FORMS = {"windows": (2, 3, 4, 7, 8), "numbers": (1, 2, 3, 6), "widths": (12, 18, 24, 36)}
CASES = st.sampled_from(TAILS).flatmap(lambda tail: swinir_arguments(tail, **FORMS))
WHAT = st.lists(st.sampled_from(KINDS), min_size=1, unique=True)
SEEDS = st.integers(0, 2**32 - 1)
REACHED = Counter()


def pictures(model, size, seed):
    """As many as give a block's features so many numbers that an error is no luck."""
    step = model.config.multiple_of_window
    pixels = np.prod([n + -n % step for n in size])
    count = -(-ENOUGH // int(pixels * model.config.embed_dim))
    return np.random.default_rng(seed).random((count, model.config.channels, *size), np.float32)


def on_kernels(model, x, precision="float32", threads=2):
    """(features behind every block by path, (B, H W, C), and the picture under "", the compiled network)."""
    fast = karat.compile(model, precision, threads)
    run, seen = fast._network.blocks, []

    class Watched:
        scratch = staticmethod(run.scratch)

        def __call__(self, layer, feature_map, size, scratch):
            run(layer, feature_map, size, scratch)
            seen.append(from_map(feature_map, *size))

    fast._network.blocks = Watched()
    y = fast(x)
    paths = list(model.config.paths)
    behind = {path: np.stack(seen[i :: len(paths)]) for i, path in enumerate(paths)}  # (B, C, H, W)
    return {path: v.reshape(*v.shape[:2], -1).swapaxes(1, 2) for path, v in behind.items()} | {"": y}, fast


def traced(model, x):
    """The same of a golden model, in the dtype of x."""
    found, y = {}, x
    for layer, value in model.trace(x):
        y = value
        if layer in model.config.paths:
            found[layer] = value
    return found | {"": y}


def assert_removed(zeros, small, x, precision="float32"):
    """The kernels of ``small`` are no further from the golden ``zeros`` than the plain twin of ``zeros``, anywhere.

    Not than the twin of ``small``: where ``small`` is wrong, that is as wrong as the kernels are.
    """
    found, fast = on_kernels(small, x, precision)
    golden = traced(zeros, x.astype(np.float64))
    with computing_as(fast):
        plain = traced(zeros, x)
    assert found.keys() == golden.keys() == plain.keys()
    for layer, value in found.items():
        assert_no_worse(golden[layer], plain[layer], value)
    return found


def assert_same_bits(zeros, found, x, precision="float32"):
    """Kernels add a unit's products to a sum one after the other; what was zero leaves the sum as it is."""
    expected, _ = on_kernels(zeros, x, precision, threads=1)
    assert found.keys() == expected.keys()
    for layer, value in found.items():
        np.testing.assert_array_equal(value, expected[layer], layer)


def drawn_case(drawn, what, seed):
    """(masked, removed, pictures), after a look at what was drawn."""
    arguments, size = drawn
    model = random_network(arguments, seed)
    plan = plan_of(model.config, choose(model.config, what, seed))
    small = removed(model, plan)
    blocks = set(small.config.paths.values())
    REACHED.update([*what, f"window {model.config.window}", f"tail {arguments['upsampler']}"])
    REACHED["blocks differ"] += len(blocks) > 1
    REACHED["one block"] += len(small.config.paths) == 1
    REACHED["own value width"] += any(block.qk_width != block.v_width for block in blocks)
    REACHED["on the map itself"] += pack.patchwise(model.config.embed_dim, model.config.window, 0)
    return masked(model, plan), small, pictures(model, size, seed)


@PROOF
@given(CASES, WHAT, SEEDS)
def removed_kernels_compute_the_masked_network(drawn, what, seed):
    zeros, small, x = drawn_case(drawn, what, seed)
    assert_same_bits(zeros, assert_removed(zeros, small, x), x)


@PROOF
@given(CASES, WHAT, SEEDS)
def so_do_those_of_bfloat16(drawn, what, seed):
    """Products are added in pairs of channels: bits stay where pairs do, which are within a head."""
    zeros, small, x = drawn_case(drawn, what, seed)
    found = assert_removed(zeros, small, x, "bfloat16")
    if what == ["heads"]:
        assert_same_bits(zeros, found, x, "bfloat16")
        REACHED["bits of bfloat16"] += 1


def check_reached(*more):
    wanted = [*KINDS, "blocks differ", "one block", "own value width", "on the map itself", *more]
    wanted += [f"window {window}" for window in FORMS["windows"]] + [f"tail {tail}" for tail, _ in TAILS]
    assert [key for key in wanted if not REACHED[key]] == []


def test_kernels_of_the_removed_network_compute_the_masked_one():
    """And the draws reached every kind."""
    REACHED.clear()
    removed_kernels_compute_the_masked_network()
    check_reached()


@pytest.mark.skipif("bfloat16" not in PRECISIONS, reason="the processor multiplies no bfloat16")
def test_so_do_those_of_bfloat16():
    REACHED.clear()
    so_do_those_of_bfloat16()
    check_reached("bits of bfloat16")


# mutants

FIRST, SECOND = (f"layers.0.residual_group.blocks.{index}" for index in (0, 1))


def a_case():
    """(model, plan, pictures) of two blocks of four heads that lose different heads, and channels of the others."""
    model = form(embed_dim=24, num_heads=[4], window_size=8)
    cuts = {
        FIRST: Cut((1,), ((0, 3), (), (1, 2), (2, 5)), ((1,), (), (0,), (4,)), tuple(range(3, 20))),
        SECOND: Cut((2,), ((1, 4), (0, 5), (), (2, 3)), ((5,), (3,), (), (2,)), tuple(range(17))),
    }
    return model, Plan(cuts), picture(model, (16, 16))


def cut_wrongly(parameter, instead):
    """What stays of a parameter of the first block is something else."""

    def build(model, plan, patch):
        right = remove.axes

        def axes(path, units):
            for name, axis, stay in right(path, units):
                yield name, axis, instead(stay) if name == f"{FIRST}.{parameter}" else stay

        patch.setattr(remove, "axes", axes)
        return removed(model, plan)

    return build


def packed_wrongly(parameter, axis):
    """The kernels read the next row or column of every block's parameter."""

    def build(model, plan, patch):
        real = swinir.pack_swin_layer
        rolled = {parameter: lambda value: np.roll(value, 1, axis)}
        patch.setattr(
            swinir,
            "pack_swin_layer",
            lambda p, *rest: real({name: rolled.get(name, np.asarray)(value) for name, value in p.items()}, *rest),
        )
        return removed(model, plan)

    return build


def scale_of_what_is_left(model, plan, patch):
    """The kernels derive the scale from the narrower heads."""
    patch.setattr(swinir, "query_scale", lambda config, _, path: config.paths[path].qk_width ** -0.5)
    return removed(model, plan)


def scale_stored_wrongly(model, plan, patch):
    small = removed(model, plan)
    width = small.config.paths[FIRST].qk_width
    return replace(small, parameters=small.parameters | {f"{FIRST}.attn:query.value": np.array(width**-0.5)})


def plans_of_one_another(model, plan, patch):
    """Every head is one of another layer's plan."""
    return removed(model, Plan({FIRST: plan.cuts[SECOND], SECOND: plan.cuts[FIRST]}))


def one_head_of_another_layer(model, plan, patch):
    """The parameters of a head that stays are those of the head that the other layer keeps."""
    cut = Plan(plan.cuts | {FIRST: replace(plan.cuts[SECOND], hidden=plan.cuts[FIRST].hidden)})
    return removed(model, cut)


def next_one(stay):
    return np.roll(stay, 1)


def one_more(stay):
    return stay | (np.arange(len(stay)) == np.argmin(stay))


REMOVED_WRONGLY = {
    "a proj column not removed": cut_wrongly("attn.proj.weight", one_more),
    "proj columns off by one": cut_wrongly("attn.proj.weight", next_one),
    "qkv rows off by one": cut_wrongly("attn.qkv.weight", next_one),
    "qkv bias off by one": cut_wrongly("attn.qkv.bias", next_one),
    "bias-table column off by one": cut_wrongly("attn.relative_position_bias_table", next_one),
    "fc1 bias off by one": cut_wrongly("mlp.fc1.bias", next_one),
    "fc2 columns off by one": cut_wrongly("mlp.fc2.weight", next_one),
    "the scale of the narrower heads is stored": scale_stored_wrongly,
    "plans of one another": plans_of_one_another,
    "heads and channels of another layer's plan": one_head_of_another_layer,
}
PACKED_WRONGLY = {
    "proj columns off by one": packed_wrongly("attn.proj.weight", 1),
    "qkv rows off by one": packed_wrongly("attn.qkv.weight", 0),
    "qkv bias off by one": packed_wrongly("attn.qkv.bias", 0),
    "bias-table column off by one": packed_wrongly("attn.relative_position_bias_table", 1),
    "fc2 columns off by one": packed_wrongly("mlp.fc2.weight", 1),
    "the scale of the narrower heads": scale_of_what_is_left,
}
MUTANTS = {f"removed: {name}": build for name, build in REMOVED_WRONGLY.items()}
MUTANTS |= {f"packed: {name}": build for name, build in PACKED_WRONGLY.items()}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("mutant", [None, *MUTANTS])
def test_a_wrong_network_is_caught(mutant, precision, monkeypatch):
    model, plan, x = a_case()
    if mutant is None:
        return assert_removed(masked(model, plan), removed(model, plan), x, precision) and None
    zeros = masked(model, plan)
    with pytest.raises((AssertionError, BadInput)):
        assert_removed(zeros, MUTANTS[mutant](model, plan, monkeypatch), x, precision)
    return None


@pytest.mark.parametrize("mutant", [None, *REMOVED_WRONGLY])
def test_other_bits_are_caught(mutant, monkeypatch):
    model, plan, x = a_case()
    zeros = masked(model, plan)

    def prove(build):
        small = build(model, plan, monkeypatch)
        assert_same_bits(zeros, on_kernels(small, x)[0], x)

    if mutant is None:
        return prove(lambda model, plan, _: removed(model, plan))
    with pytest.raises((AssertionError, BadInput)):
        prove(REMOVED_WRONGLY[mutant])
    return None
