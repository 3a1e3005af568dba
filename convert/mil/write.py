"""A Program becomes a .mlpackage on disk, without coremltools: the counterpart of package.py."""

import json
import os
import tempfile
import uuid
from pathlib import Path
from types import SimpleNamespace as Message

import numpy as np

from ...refimpl.errors import BadInput
from .blob import BLOB_TYPES, HEADER, HELD, MAGIC, RECORD
from .encode import encode_message
from .ops import OPERATORS
from .schema import ARRAY_TYPES, COLOR_SPACES, DATA_TYPES, TYPES

WEIGHTS = "@model_path/weights/weight.bin"
NUMBER_OF = {name: number for number, name in DATA_TYPES.items()}
BLOB_CODE = {name: code for code, name in BLOB_TYPES.items()}
IN_FILE = {"float16", "float32", "int8", "uint8", "int16", "uint16"}  # what coremltools puts into weight.bin, too
STORED = IN_FILE | {"int32", "uint32", "bool", "str"}


def write_package(program, path):
    """Write a program as a .mlpackage.

    Every constant is stored as it is, and a compressed one as what it decompresses to: in weight.bin when it takes more
    room than the 64 bytes of its record there, else in the program. Names, types, opset and specification version are
    kept; metadata and a sidecar are not.

    Parameters
    ----------
    program : Program
    path : path_like
        A folder that does not exist yet; it appears as a whole.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    BadInput
        When the path is taken, or the program holds what karat does not write.

    Examples
    --------
    >>> write_package(open_package("m.mlpackage"), "copy.mlpackage")  # doctest: +SKIP
    """
    path = Path(path)
    if path.suffix != ".mlpackage":
        raise BadInput(f"the output is {path.name}, expected a name that ends in .mlpackage; rename it")
    if path.exists():
        raise BadInput(f"{path} exists already, expected a new name; choose another or remove it")
    if program.states:
        raise BadInput(f"the program keeps the state {program.states[0].name!r}, karat writes none; export it without")
    model, weights = _model(program)
    content = encode_message(model, "Model", TYPES)
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".karat-") as folder:
            fresh = Path(folder) / path.name
            data = fresh / "Data/com.apple.CoreML"
            (data / "weights").mkdir(parents=True)
            (data / "model.mlmodel").write_bytes(content)
            (data / "weights/weight.bin").write_bytes(weights)
            (fresh / "Manifest.json").write_text(json.dumps(_manifest(content), indent=4))
            os.replace(fresh, path)
    except OSError as error:
        raise BadInput(f"{path} cannot be written ({error.strerror}); choose another folder") from error
    return path


def _manifest(content):
    """What lies in the package; the same program has the same identifiers."""
    items = {
        "model.mlmodel": ("CoreML Model Specification", "com.apple.CoreML/model.mlmodel"),
        "weights": ("CoreML Model Weights", "com.apple.CoreML/weights"),
    }
    entries = {}
    for name, (description, place) in items.items():
        key = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{name} {content.hex()}")).upper()
        entries[key] = {"author": "com.apple.CoreML", "description": description, "name": name, "path": place}
    return {"fileFormatVersion": "1.0.0", "itemInfoEntries": entries, "rootModelIdentifier": next(iter(entries))}


def _model(program):
    """(Model message, bytes of weight.bin) of a program."""
    writer = _Writer(program)
    operations = [writer.operation(operation) for operation in program.operations]
    packed = {name for op in program.compressed.values() for name in op.reads}
    packed -= {name for op in program.operations for name in op.reads} | {f.name for f in program.outputs}
    constants = [writer.const(name) for name in program.constants if name not in writer.bound | packed]
    outputs = [feature.name for feature in program.outputs]
    block = Message(outputs=outputs, operations=constants + operations)
    inputs = [Message(name=f.name, type=_tensor_type(f.dtype, f.shape, f.name)) for f in program.inputs]
    function = Message(inputs=inputs, opset=program.opset, block_specializations={program.opset: block})
    description = Message(
        input=[_description(feature) for feature in program.inputs],
        output=[_description(feature) for feature in program.outputs],
    )
    model = Message(
        specificationVersion=program.specification_version,
        description=description,
        mlProgram=Message(version=1, functions={program.function: function}),
    )
    return model, writer.weights()


class _Writer:
    """Messages of operations and constants; large constants go to a file of their own.

    Attributes
    ----------
    bound : set of str
        Constants that stand in the operation that reads them, and need no operation of their own.
    """

    def __init__(self, program):
        self.program, self.bound, self.records = program, set(), []
        self.end = HEADER.size

    def operation(self, operation):
        """An Operation message; a constant named as the reader names inline values becomes one again."""
        if operation.type not in OPERATORS:
            raise BadInput(f"{operation} is no operator that karat executes, and is not written; cut elsewhere")
        inputs, attributes = {}, {"name": self.value(np.array(operation.name), operation.name)}
        for parameter, names in operation.inputs.items():
            several = isinstance(names, tuple)
            inline = f"{operation.name}.{parameter}"
            each = [
                (name, f"{inline}.{i}" if several else inline) for i, name in enumerate(names if several else [names])
            ]
            inputs[parameter] = Message(arguments=[self.binding(name, expected) for name, expected in each])
        outputs = [Message(name=o.name, type=_tensor_type(o.dtype, o.shape, o.name)) for o in operation.outputs]
        return Message(type=operation.type, inputs=inputs, outputs=outputs, attributes=attributes)

    def binding(self, name, inline):
        """A Binding message: to a name, or to a value when the name is the one that the reader gives inline values."""
        if name != inline or name not in self.program.constants:
            return Message(name=name)
        self.bound.add(name)
        return Message(value=self.value(self.program.constants[name], name))

    def const(self, name):
        """A const operation."""
        array = self.program.constants[name]
        output = Message(name=name, type=_tensor_type(_kind(array), array.shape, name))
        attributes = {"name": self.value(np.array(name), name), "val": self.value(array, name, large=True)}
        return Message(type="const", outputs=[output], attributes=attributes)

    def value(self, array, name, large=False):
        """A Value message; ``large`` ones may lie in the weight file."""
        kind = self.program.stored[name] if self.program.stored.get(name) in HELD else _kind(array)
        if kind not in STORED:
            known = ", ".join(sorted(STORED))
            raise BadInput(f"constant {name!r} is {kind} in {self.program.opset}, karat writes {known}; cut elsewhere")
        type_ = _tensor_type(kind, array.shape, name)
        if large and kind in IN_FILE and array.nbytes > RECORD.size:
            return Message(type=type_, blobFileValue=Message(fileName=WEIGHTS, offset=self.record(array, kind)))
        return Message(type=type_, immediateValue=Message(tensor=_tensor(array, kind)))

    def record(self, array, kind):
        """Where the record of a constant is in the weight file."""
        data = _little(array)
        offset, padding = self.end, b"\0" * (-len(data) % RECORD.size)
        self.records.append(RECORD.pack(MAGIC, BLOB_CODE[kind], len(data), offset + RECORD.size, 0) + data + padding)
        self.end += len(self.records[-1])
        return offset

    def weights(self):
        """The bytes of weight.bin."""
        return b"".join([HEADER.pack(len(self.records), 2), *self.records])


def _kind(array):
    return "str" if array.dtype.kind == "U" else array.dtype.name


def _little(array):
    """The elements' bytes, little-endian, row by row."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()


def _tensor(array, kind):
    """A TensorValue message, in the field that coremltools uses for the type."""
    numbers = array.ravel().tolist()
    lists = {"float32": "floats", "int32": "ints", "int16": "ints", "uint16": "ints", "bool": "bools", "str": "strings"}
    if kind in lists:
        return Message(**{lists[kind]: Message(values=numbers)})
    return Message(bytes=Message(values=_little(array)))


def _tensor_type(dtype, shape, name):
    """A ValueType message; None is a size that is known only when the program runs."""
    if dtype not in NUMBER_OF:
        raise BadInput(f"{name!r} is a {dtype}, expected a tensor; cut the program elsewhere")
    sizes = [
        Message(unknown=Message(variadic=False)) if size is None else Message(constant=Message(size=size))
        for size in shape
    ]
    return Message(tensorType=Message(dataType=NUMBER_OF[dtype], rank=len(shape), dimensions=sizes))


def _description(feature):
    """What the model's interface says of an input or output."""
    if None in feature.shape:
        raise BadInput(
            f"{feature.name!r} has the flexible shape {feature.shape}, karat writes fixed ones; set its sizes"
        )
    if feature.image is not None:
        numbers = {name: number for number, name in COLOR_SPACES.items()}
        if feature.image not in numbers or len(feature.shape) != 4:
            raise BadInput(f"{feature.name!r} is an image of an unknown kind, expected a tensor; export it as one")
        height, width = feature.shape[2:]
        return Message(
            name=feature.name,
            type=Message(imageType=Message(width=width, height=height, colorSpace=numbers[feature.image])),
        )
    if feature.dtype not in ARRAY_TYPES:
        raise BadInput(f"{feature.name!r} is {feature.dtype}, Core ML passes {', '.join(ARRAY_TYPES)}; cut elsewhere")
    array = Message(shape=list(feature.shape), dataType=ARRAY_TYPES[feature.dtype])
    return Message(name=feature.name, type=Message(multiArrayType=array))
