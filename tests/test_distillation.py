"""A student learns from its teacher by the loss that is written down; importances are what pruning takes them for."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from test_training import SMALL
from typer.testing import CliRunner

from karat.convert.torch_models import twin
from karat.convert.torch_models.swinir import SwinIR
from karat.convert.training import fit as fitting
from karat.convert.training import recipes
from karat.convert.training.__main__ import train
from karat.convert.training.objectives import Weighed, distilled, sparse, truth
from karat.convert.training.recipes import RECIPES, whole
from karat.convert.training.starts import nearest_start
from karat.refimpl.checkpoint import read_checkpoint, write_safetensors
from karat.refimpl.errors import BadInput
from karat.refimpl.load import load
from karat.refimpl.protocol import degrade
from karat.refimpl.prune import channels, heads, masked, removed, scores, weights
from karat.refimpl.prune.distillation import distillation_loss

PROOF = settings(max_examples=max(200, settings.default.max_examples))


class Picture(torch.nn.Module):
    """A network that gives a picture of its own, whatever it is shown."""

    def __init__(self, picture):
        super().__init__()
        self.picture = torch.nn.Parameter(torch.tensor(picture))

    def forward(self, lr):
        return self.picture + 0 * lr.sum()


pictures = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).random((3, 2, 3, 5, 4)))


@PROOF
@given(pictures, st.floats(0, 1))
def test_the_loss_is_its_golden_form(drawn, share):
    student, teacher, target = drawn
    module = Picture(student)
    loss = distilled(whole, Picture(teacher), share)(module, torch.zeros(1), torch.tensor(target))
    golden = distillation_loss(student, teacher, target, share)
    assert loss.item() == pytest.approx(golden, rel=1e-14)
    loss.backward()
    slope = ((1 - share) * np.sign(student - target) + share * np.sign(student - teacher)) / student.size
    np.testing.assert_allclose(module.picture.grad, slope, rtol=1e-14, atol=1e-17)
    if share not in (0, 1):  # lambda is the teacher's, and each distance counts once
        assert distillation_loss(student, teacher, target, 1) == np.abs(teacher - student).mean()
        assert distillation_loss(student, teacher, target, 0) == np.abs(target - student).mean()


def test_a_share_of_the_wrong_side_is_caught():
    student, teacher, target = np.random.default_rng(0).random((3, 1, 3, 4, 4))
    loss = distilled(whole, Picture(teacher), 0.3)(Picture(student), torch.zeros(1), torch.tensor(target))
    assert loss.item() != pytest.approx(distillation_loss(student, teacher, target, 0.7), rel=1e-3)


def test_the_teacher_stays_as_it_is():
    teacher = Picture(np.zeros((1, 3, 4, 4)))
    distilled(whole, teacher, 0.5)(Picture(np.ones((1, 3, 4, 4))), torch.zeros(1), torch.zeros(1, 3, 4, 4)).backward()
    assert teacher.picture.grad is None


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_is_refused(share):
    with pytest.raises(BadInput, match="from 0 to 1"):
        distillation_loss(np.zeros(1), np.zeros(1), np.zeros(1), share)
    with pytest.raises(BadInput, match="from 0 to 1"):
        distilled(whole, Picture(np.zeros(1)), share)


def test_pictures_of_two_sizes_are_refused():
    with pytest.raises(BadInput, match="one shape"):
        distillation_loss(np.zeros((1, 3, 4, 4)), np.zeros((1, 3, 4, 5)), np.zeros((1, 3, 4, 4)), 0.5)


def small_model(seed=0):
    torch.manual_seed(seed)
    options = SMALL | {"embed_dim": 12, "num_heads": (3,)}
    module = SwinIR(upscale=2, upsampler="pixelshuffledirect", **options)
    for parameter in module.parameters():
        torch.nn.init.uniform_(parameter, -0.5, 0.5)
    return load({name: value.numpy() for name, value in module.state_dict().items()})


def weighed(model, kind, seed=1):
    """(network with random importances in float64, the importances by block)."""
    module = Weighed(twin(model, torch.float64), kind, model.config.paths).double()
    rng, a = np.random.default_rng(seed), {}
    with torch.no_grad():
        for path, importances in zip(module.paths, module.importances.parameters(), strict=True):
            a[path] = rng.normal(size=importances.shape)
            importances.copy_(torch.tensor(a[path]))
    return module, a


@PROOF
@given(st.sampled_from(scores.KINDS), st.integers(0, 2**32 - 1))
def test_importances_are_what_folding_multiplies_in(kind, seed):
    model = small_model(seed % 1000)
    model = replace(model, parameters={name: np.float64(v) for name, v in model.parameters.items()})
    module, a = weighed(model, kind, seed)
    x = np.random.default_rng(seed).random((1, 3, 8, 8))
    ours, golden = module(torch.tensor(x)).detach().numpy(), channels.folded(model, kind, a)(x)
    assert np.linalg.norm(ours - golden) <= 1e-12 * np.linalg.norm(golden)
    twice = channels.folded(channels.folded(model, kind, a), kind, a)(x)
    assert np.linalg.norm(ours - twice) > 1e-9 * np.linalg.norm(golden)  # an importance applied twice is caught


def test_importances_cost_gamma_each():
    module, a = weighed(small_model(), "hidden")
    lr, hr = torch.rand(1, 3, 8, 8, dtype=torch.float64), torch.rand(1, 3, 16, 16, dtype=torch.float64)
    plain = truth(whole)(module, lr, hr).item()
    total = sum(np.abs(value).sum() for value in a.values())
    assert sparse(truth(whole), 0.01)(module, lr, hr).item() == pytest.approx(plain + 0.01 * total, rel=1e-12)


def workplace_in(tmp_path, monkeypatch):
    """A tiny recipe, pictures, and a command that trains with options and gives its exit code and words."""
    monkeypatch.setattr(fitting, "EVERY", 10)
    recipe = replace(
        RECIPES["swinir-small-x2"],
        build=lambda: nearest_start(SwinIR(upscale=2, upsampler="pixelshuffledirect", **SMALL)),
        patch=8,
        batch=2,
        iterations=20,
    )
    monkeypatch.setitem(recipes.RECIPES, "tiny", recipe)
    rng = np.random.default_rng(0)
    (tmp_path / "pictures").mkdir()
    for i in range(3):
        picture = np.kron(rng.integers(0, 256, (6, 5, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
        Image.fromarray(picture).save(tmp_path / "pictures" / f"{i}.png")
    app = typer.Typer()
    app.command()(train)

    def go(work, *options, name="tiny"):
        command = [name, "--images", str(tmp_path / "pictures"), "--work", str(tmp_path / work), *map(str, options)]
        return CliRunner().invoke(app, command)

    write_safetensors(tmp_path / "network.safetensors", small_model().parameters)
    return tmp_path, go


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    return workplace_in(tmp_path, monkeypatch)


def trained(folder):
    return read_checkpoint(folder / "weights.safetensors")


def test_a_training_leaves_weights_that_load_and_a_curve(workplace):
    folder, go = workplace
    result = go("a", "--seed", 3)
    assert result.exit_code == 0, result.output
    assert load(str(folder / "a" / "weights.safetensors")).scale == 2
    assert (folder / "a" / "curve.svg").read_text().startswith("<?xml")
    assert go("b", "--seed", 3).exit_code == 0
    assert all(np.array_equal(value, trained(folder / "b")[name]) for name, value in trained(folder / "a").items())


def test_a_teacher_changes_what_is_learnt_and_another_training_is_not_continued(workplace):
    folder, go = workplace
    teacher = folder / "network.safetensors"
    assert go("plain").exit_code == go("taught", "--teacher", teacher).exit_code == 0
    assert go("none", "--teacher", teacher, "--share", 0).exit_code == 0
    plain, taught, none = (trained(folder / name) for name in ("plain", "taught", "none"))
    assert any(not np.array_equal(plain[name], taught[name]) for name in plain)
    for name in plain:
        np.testing.assert_allclose(plain[name], none[name], atol=1e-6)
    result = go("plain", "--teacher", teacher)
    assert result.exit_code == 2
    assert "holds a training with teacher None" in result.output
    Image.fromarray(np.zeros((48, 48, 3), np.uint8)).save(folder / "pictures" / "more.png")
    assert "holds a training with pictures" in go("plain").output
    write_safetensors(teacher, small_model(7).parameters)
    assert "holds a training with" in go("taught", "--teacher", teacher).output


def test_a_training_is_made_longer_and_not_shorter(workplace):
    folder, go = workplace
    assert go("a").exit_code == go("a", "--iterations", 30).exit_code == 0
    lines = (folder / "a" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["iteration"] for line in lines] == [10, 20, 30]
    result = go("a", "--iterations", 10)
    assert result.exit_code == 2
    assert "holds 30 iterations already" in result.output


@pytest.mark.parametrize("name", ["checkpoint.pt", "settings.json"])
def test_a_damaged_folder_is_refused(workplace, name):
    folder, go = workplace
    assert go("a").exit_code == 0
    path = folder / "a" / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    result = go("a")
    assert result.exit_code == 2
    assert "take another folder" in result.output


def test_a_file_for_a_folder_is_refused(workplace):
    folder, go = workplace
    (folder / "file").write_text("")
    assert "is a file, expected a folder" in go("file").output


@pytest.mark.parametrize("how", ["masked", "weights"])
def test_zeros_stay_zeros(workplace, how):
    folder, go = workplace
    model = small_model()
    plan = heads.per_layer(model, scores.l1(model, "heads"), 1)
    pruned = masked(model, plan) if how == "masked" else weights.pruned(model, 0.4)
    path = folder / "pruned.safetensors"
    write_safetensors(path, pruned.parameters)
    assert go("held", "--start", path).exit_code == go("free", "--start", path, "--free-zeros").exit_code == 0
    held, free = (trained(folder / name) for name in ("held", "free"))
    for name in with_zeros(pruned):
        zeros = pruned.parameters[name] == 0
        assert not held[name][zeros].any()
    if how == "weights":  # a masked head cannot grow: what computes it and what reads it wait for each other
        assert any(free[name][pruned.parameters[name] == 0].any() for name in with_zeros(pruned))
    assert any(not np.array_equal(held[name], pruned.parameters[name]) for name in held)


def with_zeros(model):
    """Parameters that hold zeros."""
    names = model.architecture.parameter_shapes(model.config)
    return [name for name in names if not model.parameters[name].all()]


def test_a_smaller_network_is_trained_on_or_afresh(workplace):
    folder, go = workplace
    model = small_model()
    plan = heads.per_layer(model, scores.l1(model, "heads"), 1)
    plan = plan.joined(channels.per_layer(model, "values", scores.l1(model, "values"), 0.5))
    plan = plan.joined(channels.per_layer(model, "hidden", scores.l1(model, "hidden"), 0.5))
    small = removed(model, plan)
    path = folder / "small.safetensors"
    write_safetensors(path, small.parameters)
    for option in ("start", "structure"):
        result = go(option, f"--{option}", path)
        assert result.exit_code == 0, result.output
        assert load(str(folder / option / "weights.safetensors")).config == small.config
    begun, afresh = (trained(folder / option)["norm.weight"] for option in ("start", "structure"))
    assert np.abs(begun - small.parameters["norm.weight"]).max() < 0.05
    assert np.abs(afresh - 1).max() < 0.05  # and not where the file's are


@pytest.mark.parametrize("kind", scores.KINDS)
def test_learnt_importances_are_left_beside_the_weights(workplace, kind):
    folder, go = workplace
    path = folder / "network.safetensors"
    found = {}
    for work, gamma in (("learnt", 1), ("free", 1e-9)):
        result = go(work, "--start", path, "--importances", kind, "--gamma", gamma)
        assert result.exit_code == 0, result.output
        found[work] = read_checkpoint(folder / work / "importances.safetensors")
    means = {work: np.mean([value.mean() for value in values.values()]) for work, values in found.items()}
    assert 0.9 < means["learnt"] < means["free"] < 1.1
    blocks = small_model().config.paths
    assert {name: value.shape for name, value in found["learnt"].items()} == {
        f"{path}:{kind}": scores.unit_shape(block, kind) for path, block in blocks.items()
    }
    log = [json.loads(line) for line in (folder / "learnt" / "log.jsonl").read_text().splitlines()]
    with torch.no_grad():  # the weights hold the importances: they give the quality that was logged
        module = twin(load(str(folder / "learnt" / "weights.safetensors")))
        picture = np.asarray(Image.open(folder / "pictures" / "0.png")).transpose(2, 0, 1)
        pair = degrade(picture, 2)
        assert fitting.validate(module, dict(module.named_parameters()), [pair]) == pytest.approx(
            log[-1]["psnr"], abs=1e-3
        )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--start", "a", "--structure", "b"], "expected one"),
        (["--teacher", "zoo:nothing"], "nothing"),
        (["--teacher", "zoo:quicksrnet-small-x2", "--share", "2"], "from 0 to 1"),
        (["--importances", "layers"], "expected one of heads"),
        (["--gamma", "-1", "--importances", "hidden"], "above 0"),
        (["--rate", "nan"], "above 0"),
        (["--rate", "1e300"], "up to 1"),
        (["--iterations", "0"], "1 or more"),
        (["--seed", "-1"], "0 to"),
        (["--threads", "0"], "1 or more"),
        (["--share", "0.3"], "without --teacher"),
        (["--gamma", "3"], "without --importances"),
        (["--free-zeros"], "without --start"),
        (["--start", "zoo:quicksrnet-small-x2"], "take another recipe"),
        (["--structure", "zoo:quicksrnet-small-x2"], "take another recipe"),
        (["--structure", "zoo:classical-x2-test"], "begin afresh"),
        (["--teacher", "zoo:real-x4-test"], "enlarges 4 times"),
    ],
)
def test_options_that_make_no_sense_are_refused(workplace, options, words):
    folder, go = workplace
    result = go("work", *options)
    assert result.exit_code == 2
    assert words in result.output
    assert not (folder / "work").exists()
    assert "Traceback" not in result.output


def test_an_unknown_recipe_is_refused(workplace):
    _, go = workplace
    assert "no recipe" in go("work", name="nothing").output
