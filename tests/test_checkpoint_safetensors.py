"""Safetensors, read and written."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from karat.refimpl.checkpoint import read_checkpoint, write_safetensors
from karat.refimpl.errors import BadInput

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = Path(os.environ.get("KARAT_DATA", ROOT.parent / "shared" / "data")) / "weights"
ONE, TWO = np.full(2, 1.0), np.full(2, 2.0)


def test_real_safetensors_file():
    path = WEIGHTS / "tiny_swinir_random_lgpl" / "tiny_swinir.safetensors"
    if not path.exists():
        pytest.skip("tiny_swinir.safetensors is not in $KARAT_DATA/weights")
    expected, found = load_file(path), read_checkpoint(path)
    assert {k: (v.dtype, v.shape, v.tobytes()) for k, v in found.items()} == {
        k: (v.dtype, v.shape, v.tobytes()) for k, v in expected.items()
    }


def test_safetensors_round_trip_leaves_nothing_else_behind(tmp_path):
    arrays = {
        "scalar": np.array(3.0),
        "t": np.arange(6, dtype=np.float16).reshape(2, 3).T,
        "n": np.arange(3),
        "e": np.zeros((0, 2)),
    }
    write_safetensors(tmp_path / "w.safetensors", arrays, {"license": "MIT"})
    found = read_checkpoint(tmp_path / "w.safetensors")
    assert {k: (v.dtype, v.shape, v.tolist()) for k, v in found.items()} == {
        k: (v.dtype, v.shape, v.tolist()) for k, v in arrays.items()
    }
    assert os.listdir(tmp_path) == ["w.safetensors"]


def test_the_same_weights_are_the_same_bytes(tmp_path):
    """With metadata, that the library alone would write in another order each time."""
    names = ["é", "b", "a", "c", "\n", '"', "z", "license"]
    arrays = {"w": ONE, "i": np.arange(3, dtype=np.int8), "": np.float32(2)}
    for count, order in enumerate((names, names[::-1], sorted(names))):
        write_safetensors(tmp_path / f"{count}.safetensors", arrays, {name: f"{name}!" for name in order})
    first, *others = [(tmp_path / f"{count}.safetensors").read_bytes() for count in range(3)]
    assert others == [first, first]
    assert (8 + struct.unpack("<Q", first[:8])[0]) % 8 == 0
    with safe_open(tmp_path / "0.safetensors", "numpy") as file:
        assert file.metadata() == {name: f"{name}!" for name in names}
        assert {name: file.get_tensor(name).tolist() for name in file.keys()} == {  # noqa: SIM118 - no mapping
            name: value.tolist() for name, value in arrays.items()
        }


def test_an_order_left_to_the_library_is_caught(tmp_path, monkeypatch):
    monkeypatch.setattr("karat.refimpl.checkpoint.write._ordered", lambda content: content)
    files = [tmp_path / f"{count}.safetensors" for count in range(4)]
    for path in files:
        write_safetensors(path, {"w": ONE}, {name: name for name in "abcdefghijklmnop"})
    assert len({path.read_bytes() for path in files}) > 1


def test_bfloat16_in_safetensors(tmp_path):
    header = b'{"w":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    (tmp_path / "w.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\x80\x3f\x40\xc0")
    array = read_checkpoint(tmp_path / "w.safetensors")["w"]
    assert (array.dtype, array.tolist()) == (np.float32, [1.0, -3.0])


@pytest.mark.parametrize("length", [128, 0x180, 0x4B50], ids=["as a pickle", "as a pickle, two bytes", "as a zip"])
def test_a_header_whose_length_begins_as_another_format(tmp_path, length):
    header = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.ljust(length)
    (tmp_path / "w.safetensors").write_bytes(struct.pack("<Q", length) + header + struct.pack("<f", 2.5))
    assert read_checkpoint(tmp_path / "w.safetensors")["w"].tolist() == [2.5]


def test_a_failed_write_leaves_the_old_file(tmp_path):
    write_safetensors(tmp_path / "w.safetensors", {"w": ONE})
    with pytest.raises(BadInput, match="real numbers"):
        write_safetensors(tmp_path / "w.safetensors", {"w": np.array(["text"])})
    with pytest.raises(TypeError):  # fails inside the library, after the temporary file is named
        write_safetensors(tmp_path / "w.safetensors", {"w": TWO}, {"license": 3})
    assert read_checkpoint(tmp_path / "w.safetensors")["w"].tolist() == ONE.tolist()
    assert os.listdir(tmp_path) == ["w.safetensors"]


def test_writing_into_a_missing_folder_is_one_sentence(tmp_path):
    with pytest.raises(BadInput, match="existing folder"):
        write_safetensors(tmp_path / "missing" / "w.safetensors", {"w": ONE})
