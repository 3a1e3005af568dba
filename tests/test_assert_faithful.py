"""assert_faithful in somebody else's tests: fails with a message that helps, holds baselines, runs in xdist."""

import json

import numpy as np
import pytest
from networks import random_model
from PIL import Image

import karat
from karat.convert.export.coreml import export
from karat.refimpl.checkpoint import write_safetensors
from karat.refimpl.errors import BadInput
from karat.refimpl.models import quicksrnet

pytest_plugins = ["pytester"]
CONFIG = quicksrnet.Config(features=6, layers=2, subpixel=2)
SHAPE = (1, 3, 12, 16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkpoint, its package, and a package of a network with one wrong bias; a picture and another."""
    path = tmp_path_factory.mktemp("faithful")
    model = random_model(CONFIG, seed=7)
    write_safetensors(path / "net.safetensors", model.parameters)
    export(model, path / "good.mlpackage", SHAPE)
    bias = model.parameters["cnn.2.bias"] + np.array([0.01, 0, 0, 0, 0, 0])
    export(quicksrnet.Model(quicksrnet, CONFIG, model.parameters | {"cnn.2.bias": bias}), path / "bad.mlpackage", SHAPE)
    for seed in (0, 1):
        pixels = np.random.default_rng(seed).integers(0, 256, (20, 24, 3), np.uint8)
        Image.fromarray(pixels).save(path / f"{seed}.png")
    return path


def test_an_honest_package_passes(folder):
    pictures = [folder / "0.png", np.random.default_rng(2).random(SHAPE)]
    verdicts = karat.assert_faithful(folder / "net.safetensors", folder / "good.mlpackage", images=pictures)
    assert [verdict.faithful for verdict in verdicts] == [True, True]
    model, program = karat.load(folder / "net.safetensors"), karat.open_package(folder / "good.mlpackage")
    assert len(karat.assert_faithful(model, program)) == 1


def test_a_defect_fails_with_what_one_needs_to_know(folder):
    with pytest.raises(AssertionError) as failure:
        karat.assert_faithful(folder / "net.safetensors", folder / "bad.mlpackage", images=folder / "0.png")
    lines = str(failure.value).splitlines()
    assert len(lines) <= 15
    text = "\n".join(lines)
    for needed in ("NOT", "cnn.2", "conv", "constant", "cnn.2.bias[0]", "0.png", "karat verify"):
        assert needed in text
    command = lines[-1].split("karat verify ")[1].split()
    assert command[0] == str(folder / "bad.mlpackage")
    assert command[1:5] == ["--weights", str(folder / "net.safetensors"), "--input", str(folder / "0.png")]


def test_what_is_wrong_is_said_once_and_the_other_constants_too(folder, tmp_path):
    with pytest.raises(AssertionError) as failure:
        karat.assert_faithful(folder / "net.safetensors", folder / "bad.mlpackage")
    assert str(failure.value).count("cnn.2.bias[0]") == 1
    model = karat.load(folder / "net.safetensors")
    parameters = dict(model.parameters)
    for name in ("cnn.2.bias", "cnn.4.bias"):
        parameters[name] = parameters[name] + 0.01
    package = export(quicksrnet.Model(quicksrnet, CONFIG, parameters), tmp_path / "m.mlpackage", SHAPE)
    with pytest.raises(AssertionError) as failure:
        karat.assert_faithful(model, package)
    notes = [line for line in str(failure.value).splitlines() if "ulp of" in line]
    assert [line.split(":")[0].strip() for line in notes] == ["size", "constant"]
    assert ["cnn.2.bias" in line for line in notes] == [True, False]


def test_every_image_has_its_verdict(folder):
    picture = folder / "0.png"
    verdicts = karat.assert_faithful(folder / "net.safetensors", folder / "good.mlpackage", images=[picture, picture])
    assert len(verdicts) == 2


def test_no_picture_is_no_judgement(folder):
    with pytest.raises(BadInput, match="no image"):
        karat.assert_faithful(folder / "net.safetensors", folder / "good.mlpackage", images=[])


def test_a_baseline_holds_the_quality(folder, tmp_path):
    arguments = (folder / "net.safetensors", folder / "good.mlpackage", [folder / "0.png"])
    baseline = tmp_path / "baseline.json"
    with pytest.raises(BadInput, match="--karat-update"):
        karat.assert_faithful(*arguments, baseline=baseline)
    karat.assert_faithful(*arguments, baseline=baseline, update=True)
    karat.assert_faithful(*arguments, baseline=baseline)
    content = json.loads(baseline.read_text())
    content["psnr"] = {name: value + 0.6 for name, value in content["psnr"].items()}
    baseline.write_text(json.dumps(content))
    with pytest.raises(AssertionError, match=r"may drop by 0\.5 dB"):
        karat.assert_faithful(*arguments, baseline=baseline)
    karat.assert_faithful(*arguments, baseline=baseline, allowed_drop=1)
    content["psnr"] = {}
    baseline.write_text(json.dumps(content))
    with pytest.raises(AssertionError, match="no baseline for"):
        karat.assert_faithful(*arguments, baseline=baseline)


SUITE = """
import pytest

@pytest.mark.parametrize("picture", ["0.png", "1.png"])
@pytest.mark.parametrize("package", ["good", "bad"])
def test_package(assert_faithful, package, picture, tmp_path_factory):
    folder = {folder!r}
    weights, package = folder + "/net.safetensors", f"{{folder}}/{{package}}.mlpackage"
    baseline = f"{store}/{{package.rpartition('/')[2]}}-{{picture}}.json"
    assert_faithful(weights, package, images=[f"{{folder}}/{{picture}}"], baseline=baseline)
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_the_plugin_in_somebody_s_suite(folder, pytester, workers):
    pytester.makepyfile(SUITE.format(folder=str(folder), store=str(pytester.path)))
    first = pytester.runpytest_subprocess("-n", workers, "--karat-update")
    first.assert_outcomes(passed=2, failed=2)
    assert len(list(pytester.path.glob("good*.json"))) == 2
    second = pytester.runpytest_subprocess("-n", workers)
    second.assert_outcomes(passed=2, failed=2)
    second.stdout.fnmatch_lines(["*is NOT the network of*", "*kind:     constant*"])
