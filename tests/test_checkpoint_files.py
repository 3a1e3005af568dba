"""Archives that are damaged or lie about themselves, files that are no checkpoint, choices that cannot be made."""

import json
import os
import pickle
import re
import struct
import zipfile

import numpy as np
import pytest
from checkpoint_bytes import FOUR, as_legacy, as_zip, assert_bytes_refused, assert_refused, tensor, weights
from safetensors.numpy import save


def _sizes_inflated(content):
    """Every entry of the central directory claims 1 MiB."""
    return re.sub(rb"(?s)(PK\x01\x02.{16}).{8}", lambda m: m[1] + struct.pack("<II", 2**20, 2**20), content)


def _safetensors(**tensor):
    header = json.dumps({"w": tensor}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(tensor["data_offsets"][1])


GOOD = weights(tensor())
FILES = {
    "path traversal": (as_zip(GOOD, extra=[("archive/../../etc/x", b"")]), "names inside"),
    "absolute name": (as_zip(GOOD, extra=[("/etc/x", b"")]), "names inside"),
    "backslash": (as_zip(GOOD, extra=[("archive\\x", b"")]), "names inside"),
    "traversal by storage key": (as_zip(weights(tensor(key="../../x"))), "no entry for storage"),
    "deflated zip bomb": (as_zip(GOOD, [("0", bytes(2**24))], compression=zipfile.ZIP_DEFLATED), "compressed"),
    "overlapping entries": (_sizes_inflated(as_zip(GOOD)), "overlap"),
    "flipped bit in a storage": (as_zip(GOOD).replace(FOUR, FOUR[:-1] + b"\x41"), "CRC"),
    "byteorder": (as_zip(GOOD, extra=[("archive/byteorder", b"middle")]), "byteorder"),
    "large byteorder": (as_zip(GOOD, extra=[("archive/byteorder", b"little" * 9)]), "up to 16"),
    "no data.pkl": (as_zip(GOOD).replace(b"data.pkl", b"data.pk1"), "no single data.pkl"),
    "two data.pkl": (as_zip(GOOD, extra=[("other/data.pkl", GOOD)]), "no single data.pkl"),
    "torchscript": (as_zip(GOOD, extra=[("archive/constants.pkl", b"")]), "TorchScript"),
    "zip of nothing": (b"PK\x05\x06" + bytes(18), "starts with nothing"),
    "legacy from a big-endian machine": (as_legacy(GOOD, system={"little_endian": False}), "big-endian"),
    "legacy with bytes after its end": (as_legacy(GOOD) + b"\0", "1 bytes after the last storage"),
    "legacy with an unknown storage": (as_legacy(GOOD, [("0", FOUR), ("1", FOUR)]), "list of storages"),
    "legacy with a storage twice": (as_legacy(GOOD, [("0", FOUR), ("0", FOUR)]), "list of storages"),
    "another pickle": (pickle.dumps({"w": 1}), "not one that torch.save wrote"),
    "safetensors with a long header": (struct.pack("<Q", 2**40) + b"{}", "unknown format"),
    "safetensors with a name twice": (save({"a": np.ones(1), "b": np.ones(1)}).replace(b'"b"', b'"a"'), "reader stops"),
    "safetensors with NaN": (save({"w": np.array([np.nan])}), "'w' has 1 of 1"),
    "safetensors of an odd dtype": (
        _safetensors(dtype="F8_E4M3", shape=[4], data_offsets=[0, 4]),
        "a tensor is 'F8_E4M3'",
    ),
    "safetensors of another size": (_safetensors(dtype="U8", shape=[5], data_offsets=[0, 4]), "reader stops"),
    "safetensors, huge and empty": (_safetensors(dtype="U8", shape=[0, 2**62], data_offsets=[0, 0]), "2\\*\\*32"),
    "empty": (b"", "is empty"),
    "text": (b"hello there\n", "is text"),
    "html": (b"\n <!DOCTYPE html><html>404</html>", "HTML"),
    "git-lfs pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        "pointer.*`git lfs pull`",
    ),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(99), "HDF5"),
    "gzip": (b"\x1f\x8b" + bytes(99), "gunzip"),
    "tar": (bytes(257) + b"ustar" + bytes(200), "tar archive"),
    "noise": (bytes(range(255, 0, -1)), "unknown format"),
}


@pytest.mark.parametrize(("content", "match"), FILES.values(), ids=FILES)
def test_files_that_are_refused(tmp_path, content, match):
    assert_bytes_refused(tmp_path, content, match)


def test_two_entries_of_one_name(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = as_zip(GOOD, extra=[("archive/data/0", FOUR)])
    assert_bytes_refused(tmp_path, content, "two entries")


@pytest.mark.parametrize(
    "whole", [as_zip(GOOD), as_legacy(GOOD), save({"w": np.arange(32.0)})], ids=["zip", "legacy", "safetensors"]
)
def test_cut_at_every_byte(tmp_path, whole):
    for length in range(len(whole)):
        assert_bytes_refused(tmp_path, whole[:length], "expected")


def test_paths_that_are_no_files(tmp_path):
    assert_refused(tmp_path, "folder")
    assert_refused(tmp_path / "missing.pth", "No such file")
    assert_refused(str(tmp_path / "two\nlines"), "No such file")
    assert_refused("a\0b", "NUL")
    assert_refused(b"bytes", "a path or a dict")
    os.mkfifo(tmp_path / "pipe")
    assert_refused(tmp_path / "pipe", "device or pipe")


def test_choices_that_cannot_be_made(tmp_path):
    one = {"w": np.ones(1)}
    assert_refused({"a": one, "b": one}, "choose with key=")
    assert_refused({"a": one}, "no tensors lie under 'c', expected a key that holds some \\('a'\\)", key="c")
    assert_refused({"a": {0: np.ones(1)}}, "a tensor is named 0")
    assert_refused({"epoch": 3}, "no tensors in it, only 'epoch'")
    assert_refused({"w": np.array(["text"])}, "real numbers")
    assert_refused({"w": np.array([np.nan])}, "'w' has 1 of 1")
    (tmp_path / "w.safetensors").write_bytes(save(one))
    assert_refused(tmp_path / "w.safetensors", "flat", key="params")
