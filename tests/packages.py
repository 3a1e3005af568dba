"""Core ML packages for the tests: honest ones, and ones with a defect written into them."""

import shutil
import struct
from pathlib import Path

import numpy as np
from coremltools.proto import Model_pb2

FLOATS = {10: np.float16, 11: np.float32}  # MIL's DataType numbers


class Surgeon:
    """Opens a written package with coremltools' own protobuf classes, changes it, and writes it back."""

    def __init__(self, package, target):
        self.path = Path(target)
        shutil.copytree(package, self.path)
        sidecar = Path(package).with_suffix(".pairing.json")
        if sidecar.exists():
            shutil.copy(sidecar, self.path.with_suffix(".pairing.json"))
        self.folder = self.path / "Data/com.apple.CoreML"
        self.model = Model_pb2.Model()
        self.model.ParseFromString((self.folder / "model.mlmodel").read_bytes())
        function = self.model.mlProgram.functions["main"]
        self.block = function.block_specializations[function.opset]
        self.operations = self.block.operations

    def save(self):
        (self.folder / "model.mlmodel").write_bytes(self.model.SerializeToString())
        return self.path

    def of_type(self, kind):
        return [op for op in self.operations if op.type == kind]

    def constant(self, operation, parameter):
        """The const operation behind a parameter, through casts."""
        name = operation.inputs[parameter].arguments[0].name
        op = next(op for op in self.operations if op.outputs[0].name == name)
        return self.constant(op, "x") if op.type == "cast" else op

    def read(self, const):
        value, tensor = const.attributes["val"], const.attributes["val"].type.tensorType
        dtype, shape = FLOATS[tensor.dataType], [d.constant.size for d in tensor.dimensions]
        if value.WhichOneof("value") == "blobFileValue":
            data, offset, size = self._blob(value)
            return np.frombuffer(data[offset : offset + size], dtype).reshape(shape).copy()
        immediate = value.immediateValue.tensor
        if immediate.WhichOneof("value") == "bytes":
            return np.frombuffer(immediate.bytes.values, dtype).reshape(shape).copy()
        return np.array(immediate.floats.values, dtype).reshape(shape)

    def write(self, const, array):
        """Store other numbers of the same type and count."""
        value = const.attributes["val"]
        dtype = FLOATS[value.type.tensorType.dataType]
        raw = np.ascontiguousarray(array, dtype).tobytes()
        if value.WhichOneof("value") == "blobFileValue":
            data, offset, size = self._blob(value)
            assert len(raw) == size
            data[offset : offset + size] = raw
            (self.folder / "weights/weight.bin").write_bytes(bytes(data))
        elif value.immediateValue.tensor.WhichOneof("value") == "bytes":
            value.immediateValue.tensor.bytes.values = raw
        else:
            value.immediateValue.tensor.floats.values[:] = np.asarray(array, dtype).ravel().tolist()

    def _blob(self, value):
        """(whole file, offset, size) of a constant's bytes in weight.bin."""
        data = bytearray((self.folder / "weights/weight.bin").read_bytes())
        size, offset = struct.unpack_from("<QQ", data, value.blobFileValue.offset + 8)
        return data, offset, size

    def reroute(self, old, new):
        """Every reader of variable ``old`` reads ``new`` instead."""
        for op in self.operations:
            for argument in op.inputs.values():
                for binding in argument.arguments:
                    if binding.name == old:
                        binding.name = new

    def remove(self, operation):
        self.operations.remove(operation)
