"""Checkpoints written by hand, byte by byte, for the tests: good ones, and ones that no torch would write."""

import io
import pickle
import struct
import zipfile

import numpy as np
import pytest

from karat.refimpl.checkpoint import read_checkpoint
from karat.refimpl.errors import BadInput


def assert_refused(source, match, **options):
    """Exactly one line, short, without a traceback in it."""
    with pytest.raises(BadInput, match=match) as caught:
        read_checkpoint(source, **options)
    text = str(caught.value)
    assert "\n" not in text
    assert "\r" not in text
    assert "Traceback" not in text
    assert len(text) < 400
    assert text.isprintable()


# A pickle by hand, opcode by opcode: no pickler would write these.
def text(value):
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value):
    size = value.bit_length() // 8 + 1
    return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)


def numbers(values):
    return b"(" + b"".join(map(number, values)) + b"t"


def tensor(shape=(4,), strides=(1,), offset=0, count=4, key="0", kind="FloatStorage", hooks=b"N", extra=b""):
    """A tensor; ``shape`` may also be pickle bytes."""
    storage = (
        b"("
        + text("storage")
        + b"ctorch\n"
        + kind.encode()
        + b"\n"
        + text(key)
        + text("cpu")
        + number(count)
        + extra
        + b"tQ"
    )
    shape = shape if isinstance(shape, bytes) else numbers(shape)
    arguments = b"(" + storage + number(offset) + shape + numbers(strides) + b"\x89" + hooks + b"t"
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"R"


def weights(*values):
    """A state dict {"w0": value, ...}."""
    return b"\x80\x02}" + b"".join(text(f"w{index}") + value + b"s" for index, value in enumerate(values)) + b"."


FOUR = np.arange(4, dtype="<f4").tobytes()


def as_zip(body, storages=(("0", FOUR),), extra=(), **options):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **options) as archive:
        archive.writestr("archive/data.pkl", body)
        for name, content in [*((f"archive/data/{key}", content) for key, content in storages), *extra]:
            archive.writestr(name, content)
    return file.getvalue()


def as_legacy(body, storages=(("0", FOUR),), system=None, itemsize=4):
    head = [0x1950A86A20F9469CFC6C, 1001, system or {"little_endian": True}]
    blobs = b"".join(struct.pack("<q", len(content) // itemsize) + content for _, content in storages)
    keys = [key for key, _ in storages]
    return b"".join(pickle.dumps(part, 2) for part in head) + body + pickle.dumps(keys, 2) + blobs


def assert_bytes_refused(folder, content, match, **options):
    """The same, of a file with this content."""
    path = folder / "w.pth"
    path.write_bytes(content)
    assert_refused(path, match, **options)
