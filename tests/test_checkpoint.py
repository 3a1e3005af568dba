"""What the checkpoint reader must read: real files, and what torch.save writes, bit for bit as torch.load gives it."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from karat.refimpl.checkpoint import read_checkpoint

ROOT = Path(__file__).resolve().parents[1]
WEIGHTS = Path(os.environ.get("KARAT_DATA", ROOT.parent / "shared" / "data")) / "weights"

try:
    import torch
except ImportError:  # the reader exists for machines without torch; only the comparison needs it
    torch = None
needs_torch = pytest.mark.skipif(
    torch is None, reason="torch is not installed, and it is what the reader is compared with"
)


def _as_numpy(tensor):
    tensor = tensor.detach()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def assert_same_bits(found, expected):
    assert list(found) == list(expected)
    for name, array in found.items():
        wanted = _as_numpy(expected[name])
        assert (array.dtype, array.shape) == (wanted.dtype, wanted.shape), name
        assert array.tobytes() == wanted.tobytes(), name
        assert isinstance(array, np.ndarray), name
        assert array.flags.c_contiguous, name
        assert array.flags.owndata, name
        assert array.dtype.isnative, name


@needs_torch
@pytest.mark.parametrize("name", ["XLSR_x4_best.pt", "imdn_baseline.pth", "team04_rlfn.pth", "team18_bsrn.pth"])
def test_real_files_equal_torch_load(name):
    if not (WEIGHTS / name).exists():
        pytest.skip(f"{name} is not in $KARAT_DATA/weights")
    expected = torch.load(WEIGHTS / name, weights_only=True, map_location="cpu")
    assert_same_bits(read_checkpoint(WEIGHTS / name), expected.get("params", expected))


DTYPES = ["float16", "bfloat16", "float32", "float64", "int64", "uint8", "bool"]
VIEWS = {
    "whole": lambda t: t,
    "transposed": lambda t: t.transpose(0, -1) if t.ndim else t,
    "every other": lambda t: t[1::2] if t.ndim else t,
    "a part": lambda t: t.narrow(0, t.shape[0] // 2, t.shape[0] - t.shape[0] // 2) if t.ndim else t,
}


@st.composite
def state_dicts(draw):
    """Tensors of all dtypes and layouts, some of them sharing a storage, some of them Parameters."""
    tensors = {}
    for index in range(draw(st.integers(1, 5), label="tensors")):
        dtype = getattr(torch, draw(st.sampled_from(DTYPES), label="dtype"))
        shape = draw(st.lists(st.integers(0, 4), max_size=4), label="shape")
        generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32), label="seed"))
        base = (torch.randn(shape, generator=generator) * 100).clamp(0 if dtype == torch.uint8 else -1e3, 250).to(dtype)
        for view in draw(st.lists(st.sampled_from(sorted(VIEWS)), min_size=1, max_size=3), label="views"):
            tensors[f"layers.{index}.{len(tensors)}"] = VIEWS[view](base)
    if draw(st.booleans(), label="parameters"):
        return {k: torch.nn.Parameter(t) if t.is_floating_point() else t for k, t in tensors.items()}
    return tensors


@needs_torch
@settings(deadline=None)
@given(st.data(), st.booleans(), st.sampled_from([None, "params", "state_dict", "anything"]))
def test_round_trip_of_what_torch_saves(tmp_path_factory, data, as_zip, wrapper):
    expected = data.draw(state_dicts(), label="state dict")
    saved = expected if wrapper is None else {"epoch": 3, wrapper: expected, "best": 0.5}
    path = tmp_path_factory.mktemp("round") / "w.pth"
    torch.save(saved, path, _use_new_zipfile_serialization=as_zip)
    assert_same_bits(read_checkpoint(path), expected)


@needs_torch
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("as_zip", [True, False])
def test_a_training_checkpoint_with_optimizer_and_scheduler(tmp_path, as_zip, protocol):
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    optimizer = torch.optim.Adam(net.parameters())
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 3, 5])
    net(torch.rand(1, 3, 8, 8)).sum().backward()
    optimizer.step()
    saved = {"optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict(), "model": net.state_dict()}
    saved |= {
        "best": np.float64(31.5),
        "device": torch.device("cpu"),
        "shape": torch.Size([3, 4]),
        "note": "\N{SNOWMAN}",
    }
    torch.save(saved, tmp_path / "w.pth", _use_new_zipfile_serialization=as_zip, pickle_protocol=protocol)
    assert_same_bits(read_checkpoint(tmp_path / "w.pth"), net.state_dict())


@needs_torch
def test_shared_storage_gives_arrays_that_share_nothing(tmp_path):
    base = torch.arange(6.0)
    torch.save({"a": base[:4], "b": base[2:]}, tmp_path / "w.pth")
    arrays = read_checkpoint(tmp_path / "w.pth")
    arrays["a"][:] = -1
    assert arrays["b"].tolist() == [2, 3, 4, 5]


@needs_torch
def test_extreme_values_survive(tmp_path):
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        info = torch.finfo(dtype)
        expected = {
            "w": torch.tensor([0.0, -0.0, info.max, info.min, info.tiny, info.smallest_normal / 2], dtype=dtype)
        }
        torch.save(expected, tmp_path / "w.pth")
        assert_same_bits(read_checkpoint(tmp_path / "w.pth"), expected)


@needs_torch
def test_a_zip_from_a_big_endian_machine(tmp_path):
    expected = {"w": torch.randn(3, 4), "n": torch.arange(5), "b": torch.randn(2).bfloat16()}
    torch.save(expected, tmp_path / "little.pth")
    with zipfile.ZipFile(tmp_path / "little.pth") as old, zipfile.ZipFile(tmp_path / "big.pth", "w") as new:
        for name in old.namelist():
            content = b"big" if name.endswith("/byteorder") else old.read(name)
            size = {"/data/0": 4, "/data/1": 8, "/data/2": 2}.get(name[name.find("/") :], 1)
            new.writestr(name, np.frombuffer(content, "u1").reshape(-1, size)[:, ::-1].tobytes())
    assert_same_bits(read_checkpoint(tmp_path / "big.pth"), expected)


ONE, TWO = np.full(2, 1.0), np.full(2, 2.0)


@pytest.mark.parametrize(
    ("saved", "key", "expected"),
    [
        ({"params": {"w": ONE}, "params_ema": {"w": TWO}}, None, TWO),
        ({"params": {"w": ONE}, "params_ema": {"w": TWO}}, "params", ONE),
        ({"params": {"w": ONE}, "step": TWO}, None, ONE),
        ({"generator_ema": {"w": ONE}, "epoch": 3}, None, ONE),
        ({"module.w": ONE}, None, ONE),
        ({"w": ONE, "epoch": 3, "best": np.float64(3)}, None, ONE),
    ],
)
def test_which_weights_are_taken(saved, key, expected):
    arrays = read_checkpoint(saved, key=key)
    assert list(arrays) == ["w"]
    assert arrays["w"].tolist() == expected.tolist()


def test_module_stays_where_only_some_names_have_it():
    assert list(read_checkpoint({"module.a": ONE, "b": TWO})) == ["module.a", "b"]


def test_arrays_of_a_dict_are_copied_to_native_contiguous_ones():
    source = np.arange(6, dtype=">f4").reshape(2, 3).T
    array = read_checkpoint({"w": source})["w"]
    assert array.dtype == np.dtype("=f4")
    assert array.flags.c_contiguous
    assert array.tolist() == source.tolist()
    assert not np.shares_memory(array, source)


@needs_torch
def test_torch_tensors_in_a_dict():
    expected = {"a": torch.nn.Parameter(torch.randn(3, 2).bfloat16()), "b": torch.arange(3)}
    assert_same_bits(read_checkpoint(expected), expected)
