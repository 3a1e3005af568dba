"""The kernels of a removed network compute what the golden masked one does: every plan, block by block.

A block is one fused kernel, whose scratch holds nothing but its last window: blocks are compared, and the picture.
"""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from compile_cases import computing_as, random_network
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import ENOUGH, PRECISIONS, assert_no_worse, from_map
from removal import choose
from swinir_networks import TAILS, network, swinir_arguments
from test_prune import KINDS, plan_of

import karat
from karat.kernels.swin import attention, pack, swinir
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
    """The kernels of ``small`` are no further from the golden ``zeros`` than the plain twin of ``small``, anywhere."""
    found, fast = on_kernels(small, x, precision)
    golden = traced(zeros, x.astype(np.float64))
    with computing_as(fast):
        plain = traced(small, x)
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
def test_kernels_of_the_removed_network_compute_the_masked_one(drawn, what, seed):
    zeros, small, x = drawn_case(drawn, what, seed)
    assert_same_bits(zeros, assert_removed(zeros, small, x), x)


@pytest.mark.skipif("bfloat16" not in PRECISIONS, reason="the processor multiplies no bfloat16")
@PROOF
@given(CASES, WHAT, SEEDS)
def test_so_do_those_of_bfloat16(drawn, what, seed):
    """Products are added in pairs of channels: bits stay where pairs do, which are within a head."""
    zeros, small, x = drawn_case(drawn, what, seed)
    found = assert_removed(zeros, small, x, "bfloat16")
    if what == ["heads"]:
        assert_same_bits(zeros, found, x, "bfloat16")
        REACHED["bits of bfloat16"] += 1


def test_the_draws_reached_every_kind():
    if not REACHED:
        pytest.skip("counts what the tests before drew, in the same process")
    wanted = [*KINDS, "blocks differ", "one block", "own value width", "on the map itself"]
    wanted += [f"window {window}" for window in FORMS["windows"]] + [f"tail {tail}" for tail, _ in TAILS]
    wanted += ["bits of bfloat16"] if "bfloat16" in PRECISIONS else []
    assert [key for key in wanted if not REACHED[key]] == []
