"""A shift that is left out, done twice or done backwards: the step is named, and between what; labels prove it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from swinir_networks import network
from test_swinir_verify import BLOCK, opened_twice, picture

from karat.convert.export.coreml import export
from karat.convert.fidelity import verify
from karat.convert.fidelity.culprit import isolate
from karat.convert.fidelity.missteps import _explained

STEPS = {"cyclic_shift": (2, "norm1", "attn.qkv"), "shift_back": (-2, "attn.proj", ":residual")}  # shift of 2, between
WRONG = {"is left out": 1, "is done twice": -1, "is done backwards": 2}  # by how many shifts it is taken back


def mend(net, change):
    """Replace what some steps of the second block give: {step: function of the right value}."""

    def recorder(name, value):
        return change.get(name.split(":")[1], lambda y: y)(value)

    net.layers[0].residual_group.blocks[1].recorder = recorder


def exported(tmp_path, change):
    net, model = network("classical x2, 3conv")
    x = picture(model, 12, 16)  # three and four windows: a shift of 2 is not its own inverse
    mend(net, change)
    return model, export(net, tmp_path / "m.mlpackage", x.shape), x


def rolled(shift):
    return lambda y: torch.roll(y, (shift, shift), (1, 2))


@pytest.mark.parametrize("reason", WRONG)
@pytest.mark.parametrize("step", STEPS)
def test_the_wrong_step_is_named(tmp_path, step, reason):
    shift, *neighbours = STEPS[step]
    model, package, x = exported(tmp_path, {step: rolled(WRONG[reason] * shift)})
    before, after = (BLOCK + (name if name.startswith(":") else f".{name}") for name in neighbours)
    for program in opened_twice(package):
        verdict = verify(model, program, x)
        assert verdict.faithful is False
        assert (verdict.culprit.layer, verdict.culprit.kind) == (f"{BLOCK}:{step}", "structure")
        assert reason in verdict.culprit.note
        assert f"between {before} and {after}," in verdict.culprit.note
        assert [row.verdict for row in verdict.rows].count("defect") == 1
        assert isolate(verdict, model, program, x).shows


def test_what_no_single_step_explains_is_said_with_its_neighbours(tmp_path):
    """Twice the shift, and rows the wrong way round: neither is the only wrong one."""
    model, package, x = exported(tmp_path, {"cyclic_shift": lambda y: torch.roll(y, (-2, -1), (1, 2))})
    *_, foreign = opened_twice(package)
    verdict = verify(model, foreign, x)
    assert verdict.faithful is False
    assert verdict.culprit.note.startswith("no operation between ")
    assert f"{BLOCK}.attn.qkv comes out different" in verdict.culprit.note


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 4), data=st.data())
def test_of_permutations_the_one_that_is_wrong_is_found(seed, count, data):
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(30) for _ in range(count)]
    functions = [lambda x, order=order: x.ravel()[order].reshape(x.shape) for order in orders]
    labels, steps = np.arange(1.0, 31).reshape(5, 6), [f"s{i}" for i in range(count)]
    place = data.draw(st.integers(0, count - 1), label="wrong step")
    kind = data.draw(st.sampled_from(sorted(WRONG)), label="kind")
    wrong = {
        "is left out": [],
        "is done twice": [functions[place]] * 2,
        "is done backwards": [lambda x: x.ravel()[np.argsort(orders[place])].reshape(x.shape)],
    }[kind]
    found = right = labels
    for function in functions[:place] + wrong + functions[place + 1 :]:
        found = function(found)
    for function in functions:
        right = function(right)
    assert not _explained(labels, right, "a", steps, "b", functions)
    (misstep,) = _explained(labels, found, "a", steps, "b", functions)
    assert misstep.layer == f"s{place}"
    assert kind in misstep.note
    assert not _explained(labels, rng.permutation(found.ravel()).reshape(found.shape), "a", steps, "b", functions)
