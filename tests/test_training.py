"""Training is a pure function of its seed, broken off or not."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from karat.convert.torch_models.swinir import SwinIR
from karat.convert.training import fit as fitting
from karat.convert.training.fit import cosine, fit
from karat.convert.training.objectives import truth
from karat.convert.training.patches import Patches, read_pictures
from karat.convert.training.recipes import RECIPES, unclipped, whole
from karat.convert.training.starts import identity_start, nearest_start
from karat.refimpl.errors import BadInput
from karat.refimpl.models import quicksrnet
from karat.refimpl.protocol import degrade

CONFIG = quicksrnet.Config(features=4, layers=1, subpixel=2)


def pairs():
    rng = np.random.default_rng(0)
    smooth = [np.kron(rng.integers(0, 256, (3, 6, 5), np.uint8), np.ones((1, 4, 4), np.uint8)) for _ in range(3)]
    return [degrade(picture, 2) for picture in smooth]


def train(work, iterations, stop=None):
    torch.manual_seed(0)
    patches = Patches(pairs(), scale=2, size=6, batch=2, seed=1)
    if stop is not None:
        whole = patches

        def patches(iteration):
            if iteration == stop:
                raise KeyboardInterrupt
            return whole(iteration)

    return fit(identity_start(CONFIG), truth(unclipped), patches, pairs()[:1], work, iterations, 1e-2, progress=False)


def test_a_resumed_run_ends_where_an_unbroken_one_does(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "EVERY", 5)
    whole = train(tmp_path / "whole", 20)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "broken", 20, stop=13)
    resumed = train(tmp_path / "broken", 20)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    logs = [(tmp_path / name / "log.jsonl").read_text() for name in ("whole", "broken")]
    assert [json.loads(line)["iteration"] for line in logs[0].splitlines()] == [5, 10, 15, 20]
    assert logs[0] == logs[1]


def test_training_learns(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "EVERY", 20)
    train(tmp_path, 100)
    losses = [json.loads(line)["loss"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert losses[-1] < 0.9 * losses[0]


SMALL = {"img_size": 8, "embed_dim": 8, "depths": (2,), "num_heads": (2,), "window_size": 4, "mlp_ratio": 2}


def test_a_swinir_learns_and_its_parameters_alone_are_averaged(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "EVERY", 40)
    torch.manual_seed(0)
    model = nearest_start(SwinIR(upscale=2, upsampler="pixelshuffledirect", **SMALL))
    smooth = [np.kron(picture, np.ones((1, 2, 2), np.uint8)) for _, picture in pairs()]
    held_out = degrade(smooth[0], 2)
    patches = Patches([degrade(picture, 2) for picture in smooth], scale=2, size=8, batch=2, seed=1)
    average = fit(model, truth(whole), patches, [held_out], tmp_path, 120, 2e-3, progress=False)
    losses = [json.loads(line)["loss"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert losses[-1] < 0.9 * losses[0]
    assert set(average) == {name for name, _ in model.named_parameters()}  # and no buffer


def test_low_and_high_patches_show_the_same_place():
    patches = Patches(pairs(), scale=2, size=6, batch=8, seed=3)
    for iteration in range(10):
        low, high = patches(iteration)
        means = high.reshape(8, 3, 6, 2, 6, 2).mean((3, 5))  # bicubic keeps the mean of a block within some contrast
        assert np.corrcoef(low.ravel(), means.ravel())[0, 1] > 0.95
        again = patches(iteration)
        assert np.array_equal(low, again[0])
        assert np.array_equal(high, again[1])


def test_the_rate_rises_then_falls():
    rates = [cosine(i, 1000, 1.0) for i in range(1000)]
    assert rates[0] == pytest.approx(1 / 200, rel=1e-3)
    assert 0.9 < max(rates) <= 1
    assert rates[-1] < 0.002


def test_pictures_are_found_and_their_absence_is_said(tmp_path):
    (tmp_path / "a").mkdir()
    Image.new("L", (5, 4), 7).save(tmp_path / "a" / "grey.png")
    ((path, picture),) = read_pictures([tmp_path])
    assert path.name == "grey.png"
    assert picture.shape == (3, 4, 5)
    with pytest.raises(BadInput, match="no PNG or JPEG"):
        read_pictures([tmp_path / "b"])
    with pytest.raises(BadInput, match="smaller patches"):
        Patches([degrade(picture, 2)], scale=2, size=6, batch=1, seed=0)


def test_every_recipe_builds_a_network_near_nearest_neighbour():
    smooth = torch.linspace(0.2, 0.8, 16).expand(1, 3, 16, 16)
    for recipe in RECIPES.values():
        torch.manual_seed(0)
        nearest = smooth.repeat_interleave(recipe.scale, 2).repeat_interleave(recipe.scale, 3)
        with torch.no_grad():
            y = recipe.forward(recipe.build(), smooth)
        assert y.shape == nearest.shape
        likeness = np.corrcoef(y[..., 4:-4, 4:-4].flatten(), nearest[..., 4:-4, 4:-4].flatten())[0, 1]
        assert likeness > 0.5, recipe.about
