"""What docs/pruning.md prints runs as printed."""

import contextlib
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from karat.app.prune.run import run_prune
from karat.app.prune.wanted import Wanted
from karat.refimpl.load import load
from karat.refimpl.prune import scores

TEXT = (Path(__file__).parents[1] / "docs" / "pruning.md").read_text("utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.M | re.S)


def printed(code):
    """What a block prints, run from nothing."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(code, "docs/pruning.md", "exec"), {})
    return out.getvalue()


def test_the_block_prints_the_scores_that_the_command_writes(tmp_path):
    (code,) = BLOCKS
    lines = printed(code).splitlines()
    found = {}
    for by in ("sensitivity", "l1"):
        wanted = Wanted(heads=1, by=by, json=tmp_path / "scores.json")
        console = Console(file=io.StringIO())
        run_prune(console, "zoo:swinir-small-x2", tmp_path / "out.safetensors", wanted, "16x16")
        found[by] = json.loads((tmp_path / "scores.json").read_text())["scores"]["heads"]
    assert lines == [
        f"{path} {np.round(found['sensitivity'][path], 3)} {np.round(found['l1'][path])}" for path in found["l1"]
    ]


def test_a_block_that_lacks_a_name_would_be_noticed():
    with pytest.raises(NameError):
        printed("losses = karat.load('zoo:swinir-small-x2')")


def test_the_table_of_heads_holds_the_norms_and_what_is_said_of_it():
    rows = re.findall(r"^\| (\d)\.(\d) \| ([\d.]+) \| ([\d.]+) \| (\d+) \| (\d+) \|$", TEXT, re.M)
    norms = scores.l1(load("zoo:swinir-small-x2"), "heads")
    for group, block, *_, first, second in rows:
        path = f"layers.{group}.residual_group.blocks.{block}"
        assert np.round(norms[path]).tolist() == [float(first), float(second)]
    lost = {f"{group}.{block}": (float(one), float(two)) for group, block, one, two, *_ in rows}
    dearest = max(lost, key=lambda name: max(lost[name]))
    most = max(lost, key=lambda name: sum(lost[name]))
    assert len(lost) == len(norms)
    assert (most, f"{sum(lost[most]) / 2:.3f}") == ("1.0", "0.148")
    assert f"first block most on average ({sum(lost[most]) / 2:.3f} dB a head" in TEXT
    assert f"the dearest single head is {dearest}'s second, {lost[dearest][1]:.3f} dB" in TEXT
