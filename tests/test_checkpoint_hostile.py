"""Pickles that attack the reader, and tensors that leave their storage: each refused in one sentence."""

import pickle
import struct

import numpy as np
import pytest
from checkpoint_bytes import as_legacy, as_zip, assert_bytes_refused, number, tensor, text, weights

from karat.refimpl.checkpoint import read_checkpoint

FORMATS = pytest.mark.parametrize("pack", [as_zip, as_legacy])


@FORMATS
def test_the_hand_written_files_are_good_before_they_are_spoilt(tmp_path, pack):
    (tmp_path / "w.pth").write_bytes(pack(weights(tensor())))
    assert read_checkpoint(tmp_path / "w.pth")["w0"].tolist() == [0, 1, 2, 3]


@FORMATS
def test_os_system_is_named_and_does_not_run(tmp_path, pack):
    marker = tmp_path / "ran"
    payload = b"cos\nsystem\n" + text(f"echo > {marker}") + b"\x85R"
    pickle.loads(weights(payload))  # the payload is alive: a real unpickler runs it
    assert marker.exists()
    marker.unlink()
    assert_bytes_refused(tmp_path, pack(weights(payload, tensor())), "os.system")
    assert not marker.exists()


DEEP = b")" + b"\x85" * 200_000  # legal by the number of steps, deadly to anything recursive
LAUGHS = b")" + b"".join(b"q\x00h\x00\x86" for _ in range(100))  # a tuple of 2**100 leaves

PROGRAMS = {  # name -> (opcodes of a value, what the message says)
    "eval": (b"cbuiltins\neval\n" + text("1") + b"\x85R", "builtins.eval"),
    "getattr": (b"c__builtin__\ngetattr\n", "__builtin__.getattr"),
    "stack global": (text("os") + text("system") + b"\x93", "os.system"),
    "stack global of numbers": (b"K\x01K\x02\x93", "whose name is no text"),
    "inst": (b"(" + text("id") + b"ios\nsystem\n", "INST .*os system"),
    "obj": (b"(" + b"ctorch\nSize\n" + text("id") + b"o", "OBJ"),
    "newobj": (b"ctorch\nSize\n)\x81", "NEWOBJ"),
    "extension": (b"\x82\x01", "EXT1"),
    "line ends in a global": (text("os\nx\r") + text("system\u2028") + b"\x93", r"os\\nx"),
    "calling a storage": (b"ctorch\nFloatStorage\n)R", "torch.FloatStorage"),
    "calling a number": (b"K\x01)R", "'int'"),
    "too few arguments": (b"ctorch._utils\n_rebuild_tensor_v2\n)R", "0 arguments"),
    "size of a size": (b"ctorch\nSize\n))\x86R", "2 arguments"),
    "dict of odd pairs": (b"ccollections\nOrderedDict\n]K\x01a\x85R", "pairs"),
    "memo 2**31": (b"]r\x00\x00\x00\x80", "memo 2147483648"),
    "memo never stored": (b"h\x07", "memo 7"),
    "bytes of 2**40": (b"\x8e" + struct.pack("<Q", 2**40), "breaks off"),
    "text of 2**32": (b"X\xff\xff\xff\xff", "breaks off"),
    "text over the limit": (text("a" * 2**21), "2097152 characters"),
    "number of 2**31 digits": (b"\x8b\xff\xff\xff\x7f", "breaks off"),
    "number of 5000 digits": (b"I" + b"9" * 5000 + b"\n", "breaks off"),
    "list bomb": (b"]" * 10**6 + b"a" * (10**6 - 1), "stacks too many"),
    "mark bomb": (b"(" * 10**6 + b"t" * 10**6, "nests too deeply"),
    "tuple bomb as a key": (b"}" + DEEP + b"K\x01s", "a tuple as a key"),
    "tuple bomb as a shape": (tensor(DEEP), "a tuple"),
    "billion laughs as a shape": (tensor(LAUGHS), "a tuple"),
    "billion laughs as a global": (b"K\x01" + LAUGHS + b"\x93", "whose name is no text"),
    "tuple bomb": (b")" + b"\x85" * 10**6, "too long"),
    "colliding keys": (b"}" + number(2**61 - 1) + b"Ns", "as a key"),
    "list as a key": (b"}]Ns", "a list as a key"),
    "state of a tensor": (tensor() + b"}b", "a Tensor as a dict"),
    "calling a dict": (b"R", "'dict'"),
    "reaching below a mark": (b"K\x01(R", "more values"),
    "closing what is not open": (b"t", "never opened"),
    "odd dict": (b"}(K\x01u", "no value"),
    "appending to a dict": (b"}Na", "a dict as a list"),
    "two values": (b"NN", "as a dict|more values|values instead"),
    "unknown opcode": (b"\xff", "breaks off"),
    "persistent id by name": (b"Pabc\n", "PERSID"),
    "persistent id of no tuple": (b"NQ", "persistent id"),
}


@FORMATS
@pytest.mark.parametrize(("program", "match"), PROGRAMS.values(), ids=PROGRAMS)
def test_programs_are_refused(tmp_path, pack, program, match):
    assert_bytes_refused(tmp_path, pack(weights(program, tensor())), match)


@FORMATS
def test_a_tuple_bomb_beside_the_weights_is_survived(tmp_path, pack):
    (tmp_path / "w.pth").write_bytes(pack(weights(DEEP, tensor())))
    assert list(read_checkpoint(tmp_path / "w.pth")) == ["w1"]


@FORMATS
@pytest.mark.parametrize("bomb", [DEEP + b".", LAUGHS + b".", b"N.", b"].", b"}."])
def test_files_without_a_tensor(tmp_path, pack, bomb):
    assert_bytes_refused(tmp_path, pack(bomb, storages=()), "it holds|no tensors")


VIEWS = {
    "more than its storage": ({"shape": (5,)}, "exceeds its storage"),
    "offset beyond": ({"offset": 1}, "exceeds its storage"),
    "stride beyond": ({"shape": (2, 2), "strides": (4, 1)}, "exceeds its storage"),
    "stride 0 bomb": ({"shape": (10**9,), "strides": (0,)}, "exceeds its storage"),
    "huge": ({"shape": (2**200,)}, "2\\*\\*32"),
    "huge and empty": ({"shape": (0, 2**62), "strides": (1, 1)}, "2\\*\\*32"),
    "negative stride": ({"strides": (-1,), "offset": 3}, "none negative"),
    "negative offset": ({"offset": -1}, "none negative"),
    "negative extent": ({"shape": (-4,)}, "extents from 0"),
    "true as an extent": ({"shape": b"\x88\x85"}, "extents from 0"),
    "list as a shape": ({"shape": b"]K\x04a"}, "a list"),
    "too many axes": ({"shape": (1,) * 33, "strides": (1,) * 33}, "up to 32"),
    "strides of another rank": ({"strides": (4, 1)}, "one stride per axis"),
    "negative storage": ({"count": -4}, "a storage has -4"),
    "complex": ({"kind": "ComplexFloatStorage"}, "torch.ComplexFloatStorage"),
    "hooks": ({"hooks": b"}K\x01K\x02s"}, "hooks"),
    "negation bit": ({"hooks": b"N}" + text("neg") + b"\x88s"}, "lazy negation"),
    "legacy view of a storage": ({"extra": b"(K\x01K\x02K\x03t"}, "persistent id"),
    "storage bigger than the file": ({"count": 2**62}, "storage '0'"),
    "storage smaller than said": ({"count": 3, "shape": (3,)}, "storage '0'"),
}


@FORMATS
@pytest.mark.parametrize(("options", "match"), VIEWS.values(), ids=VIEWS)
def test_tensors_that_leave_their_storage(tmp_path, pack, options, match):
    assert_bytes_refused(tmp_path, pack(weights(tensor(**options))), match)


@FORMATS
def test_one_storage_described_in_two_ways(tmp_path, pack):
    assert_bytes_refused(tmp_path, pack(weights(tensor(), tensor(kind="IntStorage"))), "two ways")


@FORMATS
def test_sharing_does_not_unfold_a_small_file(tmp_path, pack):
    many = [tensor(shape=(2**18,), count=2**18)] * 100
    assert_bytes_refused(tmp_path, pack(weights(*many), storages=[("0", bytes(2**20))]), "unfold into 104857600")


@FORMATS
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("kind", "dtype"), [("Float", "<f4"), ("Double", "<f8"), ("Half", "<f2"), ("BFloat16", "<u2")])
def test_numbers_that_are_not_finite(tmp_path, pack, bad, kind, dtype):
    content = np.array([bad], "<f4").tobytes()[2:] if kind == "BFloat16" else np.array([bad], dtype).tobytes()
    options = {"itemsize": np.dtype(dtype).itemsize} if pack is as_legacy else {}
    body = weights(tensor(shape=(1,), count=1, kind=kind + "Storage"))
    assert_bytes_refused(
        tmp_path, pack(body, storages=[("0", content)], **options), "'w0' has 1 of 1 numbers NaN or infinite"
    )
