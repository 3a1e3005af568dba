"""``karat plan``: few operators in float32, chosen by what they cost, and code that coremltools takes."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import random_model
from skimage.data import astronaut
from swinir_networks import random_swinir

from karat.convert.export.coreml import export
from karat.convert.mil import open_package
from karat.convert.precision import mixed as mixing
from karat.convert.precision.choose import Losses, curve, smallest
from karat.convert.precision.mixed import export_forms, mixed
from karat.convert.precision.plan import losses_of, plan
from karat.convert.precision.planned import Point, drawn
from karat.convert.precision.sensitivity import roundings
from karat.convert.precision.trial import Trial, _unions
from karat.convert.torch_models import twin
from karat.refimpl.errors import BadInput
from karat.refimpl.load import load
from karat.refimpl.metrics import psnr
from karat.refimpl.models import quicksrnet

SWINIR = {"img_size": 8, "embed_dim": 12, "depths": [2], "num_heads": [2], "window_size": 4, "mlp_ratio": 2.0}
SWINIR |= {"upsampler": "pixelshuffledirect", "upscale": 2}
ADDS_UP = 0.5  # dB: how far the parts of an error budget may miss the whole (numerics: the budget must add up)


def picture(height, width):
    return astronaut()[100 : 100 + height, 200 : 200 + width].transpose(2, 0, 1)[None] / 255


def small_swinir():
    state = random_swinir(SWINIR, seed=1).float().state_dict()
    return load({name: value.numpy() for name, value in state.items()})


# sides of 15 and 18 are padded to whole windows: the crop at the end is real
NETWORKS = {
    "swinir": (small_swinir, picture(15, 18)),
    "quicksrnet": (lambda: random_model(quicksrnet.Config(8, 3, 2), 1), picture(16, 16)),
}


class Bench:
    """A network, its two forms and its roundings."""

    def __init__(self, name, folder):
        make, self.x = NETWORKS[name]
        self.model = make()
        self.golden = self.model(self.x)
        self.forms = export_forms(self.model, self.x.shape, folder)
        self.found = roundings(self.forms, self.x)
        self.wide, self.half = (self.psnr(program) for program in (self.forms.wide, self.forms.half))
        self.trial = self.of(self.found)

    def psnr(self, program):
        return psnr(self.golden, program.predict({"x": self.x})["y"])

    def of(self, found):
        return Trial(self.forms, losses_of(self.forms, found, 10 ** (-self.wide / 10)), self.x, self.golden)


@pytest.fixture(scope="module", params=NETWORKS)
def bench(request, tmp_path_factory):
    return Bench(request.param, tmp_path_factory.mktemp("forms"))


@pytest.fixture(scope="module")
def planned(bench):
    """A plan for 6 dB more than half precision gives."""
    return plan(bench.model, bench.x, bench.half + 6)


def random_sets(bench, count):
    """Sets of operators of every size."""
    rng = np.random.default_rng(0)
    return [rng.random(len(bench.trial.names)) < rng.random() for _ in range(count)]


def converted(bench, selector, path):
    """What coremltools itself makes of a selector: nothing of karat's exporter is in between."""
    import coremltools as ct

    net = twin(bench.model).eval()
    net.fixed_size = bench.x.shape[2:]  # a SwinIR takes its size as numbers
    with torch.no_grad():
        traced = torch.jit.trace(net, torch.rand(bench.x.shape))
    ct.convert(
        traced,
        inputs=[ct.TensorType("x", bench.x.shape, dtype=np.float32)],
        outputs=[ct.TensorType("y", dtype=np.float32)],
        convert_to="mlprogram",
        minimum_deployment_target=ct.target.iOS17,
        compute_precision=ct.transform.FP16ComputePrecision(op_selector=selector),
        skip_model_load=True,
    ).save(str(path))
    return open_package(path)


@pytest.mark.filterwarnings("ignore")  # coremltools' and the tracer's own
def test_the_code_is_executed_and_does_what_the_plan_says(bench, planned, tmp_path):
    namespace = {}
    exec(planned.code, namespace)
    program = converted(bench, namespace["op_selector"], tmp_path / "m.mlpackage")
    assert bench.forms.kept_in(program) == [kept.name for kept in planned.kept]
    wide = [op.type for op in program.operations if op.type != "cast" and op.outputs[0].dtype == "float32"]
    assert Counter(wide) == Counter(kept.type for kept in planned.kept)
    assert bench.psnr(program) == planned.achieved >= planned.target
    assert planned.reached
    own = psnr(program.predict({"x": bench.x}, profile="float64")["y"], program.predict({"x": bench.x})["y"])
    assert planned.own == own


def test_fewer_operators_than_any_union_of_classes(bench, planned):
    """Every smaller union is run, whatever was predicted for it."""
    kinds = [op.type for op in bench.forms.operators.values()]
    types = sorted(set(kinds))
    sets = _unions(len(types))[:, [types.index(kind) for kind in kinds]]
    smaller = sets[sets.sum(axis=1) <= len(planned.kept)]
    assert len(planned.kept) < planned.union.operators
    assert all(bench.trial.measured(kept) < planned.target for kept in smaller)
    assert planned.union.measured >= planned.target


def test_no_operator_of_a_plan_can_be_left_out(bench, planned):
    names = {kept.name for kept in planned.kept}
    assert names
    for name in names:
        assert bench.psnr(mixed(bench.forms, names - {name})) < planned.target


@pytest.mark.parametrize("number", [3, 7, 11])
def test_a_mixture_has_the_bits_of_its_package(bench, tmp_path, number):
    kept = set(bench.trial.names[random_sets(bench, 12)[number]])
    package = export(bench.model, tmp_path / "m.mlpackage", bench.x.shape, op_selector=lambda op: op.name not in kept)
    program = open_package(package)
    assert set(bench.forms.kept_in(program)) == kept
    ours, theirs = (p.predict({"x": bench.x})["y"] for p in (mixed(bench.forms, kept), program))
    assert np.array_equal(ours, theirs)


def test_a_mixture_without_casts_is_caught(bench, monkeypatch):
    """The mutant reads the wide value where the converter puts a cast."""
    kept = set(bench.trial.names[:2])
    honest = mixed(bench.forms, kept).predict({"x": bench.x})["y"]
    value = mixing._Casts.value

    def uncast(self, name, dtype):
        return name if name in self.variables and dtype == "float16" else value(self, name, dtype)

    monkeypatch.setattr(mixing._Casts, "value", uncast)
    assert not np.array_equal(honest, mixed(bench.forms, kept).predict({"x": bench.x})["y"])


def miss(bench, trial):
    """Root mean square of predicted minus measured, in dB, over sets of every size."""
    return np.sqrt(np.mean([(trial.predicted(k) - bench.trial.measured(k)) ** 2 for k in random_sets(bench, 40)]))


def test_the_prediction_adds_up(bench):
    assert miss(bench, bench.trial) < ADDS_UP


@pytest.mark.parametrize("mutant", ["casts ignored", "shuffled", "without what moves", "every reader its own error"])
def test_a_wrong_sensitivity_is_caught(bench, mutant):
    makers = {name: frozenset([name]) for name in bench.forms.operators}
    rng = np.random.default_rng(0)
    if mutant == "casts ignored":  # a value counts as exact as soon as its reader is kept
        found = [replace(r, needs=makers.get(r.where, r.needs)) for r in bench.found]
    elif mutant == "shuffled":
        errors = [bench.found[i].error for i in rng.permutation(len(bench.found))]
        found = [replace(r, error=e) for r, e in zip(bench.found, errors, strict=True)]
    elif mutant == "without what moves":  # only the roundings of constants are left
        found = [r for r in bench.found if not r.value]
    else:  # and a rounding that happens twice on one way counts twice
        found = [replace(r, value=str(i)) for i, r in enumerate(bench.found + bench.found)]
    assert miss(bench, bench.of(found)) > ADDS_UP


def test_a_shuffled_sensitivity_keeps_more_operators(bench, planned):
    order = np.random.default_rng(1).permutation(len(bench.found))
    errors = [bench.found[i].error for i in order]
    shuffled = bench.of([replace(r, error=e) for r, e in zip(bench.found, errors, strict=True)])
    assert shuffled.reaching(planned.target).sum() > len(planned.kept)


@st.composite
def any_losses(draw):
    operators, count = draw(st.integers(1, 8), label="operators"), draw(st.integers(1, 12), label="roundings")
    seed = draw(st.integers(0, 2**32 - 1), label="seed")
    rng = np.random.default_rng(seed)
    needs = rng.random((count, operators)) < draw(st.floats(0.1, 0.6), label="density")
    needs[np.arange(count), rng.integers(0, operators, count)] = True
    errors = np.exp(rng.normal(0, 3, (count, 1))) * rng.normal(size=(count, 30))
    return Losses(needs, errors @ errors.T / 30 * np.eye(count), draw(st.sampled_from([0.0, 1e-3]), label="floor"))


@given(any_losses())
def test_the_curve_rises(losses):
    front = curve(losses)
    sizes, lost = [k.sum() for k in front], [losses(k) for k in front]
    assert not front[0].any()
    assert np.all(np.diff(sizes) > 0)
    assert np.all(np.diff(lost) < 0)
    assert lost[-1] <= losses(np.ones(losses.needs.shape[1], bool)) * (1 + 1e-12)


@given(any_losses(), st.floats(0, 1))
def test_a_smallest_set_keeps_to_its_budget_and_holds_nothing_idle(losses, share):
    none, everything = (losses(np.full(losses.needs.shape[1], kept)) for kept in (False, True))
    most = everything + share * (none - everything)
    kept = smallest(losses, curve(losses), most * (1 + 1e-12))
    assert losses(kept) <= most * (1 + 1e-12)
    assert all(losses(kept & (np.arange(len(kept)) != i)) > most for i in np.flatnonzero(kept))
    assert smallest(losses, curve(losses), everything * (1 - 1e-9) - 1e-300) is None


def test_unions_of_many_types():
    assert len(np.unique(_unions(5), axis=0)) == 2**5
    many = _unions(17)
    assert many.sum(axis=1).tolist().count(2) == 17 * 16 / 2
    assert {0, 1, 2, 3, 14, 15, 16, 17} == set(many.sum(axis=1))


def test_what_cannot_be_reached_is_said():
    found = plan(random_model(quicksrnet.Config(4, 1, 2), 1), picture(8, 8), 400)
    assert not found.reached
    assert (found.achieved, found.union) == (found.wide, None)
    assert f"NOT REACHED: {found.target:g} dB" in found.lines()[-1]
    assert json.loads(found.to_json(), parse_constant=pytest.fail)["reached"] is False


def test_what_needs_nothing_keeps_nothing():
    found = plan(random_model(quicksrnet.Config(4, 1, 2), 1), picture(8, 8), 20)
    assert (found.kept, found.union.operators, found.achieved) == ((), 0, found.half)
    assert "KEEP_FLOAT32 = frozenset({\n})" in found.code


def test_the_lines_show_operators_curve_and_classes(planned):
    text = "\n".join(planned.lines())
    assert all(kept.name in text for kept in planned.kept)
    assert all(mark in text for mark in "·●◆○")
    assert f"{planned.union.operators} operators ({', '.join(planned.union.types)})" in text
    assert len(drawn([Point(0, 60.0, 60.0, "plan")], 60)) > 12  # a single point draws too
    document = json.loads(planned.to_json(), parse_constant=pytest.fail)
    assert [kept["name"] for kept in document["kept"]] == [kept.name for kept in planned.kept]
    assert document["achieved"] == planned.achieved


def test_a_target_that_is_no_number_and_a_picture_too_large_are_refused(bench, monkeypatch):
    with pytest.raises(BadInput, match="the target is nan"):
        plan(bench.model, bench.x, np.nan)
    monkeypatch.setattr("karat.convert.precision.sensitivity.MOST_BYTES", 10**5)
    with pytest.raises(BadInput, match="give a smaller one"):
        roundings(bench.forms, bench.x)


def test_a_selector_excludes_other_ways_to_keep(tmp_path):
    model = random_model(quicksrnet.Config(4, 1, 2), 1)
    for options in ({"keep_float32": ["conv"]}, {"precision": "float32"}):
        with pytest.raises(BadInput, match="op_selector goes with"):
            export(model, tmp_path / "m.mlpackage", (1, 3, 8, 8), op_selector=lambda op: True, **options)
    assert list(tmp_path.iterdir()) == []
