"""Streams where a job's files go: "-" is no picture, a closed stream takes nothing, and no command ends by it."""

import shlex
import subprocess

import numpy as np
import pytest
import raw_files
from batch_cases import command, picture, run, tiny_network, tree

import karat
from karat.refimpl.errors import BadInput


@pytest.mark.parametrize("given", [("-o", "-"), ("-o", "b.png", "--compare", "-")])
def test_standard_output_takes_no_pictures_and_no_page(tmp_path, given):
    picture(tmp_path / "a.png")
    tiny_network(tmp_path)
    before = tree(tmp_path)
    _, said = run(tmp_path, "a.png", "--model", "tiny.safetensors", *given, code=2)
    assert "standard output takes no" in said
    assert said.count("\n") == 1
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["json", "compare"])
def test_nor_from_python(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    source, network = picture(tmp_path / "a.png"), tiny_network(tmp_path)
    for stream in ("-", b"-"):
        with pytest.raises(BadInput, match="standard output takes no"):
            karat.upscale(source, tmp_path / "b.png", network, **{name: stream})
    with pytest.raises(BadInput, match="standard output takes no pictures"):
        karat.upscale(source, "-", network)
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "tiny.safetensors"}


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("report", [(), ("--json", "-")])
def test_a_closed_stream_takes_nothing(tmp_path, closed, report):
    picture(tmp_path / "a.png")
    words = command("a.png", "-o", "b.png", "--model", tiny_network(tmp_path), *report)
    done = subprocess.run(
        f"{shlex.join(words)} {closed}", shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "b.png").exists()


def test_a_dng_in_other_colours_is_refused_before_anything_is_done(tmp_path):
    (tmp_path / "a.dng").write_bytes(raw_files.dng(np.full((60, 90), 9000, np.uint16)))
    _, said = run(tmp_path, "a.dng", "-o", "b.dng", "--color", "srgb", "--model", tiny_network(tmp_path), code=2)
    assert "a linear DNG holds the camera's colours" in said
    assert not (tmp_path / "b.dng").exists()
