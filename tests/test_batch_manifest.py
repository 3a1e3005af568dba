"""Manifests: whatever is torn off, what is left is read; and what they prove."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karat.app.batch import manifest
from karat.app.batch.manifest import Manifest, file_hash, manifest_path, proven, read_lines, read_manifests
from karat.refimpl.errors import BadInput

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda a: st.lists(a), max_leaves=3)
ENTRIES = st.lists(st.fixed_dictionaries({"output": st.text()}, optional={"error": JSON, "notes": JSON}), max_size=5)


def written(path, entries):
    with Manifest(path) as book:
        for entry in entries:
            book.add(entry)


@given(ENTRIES, st.data())
def test_any_cut_leaves_whole_lines(tmp_path_factory, entries, data):
    path = manifest_path(tmp_path_factory.mktemp("cut"))
    written(path, entries)
    content = path.read_bytes()
    assert read_lines(content) == entries
    cut = data.draw(st.integers(0, len(content)), label="cut")
    whole = content[:cut].count(b"\n")
    path.write_bytes(content[:cut])
    assert read_lines(content[:cut]) == entries[:whole]
    written(path, entries[whole:])  # what a resumed run does
    assert path.read_bytes() == content


@given(st.binary(max_size=200))
def test_any_bytes_are_passed_over(content):
    assert all(isinstance(entry["output"], str) for entry in read_lines(content))


def test_deep_nonsense_is_passed_over():
    assert read_lines(b"[" * 100_000 + b'\n{"output": "a"}\n\xff\n{"output": 3}\n[]\n') == [{"output": "a"}]


def test_a_line_proves_only_what_still_holds(tmp_path):
    output = tmp_path / "a.png"
    output.write_bytes(b"result")
    claim = {"input_sha256": "1", "weights_sha256": "2", "options": {"scale": None}, "karat": "0"}
    entry = claim | {"output": "a.png", "output_sha256": file_hash(output)}
    assert proven([entry], output, **claim)
    for name in claim:
        assert not proven([entry], output, **claim | {name: "other"})
        assert not proven([{k: v for k, v in entry.items() if k != name}], output, **claim)
    output.write_bytes(b"changed")
    assert not proven([entry], output, **claim)
    output.unlink()
    assert not proven([entry | {"output_sha256": None}], output, **claim)


def test_failures_prove_nothing_and_shards_are_read_together(tmp_path):
    written(manifest_path(tmp_path), [{"output": "a", "error": "no"}, {"output": "b", "error": None}])
    written(manifest_path(tmp_path, (1, 2)), [{"output": "c"}])
    assert set(read_manifests(tmp_path)) == {"b", "c"}


def test_a_full_disk_leaves_no_half_line(tmp_path, monkeypatch):
    path = manifest_path(tmp_path)
    with Manifest(path) as book:
        book.add({"output": "a"})
        real = os.write
        monkeypatch.setattr(manifest.os, "write", lambda file, line: real(file, line[:5]) if len(line) > 30 else full())

        def full():
            raise OSError(28, "No space left on device")

        with pytest.raises(OSError, match="No space"):
            book.add({"output": "b" * 30})
        monkeypatch.undo()
        book.add({"output": "c"})
    assert [json.loads(line)["output"] for line in path.read_text().splitlines()] == ["a", "c"]


def test_two_runs_in_one_folder(tmp_path, monkeypatch):
    pytest.importorskip("fcntl")
    monkeypatch.setattr(manifest, "PATIENCE", 0.1)
    with Manifest(manifest_path(tmp_path)):
        with pytest.raises(BadInput, match="another run works on"), Manifest(manifest_path(tmp_path)):
            pass
        with Manifest(manifest_path(tmp_path, (1, 2))):  # a shard has its own
            pass
    with Manifest(manifest_path(tmp_path)):
        pass
