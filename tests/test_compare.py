"""Two trainings compared: the interval is that of paired differences, and says no more than it knows."""

import json

import numpy as np
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from swinir_networks import network
from test_distillation import small_model
from typer.testing import CliRunner

from karat.convert.training import compare as comparing
from karat.convert.training.compare import compare, interval, report
from karat.refimpl.checkpoint import write_safetensors
from karat.refimpl.models import quicksrnet
from karat.refimpl.prune import Cut, Plan, masked, removed

numbers = st.floats(-2, 2).map(lambda value: round(value, 6))
differences = st.tuples(st.integers(1, 4), st.integers(2, 12)).flatmap(
    lambda s: arrays(np.float64, s, elements=numbers)
)


@given(differences, numbers)
def test_the_interval_moves_with_the_differences(drawn, shift):
    low, high = interval(drawn, resamples=200)
    assert drawn.min() - 1e-12 <= low <= high <= drawn.max() + 1e-12
    moved = interval(drawn + shift, resamples=200)
    np.testing.assert_allclose(moved, [low + shift, high + shift], atol=1e-12)


@given(st.integers(0, 2**32 - 1))
def test_what_both_share_does_not_count(seed):
    """Pictures differ by many dB, trainings by a hundredth: pairing finds it, a comparison of means does not."""
    rng = np.random.default_rng(seed)
    of_pictures = rng.normal(30, 4, 60)
    second = of_pictures + rng.normal(0, 0.005, (3, 60))
    first = of_pictures + 0.02 + rng.normal(0, 0.005, (3, 60))
    found = report(first, second)
    assert found["better"]
    assert not found["worse"]
    assert found["difference_db"] == pytest.approx(0.02, abs=0.005)
    unpaired = report(first, rng.permuted(second, axis=1))  # mutant: pictures of another order
    assert not unpaired["better"]


def test_seeds_that_disagree_widen_the_interval():
    """The same mean over 100 pictures; with one seed far better and one far worse nothing is shown."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.01, (3, 100))
    agree, disagree = noise + 0.05, noise + np.array([[0.55], [0.05], [-0.45]])
    assert interval(agree)[0] > 0.04
    assert interval(disagree)[0] < 0 < interval(disagree)[1]


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    """Of 300 experiments with 12 seeds and 30 pictures; few seeds cover less, many more, never by much."""
    rng, inside = np.random.default_rng(1), 0
    for trial in range(300):
        effects = rng.normal(0, 1, (12, 1)) + rng.normal(0, 1, (1, 30)) + rng.normal(0, 0.5, (12, 30))
        low, high = interval(effects, seed=trial, resamples=400)
        inside += low <= 0 <= high
    assert 0.88 <= inside / 300 <= 0.99


@pytest.fixture
def command(tmp_path):
    app = typer.Typer()
    app.command()(compare)
    rng = np.random.default_rng(0)
    (tmp_path / "set").mkdir()
    for i in range(3):
        picture = np.kron(rng.integers(0, 256, (5, 4, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
        Image.fromarray(picture).save(tmp_path / "set" / f"{i}.png")
    for seed in range(4):
        write_safetensors(tmp_path / f"{seed}.safetensors", small_model(seed).parameters)

    def go(first, second, *options):
        files = [*(f"{tmp_path}/{i}.safetensors" for i in first)]
        for i in second:
            files += ["--against", f"{tmp_path}/{i}.safetensors"]
        return CliRunner().invoke(app, [*files, "--evaluate", str(tmp_path / "set"), *options])

    return go


def test_the_command_says_which_is_better_and_exits_by_it(command, tmp_path):
    result = command([0, 1], [2, 3], "--json", str(tmp_path / "r.json"))
    found = json.loads((tmp_path / "r.json").read_text())
    assert np.shape(found["first_db"]) == (2,)
    assert found["pictures"] == 3
    assert result.exit_code == (0 if found["better"] else 1)
    swapped = command([2, 3], [0, 1], "--json", str(tmp_path / "s.json"))
    assert json.loads((tmp_path / "s.json").read_text())["difference_db"] == pytest.approx(-found["difference_db"])
    assert ("is better" in result.output) == found["better"]
    assert "95 % interval" in swapped.output


def test_unequal_numbers_of_seeds_are_refused(command):
    result = command([0, 1], [2])
    assert result.exit_code == 2
    assert "one pair per seed" in result.output


def test_one_seed_says_nothing(command):
    result = command([0], [1])
    assert result.exit_code == 2
    assert "one seed" in result.output


def test_one_picture_says_nothing(command, tmp_path):
    for name in ("0.png", "1.png"):
        (tmp_path / "set" / name).unlink()
    assert "one picture" in command([0, 1], [2, 3]).output


@pytest.mark.parametrize(
    ("name", "words"),
    [("0.safetensors", "one of the networks"), ("no/r.json", "make the folder"), ("set", "expected a file name")],
)
def test_nothing_is_overwritten(command, tmp_path, name, words):
    before = (tmp_path / "0.safetensors").read_bytes()
    result = command([0, 1], [2, 3], "--json", str(tmp_path / name))
    assert result.exit_code == 2
    assert words in result.output
    assert (tmp_path / "0.safetensors").read_bytes() == before


def refused(result, words):
    """In one sentence, and not by the code that means "not better"."""
    assert (result.exit_code, words in result.output) == (2, True), result.output
    assert "Traceback" not in result.output
    assert result.output.count(": ") >= 1
    assert not isinstance(result.exception, Exception)


def quick(**sizes):
    rng = np.random.default_rng(1)
    config = quicksrnet.Config(features=4, layers=1, **sizes)
    shapes = quicksrnet.parameter_shapes(config)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


OTHERS = {
    "another scale": (lambda: network("lightweight x3")[1].parameters, "enlarge 3 and 2 times"),
    "another architecture": (lambda: quick(subpixel=2), "are a quicksrnet and a swinir"),
    "a head less": (
        lambda: removed(small_model(9), Plan({"layers.0.residual_group.blocks.0": Cut(heads=(0,))})).parameters,
        "differ in the form of layers.0.residual_group.blocks.0.attn.",
    ),
    "grey": (lambda: network("grey denoising")[1].parameters, "differ in the form|enlarge 1 and 2 times"),
    "a copy": (lambda: small_model(0).parameters, "the same network as"),
    "no network": (lambda: {"a": np.zeros(3)}, "has keys such as a"),
    "not there": (None, "other.safetensors"),
}


@pytest.mark.parametrize("place", ["first", "against"])
@pytest.mark.parametrize("name", OTHERS)
def test_networks_that_differ_in_more_than_their_training_are_refused_before_any_runs(
    command, tmp_path, monkeypatch, name, place
):
    monkeypatch.setattr(comparing, "qualities", lambda *_: pytest.fail("a network ran"))
    build, words = OTHERS[name]
    if build:
        write_safetensors(tmp_path / "other.safetensors", build())
    sides = {"first": ([0, "other"], [2, 3]), "against": ([0, 1], [2, "other"])}[place]
    result = command(*sides)
    assert any(word in result.output for word in words.split("|")), result.output
    refused(result, "")


def test_grey_networks_and_broken_scales_are_refused(command, tmp_path):
    for seed in range(4):
        write_safetensors(tmp_path / f"grey{seed}.safetensors", network("grey denoising", seed)[1].parameters)
    refused(command(["grey0", "grey1"], ["grey2", "grey3"]), "takes 1 channel")


def test_masked_and_whole_networks_are_of_one_form(command, tmp_path):
    zeros = masked(small_model(9), Plan({"layers.0.residual_group.blocks.0": Cut(heads=(0,))}))
    write_safetensors(tmp_path / "masked.safetensors", zeros.parameters)
    assert "95 % interval" in command([0, 1], [2, "masked"]).output


def test_nothing_counts_twice(command, tmp_path):
    """A seed or a folder named twice makes the interval narrower than what is known."""
    refused(command([0, 0], [2, 3]), "the same network as")
    refused(command([0, 1], [2, 0]), "the same network as")
    refused(command([0, 1], [2, 3], "--evaluate", str(tmp_path / "set")), "the same picture as")
    refused(command([0, 1], [2, 3], "--evaluate", str(tmp_path)), "the same picture as")  # a folder within
    (tmp_path / "link").symlink_to(tmp_path / "set")
    refused(command([0, 1], [2, 3], "--evaluate", str(tmp_path / "link")), "the same picture as")


def test_what_a_comparison_would_lack_is_said(command, tmp_path):
    refused(command([0, 1], [2, 3], "--evaluate", str(tmp_path / "nowhere")), "no PNG or JPEG under")
    refused(command([0, 1], [2, 3], "--json", "-"), "expected a file name")
    Image.new("RGB", (8, 8), (9, 9, 9)).save(tmp_path / "set" / "small.png")
    refused(command([0, 1], [2, 3]), "small.png")


def test_a_quality_that_is_no_number_is_refused(command, monkeypatch):
    monkeypatch.setattr(comparing, "score", lambda *_: (float("inf"), 1.0))
    refused(command([0, 1], [2, 3]), "with inf dB")
