"""Networks that were masked before: what is zero is passed over, not counted, and taken out by its plan."""

import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from rich.console import Console
from swinir_networks import network

from karat.app.prune.choose import plan_of
from karat.app.prune.run import run_prune
from karat.app.prune.wanted import Wanted
from karat.refimpl import load as loading
from karat.refimpl.checkpoint import write_safetensors
from karat.refimpl.errors import BadInput
from karat.refimpl.load import load
from karat.refimpl.prune import Plan, channels, count, heads, masked, removed, scores
from karat.refimpl.prune.living import living

FORMS = ["lightweight x3", "denoising", "classical x2, 3conv"]  # the second has no bias in qkv
KINDS = st.sampled_from(scores.KINDS)


def chosen(model, kind, rate, globally=False):
    """The lowest of a kind by L1: one head of every layer, or a rate of channels."""
    found = scores.l1(model, kind)
    if kind == "heads":
        return heads.globally(model, found, 1) if globally else heads.per_layer(model, found)
    if kind == "hidden" and globally:
        return channels.globally(model, found, rate)
    return channels.per_layer(model, kind, found, rate)


def away(small, zeros):
    """Relative difference of what two networks give."""
    x = np.random.default_rng(0).random((1, small.config.channels, 9, 7))
    return np.linalg.norm(small(x) - zeros(x)) / np.linalg.norm(zeros(x))


@given(st.sampled_from(["lightweight x3", "denoising"]), KINDS, KINDS, st.sampled_from([0.25, 0.5]), st.booleans())
def test_masking_twice_is_removing_twice(form, first, second, rate, globally):
    """Units that are masked are passed over as if they were not there."""
    assume(not first == second == "heads" or form == "lightweight x3")  # the other has two heads a layer
    twice(form, first, second, rate, globally)


def twice(form, first, second, rate, globally):
    """Both ways, and that they give the same picture."""
    model = network(form)[1]
    one = chosen(model, first, rate)
    small, zeros = removed(model, one), masked(model, one)
    fewer = removed(small, chosen(small, second, rate, globally))
    plan = chosen(zeros, second, rate, globally)
    assert away(fewer, masked(zeros, plan)) <= 1e-12
    assert away(fewer, removed(zeros, plan)) <= 1e-12


@pytest.mark.parametrize("kind", ["hidden", "values", "queries"])
def test_masked_channels_that_are_cut_again_are_caught(kind, monkeypatch):
    """The property above fails when zeros count as channels."""

    def blind(model, kind):
        return {path: np.ones(scores.unit_shape(block, kind), bool) for path, block in model.config.paths.items()}

    monkeypatch.setattr(channels, "living", blind)
    with pytest.raises(AssertionError):
        twice(FORMS[0], kind, kind, 0.5, False)


@given(st.sampled_from(FORMS), KINDS, st.sampled_from([0.25, 0.5]))
def test_what_a_plan_masked_is_dead_and_nothing_else(form, kind, rate):
    model = network(form)[1]
    plan = chosen(model, kind, rate)
    assert all(alive.all() for alive in living(model, kind).values())
    for path, alive in living(masked(model, plan), kind).items():
        gone = getattr(plan.cuts[path], kind)
        dead = [np.flatnonzero(~one).tolist() for one in (alive if alive.ndim == 2 else [alive])]
        assert dead == [list(one) for one in (gone if alive.ndim == 2 else [gone])]


PATH = "layers.0.residual_group.blocks.0"


@pytest.mark.parametrize(
    ("kind", "unit", "zeros"),
    [
        ("hidden", (3,), {"mlp.fc1.weight": (3,), "mlp.fc1.bias": (3,)}),
        ("hidden", (3,), {"mlp.fc2.weight": (slice(None), 3)}),
        ("values", (1, 2), {"attn.qkv.weight": (24 + 6,), "attn.qkv.bias": (24 + 6,)}),
        ("values", (1, 2), {"attn.proj.weight": (slice(None), 6)}),
        ("queries", (1, 2), {"attn.qkv.weight": (6,), "attn.qkv.bias": (6,)}),
        ("queries", (1, 2), {"attn.qkv.weight": (12 + 6,)}),  # softmax takes out what a key's bias adds
        ("heads", (1,), {"attn.qkv.weight": (slice(28, 32),), "attn.qkv.bias": (slice(28, 32),)}),
        ("heads", (1,), {"attn.proj.weight": (slice(None), slice(4, 8))}),
        ("queries", (1,), {"attn.proj.weight": (slice(None), slice(4, 8))}),
    ],
)
def test_a_unit_lives_when_it_is_computed_and_read(kind, unit, zeros):
    """Without one of both it adds nothing; with a bias alone it does."""
    model = network(FORMS[0])[1]
    parameters = {name: np.float64(value) for name, value in model.parameters.items()}
    model = replace(model, parameters=parameters)
    half = dict(parameters)
    for name, place in zeros.items():
        half[f"{PATH}.{name}"] = half[f"{PATH}.{name}"].copy()
        half[f"{PATH}.{name}"][place] = 0
    less = replace(model, parameters=half)
    expected = np.ones(scores.unit_shape(model.config.paths[PATH], kind), bool)
    expected[unit] = False
    np.testing.assert_array_equal(living(less, kind)[PATH], expected)
    dead = [one for one in scores.single_cuts(kind, expected.shape) if not expected.flat[_number(kind, one, expected)]]
    for one in dead:  # and masking the rest of it changes nothing
        assert away(masked(less, Plan({PATH: one})), less) <= 1e-12
    if len(zeros) == 2:
        name = next(name for name in zeros if name.endswith("bias"))
        biased = replace(model, parameters=half | {f"{PATH}.{name}": parameters[f"{PATH}.{name}"]})
        assert living(biased, kind)[PATH].all()
        assert away(masked(biased, Plan({PATH: dead[0]})), biased) > 1e-9


def _number(kind, cut, shape_of):
    """Which unit a cut of one names, counted through all heads."""
    units = getattr(cut, kind)
    if shape_of.ndim == 1:
        return units[0]
    head = next(head for head, gone in enumerate(units) if gone)
    return head * shape_of.shape[1] + units[head][0]


@pytest.fixture
def prune(tmp_path):
    """The command: (network, JSON, what it printed), with files in a folder."""
    write_safetensors(tmp_path / "net.safetensors", network(FORMS[0])[1].parameters)

    def call(source, **options):
        output, report, said = tmp_path / "out.safetensors", tmp_path / "out.json", io.StringIO()
        source = source if source.startswith("zoo:") else str(tmp_path / source)
        wanted = Wanted(**options, json=report)
        run_prune(Console(file=said, width=100), source, output, wanted, "16x24")
        return load(output), json.loads(report.read_text()), said.getvalue()

    return call


@pytest.mark.parametrize("kind", scores.KINDS)
def test_what_was_masked_is_taken_out_by_its_plan_trained_further_or_not(prune, tmp_path, kind):
    plan, amount = tmp_path / "plan.json", 1 if kind == "heads" else 0.5
    model, _, _ = prune("net.safetensors", masked=True, plan=plan, **{kind: amount})
    expected, _, _ = prune("net.safetensors", **{kind: amount})
    write_safetensors(tmp_path / "masked.safetensors", model.parameters)
    small, document, _ = prune("masked.safetensors", from_plan=plan)
    assert small.fingerprint == expected.fingerprint
    assert document["sparsity_as_is"] == 0  # nothing that was not zero
    assert document["parameters_as_is"] == count.parameters(expected)
    assert all(before == after for layer in document["layers"].values() for before, after in [layer[kind]])
    rng = np.random.default_rng(1)
    tuned = {name: value * (1 + 0.1 * rng.random(value.shape)) for name, value in model.parameters.items()}
    write_safetensors(tmp_path / "tuned.safetensors", tuned)  # a zero stays one
    small, _, _ = prune("tuned.safetensors", from_plan=plan)
    assert small.config == expected.config
    assert away(small, load(tmp_path / "tuned.safetensors")) <= 1e-12


@pytest.mark.parametrize(("kind", "amounts"), [("heads", (3, 2, 1)), ("hidden", (24, 12, 6)), ("values", (4, 2, 1))])
def test_what_had_gone_before_is_not_counted_again(prune, tmp_path, kind, amounts):
    amount = 1 if kind == "heads" else 0.5
    for before, after in pairwise(amounts):
        model = load(tmp_path / "net.safetensors")
        small, document, printed = prune("net.safetensors", masked=True, **{kind: amount})
        assert {tuple(layer[kind]) for layer in document["layers"].values()} == {(before, after)}
        whole, left = (count.parameters(one) - count.zeros(one) for one in (model, small))
        assert document["sparsity_as_is"] == 100 * (1 - left / whole)
        assert f"{whole:,} before, {left:,} as it is" in printed
        write_safetensors(tmp_path / "net.safetensors", small.parameters)
    assert document["parameters_as_studied"] is None  # of a network with zeros


def test_the_embedded_network_is_not_overwritten(tmp_path, monkeypatch):
    """A copy of the zoo, where it could be."""
    file = loading.file_of("zoo:swinir-small-x2")
    (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(loading, "ZOO", tmp_path)
    (tmp_path / "link.safetensors").symlink_to(tmp_path / file.name)
    for name in (file.name, "link.safetensors"):
        with pytest.raises(BadInput, match="the input itself"):
            run_prune(Console(file=io.StringIO()), "zoo:swinir-small-x2", tmp_path / name, Wanted(heads=1))
    assert (tmp_path / file.name).read_bytes() == file.read_bytes()


def test_sensitivity_says_how_often_it_runs_before_it_begins():
    model, happened = network(FORMS[0])[1], []
    wanted = Wanted(heads=1, by="sensitivity")
    plan_of(model, wanted, lambda name, done, total: happened.append((done, total)), happened.append)
    cost, *progress = happened
    assert cost.startswith("sensitivity: 7 runs of the golden network, about ")  # six heads, and the whole
    assert progress == [(done, 6) for done in range(6)]
    plan_of(model, Wanted(heads=1), tell=pytest.fail)  # nothing to wait for


@pytest.mark.parametrize("processes", [4])
def test_the_same_command_writes_the_same_bytes(tmp_path, processes):
    words = ["prune", "zoo:swinir-small-x2", "-o", "out.safetensors", "--heads", "1"]
    program = f"import sys\nsys.argv = {['karat', *words]}\nfrom karat.app.cli import main\nmain()"
    found = set()
    for seed in range(processes):
        with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
            environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
            command = [sys.executable, "-c", program]
            subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
            found.add(hashlib.sha256((Path(folder) / "out.safetensors").read_bytes()).hexdigest())
    assert len(found) == 1
