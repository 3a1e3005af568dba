"""The folder of a training: nobody else's files are written over, and what a kill or a stranger left is told apart."""

import json
import math
import os

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_distillation import small_model, workplace_in

from karat.convert.training import folder as folders
from karat.convert.training.log import mend_log, read_log
from karat.refimpl.checkpoint import write_safetensors
from karat.refimpl.errors import BadInput


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    return workplace_in(tmp_path, monkeypatch)


def refused(result, *words):
    assert result.exit_code == 2, result.output
    assert all(word in result.output for word in words), result.output
    assert "Traceback" not in result.output
    assert "training" in result.output or "expected" in result.output


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("option", ["--start", "--structure", "--teacher"])
@pytest.mark.parametrize("how", ["in it", "linked into it", "in a training's own"])
def test_no_input_is_written_over(workplace, option, how):
    folder, go = workplace
    work = folder / "work"
    source = place = work / "weights.safetensors"
    if how == "in a training's own":
        assert go("work").exit_code == 0
    else:
        work.mkdir()
    if how == "linked into it":
        source = folder / "network.safetensors"
        os.link(source, place)
    elif how == "in it":
        write_safetensors(place, small_model().parameters)
    before = contents(work)
    refused(go("work", option, source), f"{source.name} would be written over")
    assert contents(work) == before


@pytest.mark.parametrize("name", folders.WRITTEN)
def test_files_that_are_no_trainings_stay(workplace, name):
    folder, go = workplace
    (folder / "work").mkdir()
    (folder / "work" / name).write_bytes(b"somebody's")
    refused(go("work"), f"{name} is not of a training", "name another")
    assert contents(folder / "work") == {name: b"somebody's"}


def test_other_files_do_not_matter(workplace):
    folder, go = workplace
    (folder / "work").mkdir()
    (folder / "work" / "notes.txt").write_text("mine")
    write_safetensors(folder / "work" / "net.safetensors", small_model().parameters)
    result = go("work", "--start", folder / "work" / "net.safetensors")
    assert result.exit_code == 0, result.output
    assert set(contents(folder / "work")) <= {"notes.txt", "net.safetensors", folders.SETTINGS, *folders.WRITTEN}


def test_a_folder_that_cannot_be_made_is_said(workplace):
    folder, go = workplace
    (folder / "file").write_text("")
    refused(go("file/work"), "file/work cannot be written to", "expected a folder", "name another")


def bent(state, how):
    """A checkpoint of something else."""
    first = next(iter(state["average"]))
    if how == "another dictionary":
        return {"a": torch.zeros(2)}
    if how == "no dictionary":
        return [torch.zeros(2)]
    if how == "no average":
        return {name: value for name, value in state.items() if name != "average"}
    if how == "another average":
        return state | {"average": {name: value for name, value in state["average"].items() if name != first}}
    if how == "another shape of the average":
        return state | {"average": state["average"] | {first: torch.zeros(1)}}
    if how == "another network":
        return state | {"model": {name: value[..., :1] for name, value in state["model"].items()}}
    if how == "no iterations":
        return state | {"iteration": "many"}
    moments = state["optimiser"]["state"]
    if how == "other moments":
        other = {0: moments[0] | {"exp_avg": torch.zeros(1)}}
        return state | {"optimiser": state["optimiser"] | {"state": moments | other}}
    return state | {"optimiser": {"state": {}, "param_groups": []}}


STRANGE = ["another dictionary", "no dictionary", "no average", "another average", "another shape of the average"]
STRANGE += ["another network", "no iterations", "other moments", "no groups"]


@pytest.mark.parametrize("how", STRANGE)
def test_a_strange_checkpoint_is_refused_before_anything_is_trained(workplace, how):
    folder, go = workplace
    assert go("work").exit_code == 0
    path = folder / "work" / "checkpoint.pt"
    torch.save(bent(torch.load(path, weights_only=True), how), path)
    before = contents(folder / "work")
    refused(go("work", "--iterations", 30), "checkpoint.pt is not of this training", "take another folder")
    assert contents(folder / "work") == before


LINE = '{"iteration": 10, "loss": 0.5, "psnr": 20.0}'


@pytest.mark.parametrize(
    "line", ["", "no JSON", "[1]", '{"iteration": 10}', LINE.replace("10", '"10"'), "\udcff" + LINE]
)
def test_a_damaged_log_is_refused_before_anything_is_trained(workplace, line):
    folder, go = workplace
    assert go("work").exit_code == 0
    path = folder / "work" / "log.jsonl"
    path.write_bytes(f"{line}\n".encode(errors="surrogateescape") + path.read_bytes())
    before = contents(folder / "work")
    refused(go("work", "--iterations", 30), f"line 1 of {path} is damaged", "take another folder")
    assert contents(folder / "work") == before


def test_a_log_that_is_gone_is_said(workplace):
    folder, go = workplace
    assert go("work").exit_code == 0
    (folder / "work" / "log.jsonl").unlink()
    refused(go("work"), "tells nothing of the 20 iterations")


@pytest.mark.parametrize("left", [b'{"iteration": 30, "lo', b'{"iteration": 30, "loss": 0.5, "psnr": 20.0}\n', b"\xff"])
def test_what_a_kill_left_is_dropped_and_said(workplace, left):
    """The training ends with the log and the weights of one that was not killed."""
    folder, go = workplace
    for work in ("whole", "killed"):
        assert go(work).exit_code == 0
    path = folder / "killed" / "log.jsonl"
    path.write_bytes(path.read_bytes() + left)
    said = go("killed", "--iterations", 30)
    assert said.exit_code == go("whole", "--iterations", 30).exit_code == 0
    assert "what follows iteration 20" in said.output
    assert "dropped" in said.output
    one, other = (contents(folder / work) for work in ("whole", "killed"))
    assert {name: value for name, value in one.items() if name != "checkpoint.pt"} == {
        name: value for name, value in other.items() if name != "checkpoint.pt"
    }
    assert "dropped" not in go("killed", "--iterations", 30).output


@given(st.integers(0, 5), st.data())
def test_a_log_cut_anywhere_is_gone_on_with(tmp_path_factory, lines, data):
    """Every whole line up to the checkpoint stays, and nothing else."""
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    written = [{"iteration": 10 * (i + 1), "loss": 1 / (i + 1), "psnr": math.inf} for i in range(lines)]
    whole = "".join(f"{json.dumps(line)}\n" for line in written).encode()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    there = read_log(path)
    assert there == written[: len(there)]
    assert len(there) >= whole[:cut].count(b"\n")
    done = data.draw(st.integers(0, len(there)))
    if done:
        mend_log(path, 10 * done)
        assert path.read_bytes() == "".join(f"{json.dumps(line)}\n" for line in written[:done]).encode()
    else:
        mend_log(path, 0)
        assert not path.exists() or path.read_bytes() == b""
        with pytest.raises(BadInput, match="tells nothing"):
            mend_log(path, 10)
    assert np.array_equal([line["iteration"] for line in read_log(path)], [10 * (i + 1) for i in range(done)])
