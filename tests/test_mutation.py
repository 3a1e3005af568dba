"""The mutation benchmark: a small part of it at every run, all of it nightly; and it notices a judge that is wrong."""

import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutation import accumulate, devices, report, subjects, trials
from mutation.honest import Honest, honest

from karat.convert.mil.ops.convolution import conv
from karat.convert.mil.ops.linear import linear, matmul

FEW = {"QuickSRNet x1.5": 1, "SwinIR lightweight x3": 1, "SwinIR classical x2, 3conv": 1}
RUN = Path(__file__).resolve().parents[1] / "benchmarks" / "mutation" / "run.py"


@pytest.fixture
def few(monkeypatch):
    """Three networks in half precision: what else there is, the nightly run draws."""
    monkeypatch.setattr(subjects, "WEIGHTS", FEW)
    monkeypatch.setattr(subjects, "OPTIONS", [{}])


def test_there_are_18_package_families_and_8_of_arithmetic():
    kinds = Counter(kind for kind, _ in trials.PACKAGE.values())
    assert kinds == {"weights": 6, "constants": 6, "graph": 6}
    assert len(devices.FAMILIES) == 8
    assert len(trials.FAMILIES) == 26


@pytest.mark.parametrize("family", trials.FAMILIES)
def test_a_drawn_defect_is_called_at_the_right_place(few, family):
    result = trials.trial(family, seed=0, number=0)
    assert result.right, result


@pytest.mark.parametrize("family", trials.SIZED)
def test_one_unit_in_the_last_place_is_seen(few, family):
    result = trials.trial(family, seed=0, number=0, magnitude=1)
    assert "1 ulp" in result.size
    assert result.right, result


def test_a_draw_is_repeatable(few):
    one, again = (trials.trial("one element off", seed=3, number=1) for _ in range(2))
    assert (one.network, one.site, one.size, one.called) == (again.network, again.site, again.size, again.called)


@pytest.mark.parametrize("number", range(4))
def test_honest_packages_are_left_alone(number):
    assert honest(seed=0, number=number).faithful is True


@pytest.mark.parametrize("layer", [None, "conv_last"], ids=["sees nothing", "always the same layer"])
def test_a_judge_that_is_wrong_is_noticed(few, monkeypatch, layer):
    culprit = None if layer is None else SimpleNamespace(layer=layer)
    verdict = SimpleNamespace(faithful=layer is None, culprit=culprit, summary=lambda: [""])
    monkeypatch.setattr(trials, "verify", lambda model, program, x: verdict)
    result = trials.trial("epsilon of a norm", seed=0, number=0)  # which is never in conv_last
    assert result.right is False


def test_the_honest_package_has_no_defect(few):
    subject = subjects.draw(np.random.default_rng(0))
    assert subject.places(subject.program) == ()
    op = next(op for op in subject.program.operations if op.type == "conv")
    device = devices.FaultyDevice(subject.program, op.name, lambda function, arguments, dtype: function(**arguments))
    assert subject.places(device, devices.PROFILE) == ()


def test_a_faulty_device_is_honest_in_float64(few):
    subject = subjects.draw(np.random.default_rng(0))
    op = next(op for op in subject.program.operations if op.type == "conv")
    device = devices.FaultyDevice(
        subject.program, op.name, lambda function, arguments, dtype: 2 * function(**arguments)
    )
    assert subject.places(device, "float64") == ()
    assert subject.places(device, devices.PROFILE)[0] == subject.layers[op.name]


SUMS = {
    "linear": (linear, lambda rng: {"x": rng(3, 7), "weight": rng(4, 7), "bias": rng(4)}),
    "matmul": (matmul, lambda rng: {"x": rng(2, 3, 5), "y": rng(2, 4, 5), "transpose_y": True}),
    "conv": (
        conv,
        lambda rng: {
            "x": rng(1, 2, 5, 6),
            "weight": rng(3, 2, 3, 3),
            "bias": rng(3),
            "strides": np.array([2, 2]),
            "pad_type": "custom",
            "pad": np.array([1, 0, 1, 1]),
        },
    ),
}


@given(st.sampled_from(sorted(SUMS)), st.integers(0, 2**32 - 1))
def test_sums_in_half_precision_are_the_sum_where_they_are_exact(name, seed):
    """Small integers: no order of summation rounds. That the terms and their places are right follows."""
    function, make = SUMS[name]
    rng = np.random.default_rng(seed)
    arguments = make(lambda *shape: rng.integers(-3, 4, shape).astype(np.float32))
    assert np.array_equal(accumulate.sequential_half(function, arguments), function(**arguments))


def test_sums_in_half_precision_round_after_every_term():
    ones = np.ones((1, 4096), np.float32)
    assert accumulate.sequential_half(linear, {"x": ones, "weight": ones}).item() == 2048  # where 1 is half a unit


@given(st.floats(2.0**-100, 2.0**100, width=32))
def test_bfloat16_is_within_half_a_unit(value):
    (rounded,) = accumulate.bfloat16(np.float32([value]))
    assert abs(float(rounded) - value) <= 2.0**-8 * value
    assert rounded == accumulate.bfloat16(np.float32([rounded]))[0]


def test_the_page_counts_what_was_missed():
    def result(family, kind, right):
        return trials.Result(family, kind, (0,), "net", "site", "", "cnn.0", "cnn.0" if right else "-", right)

    results = [result("a", "graph", True), result("b", "graph", True), result("b", "graph", False)]
    page = report.page(0, "run", [*results, result("c", "arithmetic", False)], [Honest((0,), "net", None, "unknown")])
    assert "| package defects at the right place | 1 of 2 | 2 of 3 |" in page
    assert "| arithmetic defects at the right place | 0 of 1 | 0 of 1 |" in page
    assert "1 of 1 (1 of them not judged)" in page
    assert page.count("**wrong**") == 2


@pytest.mark.long
def test_all_of_it(tmp_path):
    command = [sys.executable, RUN, "--seed", "1", "--docs", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "18 of 18" in (tmp_path / "mutation.md").read_text()
