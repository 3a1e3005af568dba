"""Seeded defects, each called at the right layer, with the exporter's sidecar and without; one mutant per checker."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import FORMS, random_model
from packages import Surgeon
from rich.console import Console
from torch import nn

from karat.convert.export.coreml import export
from karat.convert.fidelity import verify
from karat.convert.fidelity.entry import hold
from karat.convert.mil import open_package
from karat.convert.mil.program import Program
from karat.convert.torch_models import twin
from karat.refimpl.models import quicksrnet

CONFIG = quicksrnet.Config(features=6, layers=2, subpixel=2)
MODEL = random_model(CONFIG, seed=7)
SHAPE = (1, 3, 8, 12)
X = np.random.default_rng(1).random(SHAPE)


class ShuffleByReshape(nn.Module):
    """Pixel shuffle as converters lower it: reshape, transpose, reshape. ``swapped`` takes H for W in the first one."""

    def __init__(self, swapped=False):
        super().__init__()
        self.swapped = swapped

    def forward(self, x):
        h, w = SHAPE[2:]
        x = x.reshape((3, 2, 2, w, h) if self.swapped else (3, 2, 2, h, w))
        x = x.permute(0, 4, 1, 3, 2) if self.swapped else x.permute(0, 3, 1, 4, 2)
        return x.reshape(1, 3, 2 * h, 2 * w)


class ClipAfterShuffle(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.cnn, self.conv_last = module.cnn, module.conv_last
        self.depth_to_space, self.clip_output = module.depth_to_space, module.clip_output

    def forward(self, x):
        return self.clip_output(self.depth_to_space(self.conv_last(self.cnn(x))))


class ReversedChannels(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return self.module(x[:, [2, 1, 0]])


def by_twin(change):
    """A defect in the module that is exported."""

    def make(tmp_path, **options):
        return export(change(twin(MODEL)), tmp_path / "defect.mlpackage", SHAPE, **options)

    return make


def by_surgery(change):
    """A defect written into an honest package."""

    def make(tmp_path, **options):
        surgeon = Surgeon(export(MODEL, tmp_path / "honest.mlpackage", SHAPE, **options), tmp_path / "defect.mlpackage")
        change(surgeon)
        return surgeon.save()

    return make


def reshaped(module, swapped=False):
    module.depth_to_space = ShuffleByReshape(swapped)
    return module


def take_dcr_for_crd(surgeon):
    (op,) = surgeon.of_type("pixel_shuffle")
    op.type = "depth_to_space"
    op.inputs["block_size"].CopyFrom(op.inputs["upscale_factor"])
    del op.inputs["upscale_factor"]


def edit_constant(index, parameter, change):
    def edit(surgeon):
        const = surgeon.constant(surgeon.of_type("conv")[index], parameter)
        before = surgeon.read(const)
        after = change(before.copy())
        assert not np.array_equal(before, after)
        surgeon.write(const, after)

    return edit


def two_ulp(values):
    values[2] += 2 * np.spacing(values[2])
    return values


def drop_bias(surgeon):
    del surgeon.of_type("conv")[2].inputs["bias"]


def drop_clip(surgeon):
    clip = surgeon.of_type("clip")[1]
    surgeon.reroute(clip.outputs[0].name, clip.inputs["x"].arguments[0].name)
    surgeon.remove(clip)


def shift_pad(surgeon):
    conv = surgeon.of_type("conv")[1]
    binding = conv.inputs["pad"].arguments[0]
    value = binding.value
    if binding.name:
        value = next(op for op in surgeon.operations if op.outputs[0].name == binding.name).attributes["val"]
    value.immediateValue.tensor.ints.values[:] = [0, 2, 1, 1]


DEFECTS = {
    "H and W swapped in one reshape": (by_twin(lambda m: reshaped(m, swapped=True)), "depth_to_space", "structure"),
    "CRD for DCR": (by_surgery(take_dcr_for_crd), "depth_to_space", "structure"),
    "one weight transposed": (by_surgery(edit_constant(1, "weight", lambda w: w.swapaxes(0, 1))), "cnn.2", "constant"),
    "one bias dropped": (by_surgery(drop_bias), "cnn.4", "constant"),
    "one bias off by 2 ulp of fp16": (by_surgery(edit_constant(1, "bias", two_ulp)), "cnn.2", "constant"),
    "clip missing": (by_surgery(drop_clip), "cnn.3", "structure"),
    "clip after the shuffle": (by_twin(ClipAfterShuffle), "clip_output", "structure"),
    "channel order": (by_twin(ReversedChannels), "cnn.0", "structure"),
    "a conv pad shifted by one": (by_surgery(shift_pad), "cnn.2", "structure"),
    "one kernel flipped": (by_surgery(edit_constant(0, "weight", lambda w: w[..., ::-1, ::-1])), "cnn.0", "constant"),
}


@pytest.mark.parametrize("sidecar", [True, False], ids=["sidecar", "foreign"])
@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_is_called_at_its_layer(tmp_path, defect, sidecar):
    make, layer, kind = DEFECTS[defect]
    package = make(tmp_path)
    if not sidecar or defect == "channel order":  # there the wrapping module shifts every path: no layer is listed
        package.with_suffix(".pairing.json").unlink()
    program = open_package(package)
    verdict = verify(MODEL, program, X)
    assert verdict.faithful is False
    assert (verdict.culprit.layer, verdict.culprit.verdict, verdict.culprit.kind) == (layer, "defect", kind)
    assert verdict.culprit.note
    golden = MODEL(X)
    exact = program.predict({"x": X}, profile="float64")["y"]
    honest = open_package(export(MODEL, tmp_path / "other.mlpackage", SHAPE)).predict({"x": X}, profile="float64")["y"]
    changed = not np.array_equal(exact, honest)
    assert changed or defect == "clip after the shuffle"  # which commutes: only the layer's own value tells
    assert golden.shape == exact.shape


@pytest.mark.parametrize("storage", ["float16", "float32"])
def test_constants_are_held_to_their_stored_type(tmp_path, storage):
    """Two units in the last place of fp16 are seen in either storage; in fp32 two of fp32 are."""
    for index, values in enumerate(("weight", "bias")):
        folder = tmp_path / f"{storage}{index}"
        folder.mkdir()
        make = by_surgery(edit_constant(1, values, lambda w: w + 2 * np.spacing(np.abs(w).max())))
        verdict = verify(MODEL, open_package(make(folder, storage=storage)), X)
        assert verdict.faithful is False
        assert (verdict.culprit.layer, verdict.culprit.kind) == ("cnn.2", "constant")


def test_the_note_names_the_element_that_is_wrong(tmp_path):
    """Not one whose honest rounding is larger."""

    def small_one(values):
        smallest = np.argmin(np.abs(values))
        values[smallest] += 2 * np.spacing(np.abs(values[smallest]))
        return values

    surgeon = Surgeon(export(MODEL, tmp_path / "h.mlpackage", SHAPE), tmp_path / "m.mlpackage")
    smallest = np.argmin(np.abs(surgeon.read(surgeon.constant(surgeon.of_type("conv")[1], "bias"))))
    edit_constant(1, "bias", small_one)(surgeon)
    verdict = verify(MODEL, open_package(surgeon.save()), X)
    assert f"cnn.2.bias[{smallest}]" in verdict.culprit.note


@pytest.mark.parametrize(
    "options", [{}, {"precision": "float32"}, {"keep_float32": ["conv"]}, {"target": "iOS16"}], ids=str
)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_and_precision_calls_its_defects(tmp_path, form, options):
    subpixel, unshuffle, average = FORMS[form]
    config = quicksrnet.Config(6, 2, subpixel, unshuffle, input_to_output=form in ("x2", "x1.5"), average=average)
    model, shape = random_model(config, seed=5), (1, 3, 4 * config.multiple_of, 6 * config.multiple_of)
    honest, x = export(model, tmp_path / "honest.mlpackage", shape, **options), np.random.default_rng(1).random(shape)
    defects = {
        "pad": (shift_pad, "cnn.2"),
        "bias": (edit_constant(1, "bias", two_ulp), "cnn.2"),
        "order": (take_dcr_for_crd, "depth_to_space"),
        "clip": (drop_clip, "cnn.3"),
    }
    for name, (change, layer) in defects.items():
        surgeon = Surgeon(honest, tmp_path / f"{name}.mlpackage")
        change(surgeon)
        verdict = verify(model, open_package(surgeon.save()), x)
        assert verdict.faithful is False, name
        assert verdict.culprit.layer == layer, name


@pytest.mark.parametrize("bound", [0.9, 0.999, 1.001])
def test_a_wrong_bound_is_called_even_where_no_value_reaches_it(tmp_path, bound):
    class Clip(nn.Module):
        def forward(self, x):
            return torch.minimum(torch.relu(x), torch.full((1,), bound))

    module = twin(MODEL)
    module.cnn[3] = Clip()
    package = export(module, tmp_path / "m.mlpackage", SHAPE)
    verdict = verify(MODEL, open_package(package), np.zeros(SHAPE))
    assert verdict.faithful is False
    assert (verdict.culprit.layer, verdict.culprit.kind) == ("cnn.3", "constant")


def test_a_lowered_pixel_shuffle_is_no_defect(tmp_path):
    package = export(reshaped(twin(MODEL)), tmp_path / "m.mlpackage", SHAPE)
    assert verify(MODEL, open_package(package), X).faithful is True
    package.with_suffix(".pairing.json").unlink()
    verdict = verify(MODEL, open_package(package), X)
    assert verdict.faithful is True
    assert verdict.rows[-2].source == "value"


def test_equal_weights_that_share_a_constant_are_no_defect(tmp_path):
    model = quicksrnet.identity(CONFIG)
    package = export(model, tmp_path / "m.mlpackage", SHAPE)
    package.with_suffix(".pairing.json").unlink()
    verdict = verify(model, open_package(package), X)
    assert verdict.faithful is True
    assert next(row.source for row in verdict.rows if row.layer == "cnn.4") == "value"


def test_a_network_of_another_scale_is_a_defect(tmp_path):
    other = random_model(quicksrnet.Config(features=6, layers=2, subpixel=3), seed=7)
    verdict = verify(MODEL, open_package(export(other, tmp_path / "m.mlpackage", SHAPE)), X)
    assert verdict.faithful is False
    assert verdict.shares == {}
    assert "NOT FAITHFUL" in verdict.summary()[-1]


def test_two_defects_are_both_called(tmp_path):
    def both(surgeon):
        edit_constant(1, "bias", two_ulp)(surgeon)
        edit_constant(3, "bias", two_ulp)(surgeon)

    verdict = verify(MODEL, open_package(by_surgery(both)(tmp_path)), X)
    assert [row.layer for row in verdict.rows if row.verdict == "defect"] == ["cnn.2", "conv_last"]


class FaultyDevice:
    """A program whose typed run computes one operation by another function; what follows reads the wrong value."""

    def __init__(self, program, variable, fault):
        self.program, self.variable, self.fault = program, variable, fault

    def __getattr__(self, name):
        return getattr(self.program, name)

    def compiled(self, profile):
        steps = self.program.compiled(profile)
        if profile.name == "float64":
            return steps
        return [self._faulty(step) if step.operation.name == self.variable else step for step in steps]

    def _faulty(self, step):
        def function(**arguments):
            return self.fault(step.operator.function(**arguments))

        return replace(step, operator=replace(step.operator, function=function))

    def trace(self, inputs, profile):
        return Program.trace(self, inputs, profile)

    def predict(self, inputs, profile):
        return Program.predict(self, inputs, profile)


@pytest.mark.parametrize("factor", [1.01, 1.001, 0.999])
@pytest.mark.parametrize("layer", ["cnn.0", "cnn.2", "conv_last", "depth_to_space"])
def test_wrong_arithmetic_is_called(tmp_path, layer, factor):
    program = open_package(export(MODEL, tmp_path / "m.mlpackage", SHAPE))
    variable = next(row.variable for row in verify(MODEL, program, X).rows if row.layer == layer)
    verdict = verify(MODEL, FaultyDevice(program, variable, lambda y: y * np.asarray(factor, y.dtype)), X)
    assert verdict.faithful is False
    assert (verdict.culprit.layer, verdict.culprit.kind) == (layer, "arithmetic")


def test_an_overflow_is_called(tmp_path):
    parameters = dict(MODEL.parameters)
    parameters["cnn.2.weight"] = np.full_like(parameters["cnn.2.weight"], 9000)  # 54 of them on values about 1/2
    model = quicksrnet.Model(quicksrnet, CONFIG, parameters)
    verdict = verify(model, open_package(export(model, tmp_path / "m.mlpackage", SHAPE)), X)
    assert verdict.faithful is False
    assert (verdict.culprit.layer, verdict.culprit.verdict) == ("cnn.2", "overflow")
    Console(file=io.StringIO()).print(verdict.table())
    assert json.loads(verdict.to_json())["faithful"] is False


def test_infinity_stands_for_no_number():
    """coremltools keeps such an operator in float32; a package from elsewhere may not."""
    exact, stored = np.array([1.0, 70000.0]), np.float16([1, np.inf])
    entry, carried = hold("conv_last", "conv_last.bias", exact, "b", stored, "float16")
    assert entry.wrong == 1
    assert "b[1] is inf" in entry.note
    assert carried[1] == np.inf


def test_what_cannot_be_judged_is_unknown(tmp_path):
    """A clip that never acts was dropped: nothing differs, but the layer is nowhere."""
    parameters = {name: np.zeros_like(value) for name, value in MODEL.parameters.items()}
    parameters["cnn.2.bias"] += 0.5
    model = quicksrnet.Model(quicksrnet, CONFIG, parameters)
    surgeon = Surgeon(export(model, tmp_path / "h.mlpackage", SHAPE), tmp_path / "m.mlpackage")
    drop_clip(surgeon)
    verdict = verify(model, open_package(surgeon.save()), X)
    assert verdict.faithful is None
    assert (verdict.culprit.layer, verdict.culprit.verdict) == ("cnn.3", "unknown")


def test_the_wrong_checkpoint_is_no_rounding(tmp_path):
    package = export(MODEL, tmp_path / "m.mlpackage", SHAPE)
    verdict = verify(random_model(CONFIG, seed=8), open_package(package), X)
    assert verdict.faithful is False
    assert verdict.culprit.layer == "cnn.0"


def test_torch_is_what_the_twin_rounds_with():
    assert torch.tensor(1 / 3, dtype=torch.float64).to(torch.float16).item() == float(np.float16(1 / 3))
