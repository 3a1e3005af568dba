"""Range certificates of programs: no value of any image leaves its bounds, and overflows that exist are found."""

import json
from functools import cache
from tempfile import mkdtemp

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mil_programs import model, operation, write_package
from networks import configs, random_model
from swinir_networks import explicit, random_swinir
from typer.testing import CliRunner

import karat
from karat.app import cli
from karat.convert.export.coreml import export
from karat.convert.fidelity.ranges import RULES, Bounds
from karat.convert.fidelity.ranges.certificate import CERTIFIED, DOES, MAY, certify
from karat.convert.fidelity.ranges.facts import Term
from karat.convert.fidelity.ranges.limits import LIMITS
from karat.convert.fidelity.ranges.overflow_search import search_images
from karat.convert.fidelity.ranges.propagate import propagate
from karat.convert.mil import open_package
from karat.refimpl.checkpoint import write_safetensors
from karat.refimpl.models import quicksrnet

SEEDS = st.integers(0, 2**32 - 1)
FEWER = settings().max_examples // 4  # every example exports a package or runs one in three profiles
BASE = {"img_size": 8, "embed_dim": 12, "depths": [2, 2], "num_heads": [2, 3], "window_size": 4, "mlp_ratio": 2.0}
BASE |= {"in_chans": 3, "img_range": 1.0, "qk_scale": None}
FORMS = {
    "classical x2, 3conv": {"upsampler": "pixelshuffle", "upscale": 2, "resi_connection": "3conv"},
    "lightweight x3": {"upsampler": "pixelshuffledirect", "upscale": 3},
    "real-world x4": {"upsampler": "nearest+conv", "upscale": 4},
    "JPEG, grey, window 7": {"upsampler": "", "upscale": 1, "in_chans": 1, "img_range": 255.0, "window_size": 7},
    "float32 storage": {"upsampler": "pixelshuffledirect", "upscale": 2, "storage": "float32"},
}


@cache
def swinir_program(form):
    """A small SwinIR as an FP16 program; its attention is sharp, so that rows differ."""
    arguments = BASE | FORMS[form]
    storage = arguments.pop("storage", None)
    window = arguments["window_size"]
    net = random_swinir(arguments | {"img_size": 2 * window}, seed=1).float()
    network = karat.load({name: value.numpy() for name, value in net.state_dict().items()}, **explicit(arguments))
    shape = (1, network.config.channels, 2 * window, 2 * window)
    return open_package(export(network, mkdtemp() + "/m.mlpackage", shape, storage=storage))


@cache
def bounds_of(form):
    return bounds_by_name(swinir_program(form))


def bounds_by_name(program):
    """Bounds of every variable; what does not depend on the image is left out."""
    found = {}
    for op, _, results in propagate(program):
        found |= {out.name: r for out, r in zip(op.outputs, results, strict=True) if isinstance(r, Bounds)}
    return found


def image(kind, shape, seed):
    """Pictures of every kind, extremes included."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices(shape[-2:])
    return {
        "black": lambda: np.zeros(shape),
        "white": lambda: np.ones(shape),
        "noise": lambda: rng.random(shape),
        "binary": lambda: (rng.random(shape) < 0.5) * 1.0,
        "one pixel": lambda: np.ones(shape) * ((rows == rows.max() // 2) & (columns == 0)),
        "checkerboard": lambda: np.ones(shape) * ((rows + columns) % 2),
        "one colour": lambda: np.ones(shape) * (rng.random((shape[1], 1, 1)) < 0.5),
        "ramp": lambda: np.ones(shape) * columns / columns.max(),
    }[kind]()


IMAGES = ("black", "white", "noise", "binary", "one pixel", "checkerboard", "one colour", "ramp")


def outside(program, known, picture):
    """(profile, variable) of every value beyond its bounds."""
    found = []
    for profile in ("fp32-accumulate", "float32", "float64"):
        for record in program.trace({program.inputs[0].name: picture}, profile):
            if record.name in known:
                value, bound = record.value.astype(np.float64), known[record.name]
                assert value.shape == bound.shape
                inside = (value >= bound.low) & (value <= bound.high)
                found += [] if inside.all() else [(profile, record.name)]
    return found


@given(config=configs(), seed=SEEDS, kind=st.sampled_from(IMAGES))
@settings(max_examples=FEWER)
def test_no_value_of_a_quicksrnet_leaves_its_bounds(config, seed, kind, tmp_path_factory):
    shape = (1, 3, 4 * config.multiple_of, 5 * config.multiple_of)
    package = export(random_model(config, seed), tmp_path_factory.mktemp("package") / "m.mlpackage", shape)
    program = open_package(package)
    known = bounds_by_name(program)
    assert not [b.unbounded for b in known.values() if b.unbounded]
    assert outside(program, known, image(kind, shape, seed)) == []


@pytest.mark.parametrize("form", FORMS)
@given(seed=SEEDS, kind=st.sampled_from(IMAGES))
@settings(max_examples=FEWER)
def test_no_value_of_a_swinir_leaves_its_bounds(form, seed, kind):
    program, known = swinir_program(form), bounds_of(form)
    assert not [b.unbounded for b in known.values() if b.unbounded]
    assert outside(program, known, image(kind, program.inputs[0].shape, seed)) == []


def tightened(name):
    """A rule whose bounds are too tight by a fifth: only values near a bound show that, and some are."""
    honest = RULES[name]

    def rule(*arguments, **parameters):
        bound = honest(*arguments, **parameters)
        return Bounds(bound.low + 0.2 * bound.radius, bound.high - 0.2 * bound.radius)

    return rule


@pytest.mark.parametrize("name", ["conv", "clip"])
def test_a_wrong_rule_is_caught_in_a_network(name, monkeypatch, tmp_path):
    shape = (1, 3, 6, 8)
    network = random_model(quicksrnet.Config(features=4, layers=1, subpixel=2), seed=0)
    program = open_package(export(network, tmp_path / "m.mlpackage", shape))
    pictures = [image(kind, shape, 0) for kind in IMAGES]
    assert [outside(program, bounds_by_name(program), picture) for picture in pictures] == [[]] * len(pictures)
    monkeypatch.setitem(RULES, name, tightened(name))
    known = bounds_by_name(program)
    assert any(outside(program, known, picture) for picture in pictures)


def test_lengths_that_are_too_short_are_caught_in_a_network(monkeypatch):
    honest = Term.lengths
    monkeypatch.setattr(Term, "lengths", lambda self: 0.05 * honest(self))
    program = swinir_program("lightweight x3")
    known = bounds_by_name(program)
    assert any(outside(program, known, image(kind, program.inputs[0].shape, 0)) for kind in IMAGES)


def test_lengths_tighten_what_boxes_say(monkeypatch):
    """The certificate of a SwinIR by boxes alone is looser everywhere behind the first layer norm."""
    program = swinir_program("lightweight x3")
    tight = bounds_of("lightweight x3")
    for name in ("layer_norm", "conv"):
        honest = RULES[name]
        monkeypatch.setitem(RULES, name, lambda x, honest=honest, **p: Bounds(*((b := honest(x=x, **p)).low, b.high)))
    loose = bounds_by_name(program)
    ratios = [loose[n].magnitude.max() / tight[n].magnitude.max() for n in tight if tight[n].magnitude.max() > 0]
    assert min(ratios) >= 1 - 1e-6
    assert max(ratios) > 4


def scaled(factor, seed=0, layers=1):
    """A QuickSRNet whose first convolution is much too large."""
    config = quicksrnet.Config(features=4, layers=layers, subpixel=2)
    parameters = dict(random_model(config, seed).parameters)
    rng = np.random.default_rng(seed)
    parameters["cnn.0.weight"] = (factor * rng.choice([-1, 1], parameters["cnn.0.weight"].shape)).astype(np.float32)
    return quicksrnet.Model(quicksrnet, config, parameters)


@given(seed=SEEDS)
@settings(max_examples=FEWER)
def test_an_overflow_is_found_with_an_image_that_does_it(seed, tmp_path_factory):
    package = export(scaled(5600.0, seed), tmp_path_factory.mktemp("package") / "m.mlpackage", (1, 3, 8, 8))
    program = open_package(package)
    certificate = certify(program)
    assert (certificate.overflows, certificate.status("65504"), certificate.status("32768")) == (True, DOES, DOES)
    worst = certificate.worst("65504")
    assert (worst.layer, worst.operator, worst.found) == ("cnn.0", "conv", np.inf)
    picture = certificate.images["65504"]
    assert picture.min() >= 0
    assert picture.max() <= 1
    values = {record.name: record.value for record in program.trace({"x": picture})}
    assert np.isinf(values[worst.name]).any()
    assert "EXCEEDS 65504" in certificate.lines()[0]
    again = certify(program)
    assert np.array_equal(again.images["65504"], picture)
    json.dumps(certificate.to_dict(), allow_nan=False)


def test_between_the_limits_only_the_neural_engine_overflows(tmp_path):
    """27 weights of +-2000 reach 54000 at most: fp16 holds that, an accumulator that saturates at 32768 does not."""
    network = scaled(2000.0)
    network.parameters["cnn.0.weight"][0] = 2000.0  # a white image gives 54000
    certificate = certify(open_package(export(network, tmp_path / "m.mlpackage", (1, 3, 8, 8))))
    assert (certificate.status("65504"), certificate.status("32768")) == (CERTIFIED, DOES)
    assert certificate.worst("32768").found == pytest.approx(54000, rel=1e-3)


HALF = ("float16", (1, 1, 4, 4))


def program_of(folder, operations, x=HALF):
    package = write_package(folder, model([("x", *x)], operations, ["y"]), None, "com.apple.CoreML/model.mlmodel")
    return open_package(package)


def test_what_cancels_may_overflow_and_never_does(tmp_path):
    """60000 x + (60000 - 60000 x) is 60000 for every image; intervals do not know that."""
    large = np.float16(60000)
    program = program_of(
        tmp_path / "m.mlpackage",
        [
            operation("mul", {"x": "x", "y": large}, [("a", *HALF)]),
            operation("sub", {"x": large, "y": "a"}, [("b", *HALF)]),
            operation("add", {"x": "a", "y": "b"}, [("y", *HALF)]),
        ],
    )
    certificate = certify(program)
    assert (certificate.overflows, certificate.status("65504")) == (None, MAY)
    row = certificate.worst("65504")
    assert (row.name, row.operator) == ("y", "add")
    assert row.bound == pytest.approx(120000, rel=1e-3)
    assert row.found == pytest.approx(60000, rel=1e-3)
    assert certificate.runs > 0
    assert "may exceed" in certificate.lines()[0]
    assert certify(program, search=False).worst("65504").found is None
    targets = [("y", LIMITS[0])]
    assert search_images(program, targets, 32, 0, lambda tried, runs: None, seconds=0.0)[2] == 1  # no time, one image


@pytest.mark.parametrize(
    ("begin", "mask", "size", "status"),
    [
        ([0, 0, 0, 1], None, (1, 1, 4, 3), DOES),
        ([0, 0, 1, 0], None, (1, 1, 3, 4), CERTIFIED),  # along the height nothing is multiplied
        ([0, 0, 0, 1], [False, False, False, True], (1, 1, 4, 4), CERTIFIED),  # the mask drops the begin
    ],
)
def test_a_slice_along_the_width_has_its_own_limit(tmp_path, begin, mask, size, status):
    parameters = {"x": "a", "begin": np.array(begin, np.int32), "end": np.array([1, 1, 4, 4], np.int32)}
    if mask is not None:
        parameters["begin_mask"] = np.array(mask)
    program = program_of(
        tmp_path / "m.mlpackage",
        [
            operation("mul", {"x": "x", "y": np.float16(5000)}, [("a", *HALF)]),
            operation("slice_by_index", parameters, [("y", "float16", size)]),
        ],
    )
    certificate = certify(program)
    assert certificate.status("4094") == status
    assert certificate.status("65504") == CERTIFIED
    assert ("no operator is concerned" in certificate.lines()[2]) == (status == CERTIFIED)


@pytest.mark.parametrize("last", ["sqrt", "pow"])
def test_a_deviation_has_a_root(tmp_path, last):
    """The mean of squares is not negative, however it is rounded: channel normalisations and standard deviations."""
    shape, ax = ("float16", (1, 4, 3, 3)), ("float16", (1, 1, 3, 3))
    mean = {"axes": np.int32([1]), "keep_dims": np.bool_(True)}
    root = {"y": np.float16(0.5)} if last == "pow" else {}
    program = program_of(
        tmp_path / "m.mlpackage",
        [
            operation("reduce_mean", {"x": "x", **mean}, [("mean", *ax)]),
            operation("sub", {"x": "x", "y": "mean"}, [("c", *shape)]),
            operation("pow", {"x": "c", "y": np.float16(2)}, [("squares", *shape)]),
            operation("reduce_mean", {"x": "squares", **mean}, [("variance", *ax)]),
            operation(last, {"x": "variance", **root}, [("deviation", *ax)]),
            operation("add", {"x": "deviation", "y": np.float16(0.01)}, [("positive", *ax)]),
            operation("real_div", {"x": "c", "y": "positive"}, [("y", *shape)]),
        ],
        x=shape,
    )
    certificate = certify(program)
    assert {row.status for row in certificate.operators} == {CERTIFIED}


def test_an_operator_without_a_rule_is_named(tmp_path):
    program = program_of(
        tmp_path / "m.mlpackage",
        [
            operation("tan", {"x": "x"}, [("a", *HALF)]),
            operation("clip", {"x": "a", "alpha": np.float16(0), "beta": np.float16(1)}, [("y", *HALF)]),
        ],
    )
    certificate = certify(program)
    assert [row.status for row in certificate.operators] == [MAY, MAY]  # what nothing is known of may be NaN too
    assert "no rule for tan 'a'" in certificate.lines()[0]
    assert json.loads(json.dumps(certificate.to_dict(), allow_nan=False))["operators"][0]["bound"] == "inf"


@pytest.mark.parametrize("name", ["quicksrnet-small-x2", "swinir-small-x2"])
def test_no_image_takes_an_embedded_network_beyond_half_precision(name, tmp_path):
    size = 32 if name.startswith("quick") else 16
    package = export(karat.load(f"zoo:{name}"), tmp_path / "m.mlpackage", (1, 3, size, size))
    certificate = certify(open_package(package), search=False)
    assert certificate.status("65504") == CERTIFIED
    assert certificate.single == 1  # the picture that comes out
    assert {row.operator for row in certificate.operators if row.limit == "32768"} <= {"conv", "linear", "matmul"}


def karat_command(*arguments):
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


def test_the_command_line(tmp_path):
    honest = random_model(quicksrnet.Config(features=4, layers=1, subpixel=2), seed=0)
    export(honest, tmp_path / "good.mlpackage", (1, 3, 8, 8))
    export(scaled(5600.0), tmp_path / "bad.mlpackage", (1, 3, 8, 8))
    done = karat_command("inspect", tmp_path / "good.mlpackage", "--range", "--json", tmp_path / "good.json")
    assert done.exit_code == 0
    written = json.loads((tmp_path / "good.json").read_text())
    assert written["overflows"] is False
    assert {limit["status"] for limit in written["limits"].values()} == {CERTIFIED}
    assert karat_command("inspect", tmp_path / "bad.mlpackage", "--range").exit_code == 1
    write_safetensors(tmp_path / "good.safetensors", honest.parameters)
    arguments = ("verify", tmp_path / "good.mlpackage", "--weights", tmp_path / "good.safetensors", "--range")
    done = karat_command(*arguments, "--json", tmp_path / "verdict.json")
    assert done.exit_code == 0
    assert json.loads((tmp_path / "verdict.json").read_text())["certificate"]["overflows"] is False
