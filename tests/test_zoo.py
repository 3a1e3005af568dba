"""The embedded networks are what their cards say."""

import hashlib
import re

import numpy as np
import pytest
from PIL import Image

from karat.app.example import low_resolution
from karat.convert.export.coreml import export
from karat.convert.fidelity import verify
from karat.convert.mil import open_package
from karat.refimpl.load import ZOO, load, zoo_names
from karat.refimpl.protocol import score

SET5 = {"quicksrnet-small-x2": 36.8, "swinir-small-x2": 37.2}  # dB that each was trained to reach; bicubic has 33.67


def test_every_network_has_a_card_and_a_curve():
    assert zoo_names() == sorted(SET5)
    assert {path.stem for path in ZOO.glob("*.md")} == {path.stem for path in ZOO.glob("*.svg")} == set(zoo_names())


@pytest.mark.parametrize("name", zoo_names())
def test_the_card_names_the_weights(name):
    card = (ZOO / f"{name}.md").read_text()
    digest = hashlib.sha256((ZOO / f"{name}.safetensors").read_bytes()).hexdigest()
    assert f"`{digest}`" in card
    parameters = sum(value.size for value in load(f"zoo:{name}").parameters.values())
    assert f"| parameters | {parameters:,} |" in card


@pytest.mark.parametrize("test", ["Set5", "Set14", "BSD100"])
def test_attention_is_better_than_convolutions_alone(test):
    quality = []
    for name in ("quicksrnet-small-x2", "swinir-small-x2"):
        row = re.search(rf"\| {test} \| ([\d.]+) \|", (ZOO / f"{name}.md").read_text())
        quality.append(float(row[1]))
    assert quality[1] > quality[0]


def test_the_trained_attention_survives_conversion(tmp_path):
    model, x = load("zoo:swinir-small-x2"), low_resolution(8)
    verdict = verify(model, open_package(export(model, tmp_path / "m.mlpackage", x.shape)), x)
    assert verdict.faithful is True, verdict.summary()


@pytest.mark.parametrize("name", zoo_names())
def test_set5_is_measured_again(data, name):
    model = load(f"zoo:{name}")
    scores = []
    for path in sorted((data / "images/Set5/HR").glob("*.png")):
        hr = np.asarray(Image.open(path).convert("RGB")).transpose(2, 0, 1)
        scores.append(score(model, hr, int(model.scale)))
    psnr, ssim = np.mean(scores, axis=0)
    assert psnr >= SET5[name]
    row = re.search(r"\| Set5 \| ([\d.]+) \| ([\d.]+) \|", (ZOO / f"{name}.md").read_text())
    assert row is not None
    assert (float(row[1]), float(row[2])) == (pytest.approx(psnr, abs=0.0051), pytest.approx(ssim, abs=0.000051))
