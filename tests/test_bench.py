"""``karat bench`` on the command line, with the peers that are installed."""

import json
import subprocess
import sys

import numpy as np
import pytest
from networks import random_model
from test_light_install import WITHOUT_EXTRAS

from karat.app import cli
from karat.app.bench import engines, measure, roofline, run
from karat.app.bench.case import Case, picture
from karat.kernels import cpu
from karat.refimpl.checkpoint import write_safetensors
from karat.refimpl.models import quicksrnet

PEERS = [name for name in engines.ENGINES if not name.startswith("karat")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    write_safetensors(folder / "net.safetensors", dict(random_model(quicksrnet.Config(4, 1, 2), 1).parameters))
    write_safetensors(folder / "half.safetensors", dict(random_model(quicksrnet.Config(4, 1, 3, 2), 1).parameters))
    return folder


@pytest.fixture
def bench(monkeypatch, capsys, folder):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(roofline, "SECONDS", 0.001)
    monkeypatch.setattr(roofline, "REPEAT", 1)

    def call(words):
        monkeypatch.setattr(sys, "argv", ["karat", "bench", *words.split()])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        printed = capsys.readouterr()
        return stopped.value.code or 0, printed.out, printed.err

    return call


def fake(name, golden=None):
    """An engine that gives the golden picture in float32, or what it is told."""

    def prepare(case):
        return engines.Prepared(golden or (lambda: case.model(case.x)), "float32", case.threads, 1_000_000)

    return engines.Engine(name, name, prepare)


@pytest.fixture
def fakes(monkeypatch):
    monkeypatch.setattr(measure, "memory_growth", lambda name, case: 2_000_000)

    def put(*names, **options):
        for name in names:
            monkeypatch.setitem(engines.ENGINES, name, fake(name, **options))

    return put


def test_peers_side_by_side(bench, folder):
    """Every engine that is asked for is a row or a sentence, and gives the golden picture."""
    code, out, err = bench(f"net.safetensors --size 16x24 --repeat 2 --engines {','.join(PEERS)} --json a.json")
    assert (code, err) == (0, "")
    document = json.loads((folder / "a.json").read_text())
    (work,) = document["works"]
    rows = {row["engine"]: row for row in work["rows"]}
    assert set(rows) | set(work["absent"]) == set(PEERS)
    assert "torch" in rows
    assert work["failed"] == {}
    assert (work["size"], work["network"], work["good"]) == ([16, 24], "net.safetensors", True)
    for name, row in rows.items():
        assert row["psnr_db"] > (30 if row["precision"] == "bfloat16" else 100), name
        assert len(row["seconds"]) == 2
        assert row["median_seconds"] == pytest.approx(np.median(row["seconds"]))
        assert row["memory_bytes"] is None or row["memory_bytes"] >= 0
        assert row["title"] in out
    for sentence in work["absent"].values():
        assert sentence in out
    assert document["command"].startswith(
        "karat bench net.safetensors --size 16x24 --repeat 2 --threads 1 --engines torch,"
    )
    assert "load average" in out


def test_karat_runs_a_swinir_on_fast_kernels(bench, folder):
    code, out, _ = bench("zoo:swinir-small-x2 --size 16x20 --repeat 1 --engines karat-f32,karat-bf16 --json e.json")
    document = json.loads((folder / "e.json").read_text())
    (work,) = document["works"]
    assert (code, work["failed"], work["good"]) == (0, {}, True)
    precisions = [row["precision"] for row in work["rows"]]
    assert precisions + ["bfloat16"] * len(work["absent"]) == ["float32", "bfloat16"]
    for row in work["rows"]:
        assert row["psnr_db"] > (100 if row["precision"] == "float32" else 40)
    assert [layer["precision"] for layer in document["fused_layers"]] == [p for p in precisions for _ in range(2)]
    assert "fused Swin layer, C = 60, float32: " in out


def test_bfloat16_is_not_asked_of_a_processor_without(monkeypatch, tmp_path):
    monkeypatch.setattr(engines.cpu, "target", lambda: cpu.Target("avx2", False, "old", ""))
    case = Case("zoo:quicksrnet-small-x2", picture(8, 8), 1, tmp_path)
    reason = engines.absent(engines.ENGINES["karat-bf16"], case)
    assert reason == "karat bf16 needs a processor that multiplies bfloat16, and there are AVX2 kernels (old)"


def test_ratios_page_and_drawing(bench, fakes, folder):
    fakes("karat-f32", "karat-bf16", "karat-f32-2")
    files = "--json b.json --markdown b.md --svg b.svg"
    code, out, err = bench(
        f"net.safetensors --size 8 --repeat 3 --engines karat-f32,karat-bf16,karat-f32-2,torch {files}"
    )
    assert (code, err) == (0, "")
    rows = {row["engine"]: row for row in json.loads((folder / "b.json").read_text())["works"][0]["rows"]}
    ratio = rows["torch"]["times_karat"]["karat-f32"]
    assert ratio == pytest.approx(rows["torch"]["median_seconds"] / rows["karat-f32"]["median_seconds"])
    assert rows["karat-f32"]["times_karat"]["karat-f32"] == 1
    assert f"{ratio:.2f} x" in out
    assert "karat bench net.safetensors --size 8 --repeat 3" in (folder / "b.md").read_text()
    assert (folder / "b.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize("name", [name for name in PEERS if name != "ncnn"])
def test_a_missing_peer_is_said(monkeypatch, tmp_path, name):
    case = Case("zoo:quicksrnet-small-x2", picture(8, 8), 1, tmp_path)
    engine = engines.ENGINES[name]
    monkeypatch.setattr(engines, "_found", lambda module: module != engine.needs)
    title = engines.PEERS[engine.needs]
    assert engines.absent(engine, case) == f"{title} is not installed: pip install {engine.needs}"
    monkeypatch.setattr(engines, "_found", lambda module: module not in ("torch", "onnx") or module == engine.needs)
    reason = engines.absent(engine, case)
    assert reason is None if name == "torch" else reason.endswith("torch is missing: pip install torch onnx")


def test_more_threads_than_there_are_are_said(monkeypatch, tmp_path):
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    case = Case("zoo:quicksrnet-small-x2", picture(8, 8), 1, tmp_path)
    reason = engines.absent(engines.ENGINES["karat-f32-2"], case)
    assert reason == "karat f32, 2 threads would need more than the processor's 1; give fewer --threads"


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda: np.full((1, 3, 16, 16), np.nan), "values that are not finite"),
        (lambda: np.zeros((1, 3, 15, 16)), "(1, 3, 15, 16)"),
    ],
)
def test_an_engine_that_fails_is_said_and_the_others_go_on(bench, fakes, folder, broken, said):
    fakes("karat-f32")
    fakes("torch", golden=broken)
    code, out, _ = bench("net.safetensors --size 8 --repeat 1 --engines torch,karat-f32 --json c.json")
    work = json.loads((folder / "c.json").read_text())["works"][0]
    assert code == 0
    assert [row["engine"] for row in work["rows"]] == ["karat-f32"]
    assert said in work["failed"]["torch"]
    assert work["failed"]["torch"] in out


def test_karat_failing_is_no_success(bench, fakes):
    fakes("karat-f32", golden=lambda: 1 / 0)
    code, out, _ = bench("net.safetensors --size 8 --repeat 1 --engines karat-f32")
    assert code == 1
    assert "karat-f32 failed: ZeroDivisionError: division by zero" in out


def test_a_large_picture_is_compared_in_its_middle(bench, fakes, folder, monkeypatch):
    monkeypatch.setattr(measure, "AFFORDABLE", (1e12, 16 * 16))
    monkeypatch.setattr(measure, "CUT", 12)
    fakes("karat-f32")
    code, out, _ = bench("net.safetensors --size 20x30 --repeat 1 --engines karat-f32 --json d.json")
    work = json.loads((folder / "d.json").read_text())["works"][0]
    assert (code, work["compared_size"]) == (0, [12, 12])
    assert "PSNR is that of the middle 12 x 12 pixels" in out
    assert work["rows"][0]["psnr_db"] > 100


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("net.safetensors --engines tensorrt", "there is no engine 'tensorrt', expected some of karat-f32,"),
        ("net.safetensors --repeat 0", "--repeat is 0, expected at least 1"),
        ("net.safetensors --threads 0", "--threads is 0, expected 1 to "),
        ("net.safetensors --threads 100000", "--threads is 100000, expected 1 to "),
        ("net.safetensors --size 8x", "the size is '8x', expected HEIGHTxWIDTH"),
        ("net.safetensors --size 0", "the size is '0x0', expected HEIGHTxWIDTH"),
        ("half.safetensors --size 7", "the size is 7 and half.safetensors needs multiples of 2"),
        ("zoo:nothing", "the zoo holds no 'nothing'"),
        ("absent.safetensors", "absent.safetensors"),
        ("net.safetensors --json no/where.json", "the folder no does not exist"),
        ("net.safetensors --json a --svg a", "a is given for two outputs"),
        ("net.safetensors --json net.safetensors", "net.safetensors is the input itself"),
    ],
)
def test_bad_input_is_one_sentence(bench, words, said):
    code, out, err = bench(words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_drawing_needs_matplotlib(bench, monkeypatch):
    monkeypatch.setattr(run, "find_spec", lambda name: None)
    code, _, err = bench("net.safetensors --svg a.svg")
    assert (code, err.startswith("karat: --svg draws with matplotlib, which is not installed; run: pip")) == (2, True)


def test_without_torch_the_others_still_run(folder):
    words = ["karat", "bench", "net.safetensors", "--size", "8", "--repeat", "1", "--engines", "torch,onnxruntime,ncnn"]
    program = f"{WITHOUT_EXTRAS}\nsys.argv = {words}\nfrom karat.app.cli import main\nmain()"
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "PyTorch is not installed: pip install torch" in done.stdout
    assert "ncnn" in done.stdout
