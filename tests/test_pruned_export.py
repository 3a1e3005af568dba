"""Core ML packages of networks from which heads and channels were removed: executed, compared, and found out."""

import gc
import json
import re
import sys
import tempfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from packages import Surgeon
from PIL import Image
from removal import assert_same, choose, in_swinir, remove_from_swinir
from skimage.data import astronaut
from swinir_networks import FORMS, TAILS, arrays, explicit, network, random_swinir, swinir_arguments

from karat.app import cli
from karat.convert.export.coreml import export
from karat.convert.fidelity import verify
from karat.convert.fidelity.graph import Graph
from karat.convert.fidelity.pair import pair
from karat.convert.fidelity.structure import stress
from karat.convert.mil import open_package
from karat.convert.mil.pairing import read_pairing
from karat.convert.torch_models import twin
from karat.refimpl.checkpoint import write_safetensors
from karat.refimpl.load import load
from karat.refimpl.prune import channels, heads, removed, scores

KINDS = ("heads", "queries", "values", "hidden")
GROUPS = {name: [tail for tail in TAILS if tail[0] == name] for name in dict(TAILS)}
REACHED = Counter()


@contextmanager
def exported(model, shape, precision="float32", **options):
    """The program of a package, which is gone afterwards."""
    collect = mock.patch.object(gc, "collect")  # a third of a conversion's time is spent on an explicit one
    with tempfile.TemporaryDirectory() as folder, collect:
        yield open_package(export(model, f"{folder}/m.mlpackage", shape, precision=precision, **options))


class Package:
    """A program in float64, traced by the layers of its golden model."""

    def __init__(self, model, program, size):
        self.program = program
        x = stress((1, model.config.channels, *size))
        pairs = pair(model, program, Graph(program), read_pairing(program.path), x)
        self.layers = {layer: claim.output for layer, claim in pairs.items() if claim.output}
        absent = model.layers.keys() - self.layers.keys()  # the mean may be folded into the last convolution
        assert absent <= model.idle(size) | model.movements(size).keys() | {"conv_last"}

    def trace(self, x):
        values = {record.name: record.value for record in self.program.trace({"x": x}, profile="float64")}
        return [(layer, values[output]) for layer, output in self.layers.items()]


@st.composite
def smallest(draw, tail):
    """Arguments of a network of a block or two, with heads of two to four channels, and a picture's size."""
    arguments, size = draw(swinir_arguments(tail))
    heads = arguments["num_heads"][0]
    width = draw(st.integers(max(2, -(-4 // heads)), 4), label="head width")  # 3conv takes a quarter of the channels
    depth = draw(st.sampled_from([1, 1, 2]), label="blocks")
    return arguments | {"embed_dim": heads * width, "num_heads": [heads], "depths": [depth]}, size


TAIL = pytest.mark.parametrize("tail", GROUPS, ids=lambda tail: tail or "none")
DRAWN = given(
    data=st.data(), what=st.lists(st.sampled_from(KINDS), min_size=1, unique=True), seed=st.integers(0, 2**32 - 1)
)


def prove(tail, data, what, seed):
    """To 1e-12 at every layer: both store the same rounded numbers, and float64 adds next to nothing."""
    arguments, size = data.draw(st.sampled_from(GROUPS[tail]).flatmap(smallest))
    precision = data.draw(st.sampled_from(["float32", "float16"]), label="precision")
    model = load(arrays(random_swinir(arguments, seed)), **explicit(arguments))
    kept = choose(model.config, what, seed)
    masked, small = remove_from_swinir(model, kept, **explicit(arguments))
    shape = (1, model.config.channels, *size)
    x = np.random.default_rng(seed).random(shape)
    with exported(masked, shape, precision) as zeros, exported(small, shape, precision) as program:
        assert_same(Package(masked, zeros, size), Package(small, program, size), x, in_swinir(model.config, kept))
    REACHED.update([*what, precision])
    REACHED["own value width"] += any(block.qk_width != block.v_width for block in small.config.paths.values())
    REACHED["shifted"] += any(":shift_back" in layer for layer in small.layers)


@TAIL
@settings(max_examples=max(3, settings.default.max_examples // 8))  # two exports each
@DRAWN
def test_the_removed_package_is_the_masked_one(tail, data, what, seed):
    prove(tail, data, what, seed)


@settings(max_examples=max(50, settings.default.max_examples // 8))  # 200 with all tails
@DRAWN
def fifty(tail, data, what, seed):
    prove(tail, data, what, seed)


@pytest.mark.long
@TAIL
def test_the_removed_package_is_the_masked_one_two_hundred_times(tail):
    """And the draws reached every kind."""
    REACHED.clear()
    fifty(tail)
    wanted = [*KINDS, "float32", "float16", "own value width", "shifted"]
    assert [key for key in wanted if not REACHED[key]] == []


def pruned(form, what=KINDS, seed=4):
    """(model, kept, masked, removed) of a form."""
    _, model = network(form)
    kept = choose(model.config, what, seed)
    explicit = {"img_range": model.config.img_range, "qk_scale": model.config.qk_scale}
    return model, kept, *remove_from_swinir(model, kept, **explicit)


def judged(model, shape, folder, sidecar=True, **options):
    """The verdict of a network's own package."""
    package = export(model, folder / "m.mlpackage", shape, **options)
    if not sidecar:
        package.with_suffix(".pairing.json").unlink()
    verdict = verify(model, open_package(package), np.random.default_rng(0).random(shape))
    assert verdict.faithful is True, verdict.summary()
    return verdict


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("options", [{}, pytest.param({"precision": "float32"}, marks=pytest.mark.long)], ids=str)
def test_a_pruned_network_is_judged_as_a_whole_one(tmp_path, form, options):
    """The same layers, the same rearrangements proved, faithful in all of them."""
    model, _, _, small = pruned(form)
    side = 2 * model.config.window
    shape = (
        (1, model.config.channels, side - 1, side)
        if form == "lightweight x3"
        else (1, model.config.channels, side, side)
    )
    whole, verdict = (judged(network_, shape, tmp_path, **options) for network_ in (model, small))
    assert [(row.layer, row.verdict, bool(row.variable)) for row in verdict.rows] == [
        (row.layer, row.verdict, bool(row.variable)) for row in whole.rows
    ]
    assert [(m.layer, m.operand, m.count > 0) for m in verdict.movements] == [
        (m.layer, m.operand, m.count > 0) for m in whole.movements
    ]


OTHERS = [
    (KINDS, False, {}),
    (("queries",), False, {}),
    (("values",), False, {"precision": "float32"}),
    (KINDS, True, {"target": "iOS16", "storage": "float32"}),
    (KINDS, True, {"target": "iOS18", "keep_float32": ["softmax", "split"]}),
]


@pytest.mark.parametrize(("what", "sidecar", "options"), OTHERS)
def test_other_packages_of_a_pruned_network_are_not_blamed(tmp_path, what, sidecar, options):
    """Foreign ones without a sidecar, other targets, mixed precision."""
    _, _, _, small = pruned("classical x2, 3conv", what)
    verdict = judged(small, (1, 3, 8, 12), tmp_path, sidecar, **options)
    assert {layer for layer in small.layers if ".attn" in layer} <= {row.layer for row in verdict.rows if row.variable}


PATH = "layers.0.residual_group.blocks.0"


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """(model, kept, masked, removed, package) of a network of three heads of four channels, less one and some."""
    _, model = network("lightweight x3")
    kept = choose(model.config, KINDS, 4)
    kept[PATH] = replace(
        kept[PATH],
        heads=np.array([0, 2]),
        queries=np.array([[0, 2, 3], [0, 1, 3]]),
        values=np.array([[1, 2], [0, 3]]),
        hidden=np.arange(5, 21),
    )
    masked, small = remove_from_swinir(model, kept, img_range=1.0, qk_scale=0.4)
    path = tmp_path_factory.mktemp("pruned") / "m.mlpackage"
    return model, kept, masked, small, export(small, path, (1, 3, 8, 8), precision="float32")


def linear(surgeon, layer):
    """The weight of a linear layer of the first block."""
    name = f"{PATH}.{layer}_weight".replace(".", "_")
    return next(c for op in surgeon.of_type("linear") if (c := surgeon.constant(op, "weight")).outputs[0].name == name)


def of_shape(surgeon, kind, shape):
    """The first constant of that shape that an operator of that kind reads."""
    for operation in surgeon.of_type(kind):
        for parameter in ("x", "y"):
            name = operation.inputs[parameter].arguments[0].name
            const = next((op for op in surgeon.of_type("const") if op.outputs[0].name == name), None)
            if const is not None and surgeon.read(const).shape == shape:
                return const
    raise LookupError(f"no {kind} reads a constant of {shape}")


def rolled(constant, axis):
    def write(surgeon):
        const = constant(surgeon)
        surgeon.write(const, np.roll(surgeon.read(const), 1, axis))

    return write


def narrower_scale(surgeon):
    const = of_shape(surgeon, "mul", ())
    assert surgeon.read(const) == np.float32(0.4)
    surgeon.write(const, 3**-0.5)


def bias(surgeon):
    return of_shape(surgeon, "add", (1, 2, 16, 16))


# What is wrong in the package -> (how it is written there, the layer that is called)
DEFECTS = {
    "qkv rows off by one": (rolled(lambda s: linear(s, "attn.qkv"), 0), ".attn.qkv"),
    "proj columns off by one": (rolled(lambda s: linear(s, "attn.proj"), 1), ".attn.proj"),
    "the bias of another head": (rolled(bias, 1), ".attn:bias"),
    "a bias row off by one": (rolled(bias, 2), ".attn:bias"),
    "the scale of the narrower head": (narrower_scale, ".attn:query"),
}


@pytest.mark.parametrize("defect", [None, *DEFECTS])
def test_a_defect_in_a_pruned_package_is_found(tmp_path, case, defect):
    """Against the masked network's package, and by the comparison, which names the layer."""
    model, kept, masked, small, package = case
    surgeon = Surgeon(package, tmp_path / "m.mlpackage")
    if defect:
        DEFECTS[defect][0](surgeon)
    program, x = open_package(surgeon.save()), np.random.default_rng(0).random((1, 3, 8, 8))
    verdict = verify(small, program, x)
    with exported(masked, x.shape) as zeros:
        packages = Package(masked, zeros, (8, 8)), Package(small, open_package(package), (8, 8))
        packages[1].program = program  # with the same variables
        if defect is None:
            assert verdict.faithful is True, verdict.summary()
            return assert_same(*packages, x, in_swinir(model.config, kept))
        with pytest.raises(AssertionError, match=re.escape(PATH + DEFECTS[defect][1])):
            assert_same(*packages, x, in_swinir(model.config, kept))
    assert verdict.faithful is False
    assert verdict.culprit.layer == PATH + DEFECTS[defect][1]
    return None


def test_a_proj_column_that_was_not_removed_is_not_exported(case, tmp_path):
    *_, small, _ = case
    proj = f"{PATH}.attn.proj.weight"
    wrong = replace(small, parameters={**small.parameters, proj: np.pad(small.parameters[proj], [(0, 0), (0, 1)])})
    with pytest.raises(RuntimeError, match=r"size mismatch for .*attn\.proj\.weight"):
        export(wrong, tmp_path / "m.mlpackage", (1, 3, 8, 8))


@pytest.mark.parametrize("name", ["pruned.safetensors", "pruned.pth"])
def test_a_pruned_network_goes_through_the_commands(name, tmp_path, monkeypatch, capsys):
    """Saved, loaded by its shapes, exported and verified as any other."""
    model = load("zoo:swinir-small-x2")
    gone = heads.per_layer(model, scores.l1(model, "heads"))
    for kind, rate in (("queries", 0.25), ("values", 0.5), ("hidden", 0.25)):
        gone = gone.joined(channels.per_layer(model, kind, scores.l1(model, kind), rate))
    small = removed(model, gone)
    if name.endswith(".pth"):
        torch.save(twin(small).state_dict(), tmp_path / name)
    else:
        write_safetensors(tmp_path / name, small.parameters)
    assert load(tmp_path / name).config == small.config
    Image.fromarray(astronaut()[100:116, 200:216]).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)

    def karat(*words):
        monkeypatch.setattr(sys, "argv", ["karat", *words])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        printed = capsys.readouterr()
        assert not stopped.value.code, printed.out + printed.err

    karat("export", "--weights", name, "-o", "m.mlpackage", "--size", "16x16")
    others = ["--range", "--budget", "--report", "m.html"] if name.endswith("safetensors") else []
    for words in (["m.mlpackage"], others):  # without a package the network is exported first
        karat("verify", *words, "--weights", name, "--input", "photo.png", "--json", "verdict.json")
        verdict = json.loads((tmp_path / "verdict.json").read_text())
        assert verdict["faithful"] is True
        assert {row["layer"] for row in verdict["rows"]} == {*small.layers, ":output"}
