"""The smallest part of a package that shows its defect: its command exits 1; the same part of an honest package, 0."""

import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import test_swinir_verify as swin
import test_verify_defects as quick
import torch

from karat.app import cli
from karat.convert.export.coreml import export
from karat.convert.fidelity import verify
from karat.convert.fidelity.culprit import SubProgram, command, isolate, write_culprit, write_sub_program
from karat.convert.mil import open_package
from karat.refimpl.checkpoint import write_safetensors
from karat.refimpl.errors import BadInput
from karat.refimpl.models import quicksrnet

KARAT = Path(sys.executable).with_name("karat")  # as pip installed it


@pytest.fixture
def run(monkeypatch, capsys):
    """Type a line: (exit code, stdout)."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(line):
        monkeypatch.setattr(sys, "argv", shlex.split(line) if isinstance(line, str) else list(map(str, line)))
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        printed = capsys.readouterr()
        return stopped.value.code or 0, printed.out + printed.err

    return call


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """(model, program, x, verdict) of an honest QuickSRNet and of an honest SwinIR."""
    folder = tmp_path_factory.mktemp("honest")
    net, model = swin.network("classical x2, 3conv")
    x = swin.picture(model, 8, 12)
    first = open_package(export(quick.MODEL, folder / "q.mlpackage", quick.SHAPE))
    second = open_package(export(net, folder / "s.mlpackage", x.shape))
    return {
        "quick": (quick.MODEL, first, quick.X, verify(quick.MODEL, first, quick.X)),
        "swin": (model, second, x, verify(model, second, x)),
    }


def pair_of_exit_codes(run, tmp_path, verdict, model, program, x, honest):
    """Write the culprit and the same part of the honest package; type both commands."""
    found = write_culprit(verdict, model, program, x, tmp_path / "bad")
    code, said = run(command(found, tmp_path / "bad"))
    assert (code, "DIFFERS" in said) == (1, True), said
    golden, package, picture, faithful = honest
    part = isolate(faithful, golden, package, picture, found.layer)
    write_sub_program(part, tmp_path / "good")
    code, said = run(command(part, tmp_path / "good"))
    assert (code, "DIFFERS" in said) == (0, False), said
    return found


@pytest.mark.parametrize("defect", quick.DEFECTS)
def test_the_part_shows_the_defect_and_an_honest_one_agrees(run, tmp_path, honest, defect):
    make, layer, _ = quick.DEFECTS[defect]
    program = open_package(make(tmp_path))
    verdict = verify(quick.MODEL, program, quick.X)
    found = pair_of_exit_codes(run, tmp_path, verdict, quick.MODEL, program, quick.X, honest["quick"])
    assert len(found.program.operations) <= 3 < len(program.operations)
    assert found.layer == ("cnn.4" if defect == "clip missing" else layer)  # a missing clip shows in what follows


SWIN = [swin.other_way, swin.swapped, swin.no_mask, swin.no_scale, swin.two_ulp, swin.tanh_gelu, swin.heads_permuted]


@pytest.mark.parametrize("defect", SWIN, ids=lambda defect: defect.__name__)
def test_a_transformer_is_cut_down_to_the_layer(run, tmp_path, honest, defect):
    net, model = swin.network("classical x2, 3conv")
    x = swin.picture(model, 8, 12)
    with torch.no_grad():
        defect(net, net.layers[0].residual_group.blocks[1])
    program = open_package(export(net, tmp_path / "m.mlpackage", x.shape))
    verdict = verify(model, program, x)
    found = pair_of_exit_codes(run, tmp_path, verdict, model, program, x, honest["swin"])
    assert len(found.program.operations) < 0.1 * len(program.operations)
    following = f"{swin.BLOCK}.attn:softmax"  # of a mask that is nowhere: its values are those of what came before
    assert found.layer == (following if defect is swin.no_mask else verdict.culprit.layer)


def test_every_layer_of_an_honest_package_agrees(honest):
    """In float64 with the golden layers, and in its own types with its own float64 values."""
    for model, program, x, verdict in honest.values():
        for row in verdict.rows:
            part = isolate(verdict, model, program, x, row.layer)
            assert not part.shows, row.layer
            exact = part.program.predict(part.inputs, profile="float64")
            for profile in ("fp32-accumulate", "float32"):
                typed = SubProgram(row.layer, part.program, part.inputs, exact, profile)
                assert not typed.shows, (row.layer, profile, typed.compare())


def test_an_overflow_is_shown_by_one_operator_in_its_types(run, tmp_path):
    parameters = dict(quick.MODEL.parameters)
    parameters["cnn.2.weight"] = np.full_like(parameters["cnn.2.weight"], 9000)
    model = quicksrnet.Model(quicksrnet, quick.CONFIG, parameters)
    program = open_package(export(model, tmp_path / "m.mlpackage", quick.SHAPE))
    found = write_culprit(verify(model, program, quick.X), model, program, quick.X, tmp_path / "bad")
    assert [op.type for op in found.program.operations] == ["conv"]
    code, said = run(command(found, tmp_path / "bad"))
    assert code == 1
    assert "largest difference inf" in said


def test_wrong_arithmetic_is_one_operator_with_the_recorded_inputs(tmp_path):
    """The fault is the machine's: here the part agrees, and says so."""
    program = open_package(export(quick.MODEL, tmp_path / "m.mlpackage", quick.SHAPE))
    rows = verify(quick.MODEL, program, quick.X).rows
    variable = next(row.variable for row in rows if row.layer == "cnn.2")
    faulty = quick.FaultyDevice(program, variable, lambda y: y * np.float32(1.01))
    verdict = verify(quick.MODEL, faulty, quick.X)
    found = isolate(verdict, quick.MODEL, faulty, quick.X)
    assert [op.name for op in found.program.operations] == [variable]
    assert found.profile == "fp32-accumulate"
    assert not found.shows
    wrong = {name: value * 1.01 for name, value in found.expected.items()}  # what the faulty machine gives
    assert SubProgram("", found.program, found.inputs, wrong, found.profile).shows


def test_verify_writes_the_culprit_and_prints_the_command(tmp_path):
    """In a process of its own, as a person types it; a faithful package leaves nothing behind."""
    folder, package = tmp_path / "bad one", tmp_path / "m.mlpackage"
    export(quick.MODEL, package, quick.SHAPE)
    changed = {name: np.array(value) for name, value in quick.MODEL.parameters.items()}
    write_safetensors(tmp_path / "same.safetensors", changed)
    changed["cnn.2.bias"][3] += 0.01
    write_safetensors(tmp_path / "other.safetensors", changed)
    words = [KARAT, "verify", package, "--culprit", folder, "--weights"]
    np.savez(tmp_path / "x.npz", x=quick.X)
    same = subprocess.run([*words, tmp_path / "same.safetensors"], capture_output=True, text=True)
    assert same.returncode == 0, same.stdout + same.stderr
    assert "nothing to write" in same.stdout
    assert not folder.exists()
    other = subprocess.run([*words, tmp_path / "other.safetensors"], capture_output=True, text=True)
    assert other.returncode == 1, other.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["culprit.mlpackage", "expected.npz", "inputs.npz"]
    line = other.stdout.splitlines()[-1] if "karat run" in other.stdout.splitlines()[-1] else ""
    line = line or next(text for text in other.stdout.splitlines() if text.startswith("karat run"))
    shown = subprocess.run([KARAT, *shlex.split(line)[1:]], capture_output=True, text=True)
    assert shown.returncode == 1, shown.stderr
    assert "DIFFERS" in shown.stdout
    again = subprocess.run([*words, tmp_path / "other.safetensors"], capture_output=True, text=True)
    assert (again.returncode, "is not empty" in again.stderr) == (2, True)


def test_nothing_compared_is_refused(run, tmp_path, honest):
    model, program, x, verdict = honest["quick"]
    part = isolate(verdict, model, program, x, "cnn.2")
    write_sub_program(part, tmp_path / "good")
    (name,) = part.expected
    line = command(part, tmp_path / "good")
    for arrays, words in [
        ({}, "are nothing"),
        ({"other": np.ones(1)}, "are other"),
        ({name: np.array("text")}, "dtype"),
        ({name: np.ones((0, 3))}, "is empty"),
    ]:
        np.savez(tmp_path / "good/expected.npz", **arrays)
        code, said = run(line)
        assert (code, words in said) == (2, True), said
    np.savez(tmp_path / "good/expected.npz", **{name: part.expected[name][..., :-1]})
    assert run(line)[0] == 1  # another shape
    code, said = run([KARAT, "run", tmp_path / "good/culprit.mlpackage", "--input", tmp_path / "good/inputs.npz"])
    assert (code, "--against" in said) == (2, True)


def test_a_folder_that_is_taken_is_refused(tmp_path, honest):
    model, program, x, verdict = honest["quick"]
    part = isolate(verdict, model, program, x, "cnn.2")
    (tmp_path / "file").write_text("")
    for folder, words in ((tmp_path / "file", "not empty"), (tmp_path, "not empty"), (tmp_path / "a/b", "make it")):
        with pytest.raises(BadInput, match=words):
            write_sub_program(part, folder)
    assert isolate(verdict, model, program, x) is None
    with pytest.raises(BadInput, match="no layer 'nothing'"):
        isolate(verdict, model, program, x, "nothing")
