"""What `karat bench` is made of: turns, memory, the peak, tiles, ncnn's files, and what is said."""

import ctypes
import json
import os
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import configs, random_model, random_picture

from karat.app.bench import engines, memory, openvino_engine, roofline
from karat.app.bench.case import Case, picture
from karat.app.bench.chart import chart
from karat.app.bench.findings import findings
from karat.app.bench.fused import FusedLayer, measure_layers
from karat.app.bench.ncnn_files import ncnn_files, unwritten
from karat.app.bench.result import Row, Work
from karat.app.bench.table import HEADS, bars, markdown
from karat.app.bench.turns import ratios, take_turns
from karat.refimpl.errors import BadInput
from karat.refimpl.load import load
from karat.refimpl.metrics import psnr
from karat.refimpl.models import quicksrnet


@given(st.integers(1, 5), st.integers(1, 4))
def test_engines_take_turns(repeat, count):
    called, shares = [], []
    runs = {f"e{i}": lambda i=i: called.append(i) for i in range(count)}
    times = take_turns(runs, repeat, 0, shares.append)
    assert called == list(range(count)) * repeat
    assert [len(seconds) for seconds in times.values()] == [repeat] * count
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] < 1


def test_a_short_run_is_timed_when_processors_are_awake(monkeypatch):
    clock = iter([0, 0.2, 1, 1.1, 2, 5])
    monkeypatch.setattr("time.perf_counter", clock.__next__)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    called = []
    runs = {"short": lambda: called.append("short"), "long": lambda: called.append("long")}
    times = take_turns(runs, 1, 0.25)
    assert called == ["short", "short", "long"]
    assert times["short"] == [pytest.approx(0.1)]
    assert times["long"] == [3]


seconds = st.lists(st.floats(1e-3, 10), min_size=1, max_size=7)


@given(st.dictionaries(st.sampled_from(["a", "b", "karat-f32", "karat-bf16"]), seconds, min_size=1), st.floats(0.5, 2))
def test_ratios_do_not_depend_on_the_clock(times, factor):
    found = ratios(times, ["karat-f32", "karat-bf16"])
    faster_clock = ratios(
        {name: [factor * t for t in values] for name, values in times.items()}, ["karat-f32", "karat-bf16"]
    )
    for name, values in times.items():
        assert set(found[name]) == set(times) & {"karat-f32", "karat-bf16"}
        for over, ratio in found[name].items():
            assert ratio == pytest.approx(np.median(values) / np.median(times[over]))
            assert faster_clock[name][over] == pytest.approx(ratio)


@given(st.integers(1, 1100), st.integers(1, 40), st.sampled_from([1, 3]))
@settings(max_examples=10)
def test_a_picture_of_any_size(height, width, channels):
    x = picture(height, width, channels)
    assert (x.shape, x.dtype) == ((1, channels, height, width), np.float32)
    assert 0 <= x.min() <= x.max() <= 1
    assert x.flags.c_contiguous


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 24))
def test_the_middle_is_cut_out(height, width, side):
    x = np.arange(height * width, dtype=np.float32).reshape(1, 1, height, width)
    cut = Case("", x, 1, None).cut(side).x
    assert cut.shape == (1, 1, min(side, height), min(side, width))
    assert (
        abs((cut[0, 0, 0, 0] - x[0, 0, 0, 0]) + (cut[0, 0, -1, -1] - x[0, 0, -1, -1])) <= width + 1
    )  # as far from both


@given(st.integers(1, 150), st.integers(1, 150), st.sampled_from([1, 2, 3]))
def test_tiles_are_put_together_where_they_were(height, width, scale):
    def upscale(x):
        return x.repeat(scale, axis=2).repeat(scale, axis=3)

    def compiled(case, rows, columns, hint):
        assert (rows, columns) == (min(height, 64), min(width, 64))
        return upscale, "float32"

    x = np.random.default_rng(0).random((1, 3, height, width), np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openvino_engine, "_compiled", compiled)
        run, precision = openvino_engine.openvino_tiled(Case("", x, 1, None), "f32")
    np.testing.assert_array_equal(run(), upscale(x))
    assert precision == "float32"


@given(configs())
def test_ncnn_files_hold_every_parameter_once(config):
    model = random_model(config, 1)
    if unwritten(model):
        with pytest.raises(BadInput, match="expected a plain QuickSRNet"):
            ncnn_files(model)
        return
    param, weights = ncnn_files(model)
    lines = param.splitlines()
    assert lines[1] == f"{len(lines) - 2} {len(lines) - 2}"
    convolutions = config.layers + 2
    assert len(weights) == 4 * (sum(p.size for p in model.parameters.values()) + convolutions)


def test_ncnn_gives_the_golden_picture(tmp_path):
    pytest.importorskip("ncnn")
    for form in ("x2", "x3", "x4"):
        model = random_model(quicksrnet.Config(5, 2, int(form[1])), 2)
        x = random_picture(model.config, 3, (9, 13)).astype(np.float32)
        case = Case("", x, 1, tmp_path)
        case.__dict__["model"] = model
        assert psnr(model(x.astype(np.float64)), engines.ENGINES["ncnn"].prepare(case).run()) > 100


def test_ncnn_is_not_asked_for_a_swinir():
    assert "ncnn does not load SwinIR" in unwritten(load("zoo:light-x2-test"))


GROWTH = """
import numpy as np
from karat.app.bench.memory import growth
np.ones(200_000_000, np.uint8)  # freed: not of the call
kept = np.ones(100_000_000, np.uint8)  # there before: not of the call
print(growth(lambda: np.ones(50_000_000, np.uint8)[0]), growth(lambda: None), kept[0])
"""


@pytest.mark.skipif(not memory.CLEAR.exists(), reason="only Linux tells the largest resident set")
def test_growth_is_of_the_call_alone():
    """In a process of its own, as the engines are: the heap of one that ran many tests may hold so much already."""
    processors = os.cpu_count()
    slack = 3 * max(32, 2 * processors) * processors * 4096  # Linux sums three counters, each a batch late per CPU
    done = subprocess.run([sys.executable, "-c", GROWTH], capture_output=True, text=True, check=True)
    call, nothing, kept = map(int, done.stdout.split())
    assert kept == 1
    assert abs(call - 50_000_000) < 1_000_000 + slack  # and what the interpreter itself takes
    assert nothing < 1_000_000 + slack


@pytest.mark.skipif(not memory.CLEAR.exists(), reason="only Linux tells the largest resident set")
@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import os; os.kill(os.getpid(), 9)", "its process was killed, as a system does that runs out of memory"),
        ("raise SystemExit(3)", "its process ended with 3"),
        ("raise ValueError('no such thing')", "ValueError: no such thing"),
    ],
)
def test_a_child_that_fails_is_no_measurement(tmp_path, monkeypatch, program, said):
    monkeypatch.setattr(memory, "PROGRAM", program)
    with pytest.raises(memory.ChildEndedError, match=said):
        memory.memory_growth("torch", Case("zoo:quicksrnet-small-x2", picture(8, 8), 1, tmp_path))


def executed(ir, lanes, count, x):
    """What a loop of the roofline stores, and the most that its sum can differ from count squares a lane."""
    place = np.full(64, x, np.float32)
    start = -place.ctypes.data % 64 // 4
    engine, loop = roofline._compiled(ir)
    assert isinstance(loop, ctypes._CFuncPtr)
    loop(count, place.ctypes.data + 4 * start)
    del engine
    return place[start + 16 : start + 16 + lanes]


@pytest.mark.parametrize(("accumulators", "lanes"), roofline.SHAPES)
@pytest.mark.parametrize("count", [1, 7, 1000])
def test_the_loop_does_all_that_it_is_credited_for(accumulators, lanes, count):
    """Small whole numbers, so that float32 is exact: nothing was optimised away."""
    stored = executed(roofline._fma_loop(accumulators, lanes), lanes, count, 2.0)
    assert stored.tolist() == [4.0 * accumulators * count] * lanes


def test_peaks_are_those_of_real_loops(monkeypatch):
    monkeypatch.setattr(roofline, "SECONDS", 0.002)
    monkeypatch.setattr(roofline, "REPEAT", 2)
    peaks = roofline.peak_loops()
    assert set(peaks) <= {"float32", "bfloat16"}
    assert 0.1 < peaks["float32"].speed < 2000
    peaks["float32"].run()
    if "bfloat16" in peaks:
        assert executed(roofline._dot_loop(20), 16, 5, 2.0).tolist() == [20 * 5 * 4.0] * 16  # low halves are zero


def row(name, seconds, **changes):
    base = Row(
        name, engines.ENGINES[name].label(1), "float32", 1, [seconds], seconds, {}, 90.0, 2_000_000, None, 5.0, 12.0, []
    )
    return replace(base, **changes)


def work(*rows, **changes):
    flops = {"linear": 0, "attention": 0, "convolution": 10**9}
    return replace(Work("zoo:a", (8, 8), 2.0, 1, flops, (8, 8), rows=list(rows)), **changes)


def test_findings_say_what_matters():
    full = work(
        row("karat-f32", 2.0, predicted_bytes=3_000_000),
        row("karat-f32-2", 1.0, threads=2),
        row("karat-bf16", 1.0, precision="bfloat16", psnr_db=58.0),
        row("openvino", 3.0, precision="bfloat16", psnr_db=49.0),
        row("openvino-f32-64", 5.0),
        row("openvino-64", 4.0, precision="bfloat16"),
        absent={"ncnn": "ncnn is not installed: pip install ncnn"},
        failed={"torch": "PyTorch eager failed: no"},
    )
    said = findings(full)
    assert said[:2] == ["ncnn is not installed: pip install ncnn", "PyTorch eager failed: no"]
    assert "better tiled at 64: OpenVINO tiled (bfloat16), 4000.0 against 5000.0 ms" in said
    assert "karat f32 is 2.00 times as fast with 2 threads as with 1" in said
    assert "karat bf16 is closer to float64 than OpenVINO's bfloat16: 58.0 against 49.0 dB" in said
    assert "karat f32 predicted 3 MB and took 2 MB" in said
    worse = replace(full, rows=[replace(full.rows[2], psnr_db=48.0), full.rows[3]])
    assert any(line.startswith("karat bf16 is NOT closer") for line in findings(worse))
    same = replace(full, rows=[replace(full.rows[2], precision="float32"), full.rows[3]])
    assert any(line.startswith("karat bf16 is float32 here") for line in findings(same))


def test_a_slow_path_is_no_success():
    slow = work(row("karat-f32", 1.0, slow=["conv_first"]))
    assert not slow.good
    assert findings(slow) == ["SLOW PATH: karat f32 runs 1 layers without a fast kernel, first conv_first"]
    assert not work(failed={"karat-bf16": "karat bf16 failed: no"}).good
    assert work(row("karat-f32", 1.0), failed={"torch": "PyTorch eager failed: no"}).good


DOCUMENT = {
    "command": "karat bench zoo:a --repeat 1 --threads 1",
    "machine": {
        "cpu": "a, 2 threads",
        "load_average": None,
        "date": "d",
        "python": "3",
        "versions": {},
        "kernels": "k",
    },
    "threads": 1,
    "repeat": 1,
    "gap_seconds": 0.25,
    "peak_gflops_per_second": {"float32": 100.0},
    "fused_layers": [],
}


def test_the_page_and_the_drawing_hold_every_engine():
    some = work(row("karat-f32", 2.0), row("torch", 6.0, times_karat={"karat-f32": 3.0}, psnr_db=None))
    page = markdown(DOCUMENT, [some])
    assert "```sh\nkarat bench zoo:a --repeat 1 --threads 1\n```" in page
    assert "| PyTorch eager | 6000.0 | 3.00 x | - | exact | 2 | 5.0 | 12 % |" in page
    table = [line for line in page.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in table} == {len(HEADS) + 1}
    drawing = chart([some, work(row("openvino", 1.0))])
    assert drawing.count("<svg ") == 1
    assert json.dumps(asdict(some), allow_nan=False)
    lengths = [line.count("▇") for line in bars(some)]
    assert lengths == [13, 40]


def test_layers_alone_are_measured_against_the_peak(monkeypatch):
    clock = iter([t for turn in range(3) for t in (turn, turn + 0.25, turn + 0.25, turn + 0.75)])
    monkeypatch.setattr("time.perf_counter", clock.__next__)
    runs = []
    layer = FusedLayer("layer, C = 60", "float32", lambda: runs.append(1), 10**9)
    (found,) = measure_layers([layer], {"float32": roofline.Peak(lambda: None, 10**9, 5.0)}, 3)
    assert len(runs) == 4
    assert found["percent_of_peak"] == 50  # of the peak in the same turns, not of the best there was
    assert found["gflops_per_second"] == 2
