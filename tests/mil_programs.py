"""Small Core ML programs for the tests of convert/mil: built byte by byte."""

import json
import os
import struct
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from karat.refimpl.errors import BadInput

DATA = Path(os.environ.get("KARAT_DATA", Path(__file__).resolve().parents[1] / "../shared/data"))
TYPES = {"float16": 10, "float32": 11, "int32": 23, "bool": 1, "str": 2}


def varint(value):
    """A number of at most 64 bits, negative ones as two's complement."""
    value, out = value & 0xFFFFFFFFFFFFFFFF, b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def field(number, value):
    """A protobuf field: an int, a text, or bytes (a message)."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor_type(dtype, shape):
    """A ValueType message; None is an unknown size, None as shape an unknown number of axes."""
    if shape is None:
        return field(1, field(1, TYPES[dtype]) + field(2, 1) + field(3, field(2, field(1, 1))))
    sizes = [field(1, field(1, n)) if n is not None else field(2, b"") for n in shape]
    return field(1, field(1, TYPES[dtype]) + field(2, len(shape)) + b"".join(field(3, size) for size in sizes))


def named(name, dtype, shape):
    """A NamedValueType message."""
    return field(1, name) + field(2, tensor_type(dtype, shape))


def immediate(array):
    """A Value message that holds the array itself."""
    array = np.asarray(array)
    kind = "str" if array.dtype.kind == "U" else array.dtype.name
    if kind == "str":
        tensor = field(4, b"".join(field(1, str(text)) for text in array.ravel()))
    elif kind == "float32":
        tensor = field(1, field(1, array.tobytes()))
    elif kind == "float16":
        tensor = field(7, field(1, array.tobytes()) if array.size else b"")  # protobuf writes no empty bytes
    else:
        numbers = b"".join(varint(int(v)) for v in array.ravel())
        tensor = field({"int32": 2, "bool": 3}[kind], field(1, numbers))
    return field(2, tensor_type(kind, array.shape)) + field(3, field(1, tensor))


def entry(key, value):
    """A map entry."""
    return field(1, key) + field(2, value)


def operation(kind, inputs, outputs):
    """An Operation message; inputs map to a name, several names, or an array (an inline value)."""
    out = field(1, kind)
    for parameter, value in inputs.items():
        if isinstance(value, np.ndarray | np.generic):
            bindings = [field(2, immediate(value))]
        else:
            bindings = [field(1, name) for name in ([value] if isinstance(value, str) else value)]
        out += field(2, entry(parameter, b"".join(field(1, binding) for binding in bindings)))
    return out + b"".join(field(3, named(*output)) for output in outputs)


def model(inputs, operations, outputs, opset="CoreML7"):
    """A Model message of one function, ``main``."""
    block = b"".join(field(2, name) for name in outputs) + b"".join(field(3, o) for o in operations)
    function = b"".join(field(1, named(*i)) for i in inputs) + field(2, opset) + field(3, entry(opset, block))
    return field(1, 8) + field(502, field(1, 1) + field(2, entry("main", function)))


def write_package(folder, message, weights=None, entry_path="com.apple.CoreML/model.mlmodel"):
    """A .mlpackage folder around a Model message."""
    data = folder / "Data/com.apple.CoreML"
    data.mkdir(parents=True)
    manifest = {"itemInfoEntries": {"1": {"path": entry_path}}, "rootModelIdentifier": "1"}
    (folder / "Manifest.json").write_text(json.dumps(manifest))
    (data / "model.mlmodel").write_bytes(message)
    if weights is not None:
        (data / "weights").mkdir()
        (data / "weights/weight.bin").write_bytes(weights)
    return folder


def one_operation(folder, kind, inputs, output, **parameters):
    """A package of a single operation: inputs are (name, dtype, shape), parameters names or arrays."""
    return write_package(folder, model(inputs, [operation(kind, parameters, [output])], [output[0]]))


def weight_file(arrays):
    """(bytes of a weight.bin, offset of every array's record)."""
    codes = {"float16": 1, "float32": 2, "uint8": 3, "int8": 4, "int32": 14}
    out, offsets = bytearray(struct.pack("<II56x", len(arrays), 2)), []
    for array in arrays:
        offsets.append(len(out))
        data = array.tobytes()
        out += struct.pack("<IIQQQ32x", 0xDEADBEEF, codes[array.dtype.name], len(data), len(out) + 64, 0) + data
        out += b"\0" * (-len(out) % 64)
    return bytes(out), offsets


@contextmanager
def at_worst_one_sentence():
    """What runs inside works, or raises BadInput with a message of one line; anything else is a failure."""
    try:
        yield
    except BadInput as error:
        if "\n" in str(error):
            raise AssertionError(f"several lines: {error}") from error
