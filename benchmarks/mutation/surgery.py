"""Changes in a written package, through coremltools' own protobuf classes."""

import numpy as np
from packages import Surgeon

from karat.convert.mil import open_package
from karat.convert.mil.pairing import read_pairing, sidecar_path, write_pairing
from karat.refimpl.errors import BadInput

BYTES = {21: np.int8, 22: np.int16, 23: np.int32, 31: np.uint8, 32: np.uint16}  # MIL's DataType numbers


class Unsuitable(Exception):
    """This draw makes no defect: there is no such site, or nothing changes. Another one is drawn."""


class Cut(Surgeon):
    """A Surgeon that also changes integers, options and shapes.

    Parameters
    ----------
    subject : Subject
    target : Path
        Where the changed package goes.
    """

    def __init__(self, subject, target):
        super().__init__(subject.package, target)
        self.subject = subject
        self.operators = read_pairing(subject.package)

    def pick(self, rng, *kinds, where=lambda op: True):
        """One operation of those kinds, drawn."""
        found = [op for op in self.operations if op.type in kinds and where(op)]
        if not found:
            raise Unsuitable
        return found[rng.integers(len(found))]

    def of_layer(self, rng, ending, *kinds):
        """One operation that computes a layer whose name ends so, drawn."""
        layers = self.subject.layers
        return self.pick(rng, *kinds, where=lambda op: layers.get(op.outputs[0].name, "").endswith(ending))

    def has_constant(self, operation, parameter):
        """Whether the parameter is there and a stored constant."""
        binding = operation.inputs[parameter].arguments if parameter in operation.inputs else []
        if len(binding) != 1:
            return False
        if not binding[0].name:
            return True
        op = next((op for op in self.operations if op.outputs[0].name == binding[0].name), None)
        return op is not None and (op.type == "const" or (op.type == "cast" and self.has_constant(op, "x")))

    def value_of(self, operation, parameter):
        """The Value message of a parameter, whether inline or a constant of its own."""
        if not self.has_constant(operation, parameter):
            raise Unsuitable  # computed when the program runs
        binding = operation.inputs[parameter].arguments[0]
        return binding.value if not binding.name else self.constant(operation, parameter).attributes["val"]

    def small(self, operation, parameter):
        """Integers, flags or an option, as an array."""
        value = self.value_of(operation, parameter)
        dtype = BYTES.get(value.type.tensorType.dataType)
        if value.WhichOneof("value") == "blobFileValue":
            data, offset, size = self._blob(value)
            return np.frombuffer(data[offset : offset + size], dtype).copy()
        tensor = value.immediateValue.tensor
        kind = tensor.WhichOneof("value")
        if kind == "bytes":
            return np.frombuffer(tensor.bytes.values, dtype).copy()
        return np.array(list(getattr(tensor, kind).values))

    def set_small(self, operation, parameter, values):
        """Store them, for this operation alone: constants are shared."""
        binding = operation.inputs[parameter].arguments[0]
        value = type(binding.value)()
        value.CopyFrom(self.value_of(operation, parameter))
        binding.value.CopyFrom(value)
        tensor, dtype = binding.value.immediateValue.tensor, BYTES.get(value.type.tensorType.dataType)
        kind = tensor.WhichOneof("value") or ("ints" if dtype is np.int32 else "bytes")
        if kind == "bytes":
            tensor.bytes.values = np.asarray(values, dtype).tobytes()
        else:
            getattr(tensor, kind).values[:] = np.asarray(values).tolist()

    def shape(self, operation):
        """Declared shape of the first output."""
        return [d.constant.size for d in operation.outputs[0].type.tensorType.dimensions]

    def redeclare(self):
        """Have every operation declare the shape that it now has; refused when the output's changes or nothing fits."""
        computed = [op for op in self.operations if op.type != "const"]
        before = {out.name: self._set_unknown(out) for op in computed for out in op.outputs}
        self.save()
        try:
            program = open_package(self.path)
            zero = {program.inputs[0].name: self.subject.x}
            shapes = {r.name: r.value.shape for r in program.trace(zero, profile="float64")}
        except BadInput as error:
            raise Unsuitable from error
        for op in computed:
            for out in op.outputs:
                dimensions = out.type.tensorType.dimensions
                for dimension, size in zip(dimensions, shapes[out.name], strict=True):
                    dimension.constant.size = size
        last = program.outputs[0].name
        if tuple(before[last]) != shapes[last]:
            raise Unsuitable

    def _set_unknown(self, out):
        dimensions = out.type.tensorType.dimensions
        before = [d.constant.size for d in dimensions]
        for dimension in dimensions:
            dimension.unknown.variadic = False
        return before

    def close(self, sidecar):
        """Write the package and, if it shall have one, a sidecar that fits it; return the opened program."""
        self.save()
        beside = sidecar_path(self.path)
        beside.unlink(missing_ok=True)
        if sidecar:
            write_pairing(beside, self.path, self.operators)
        return open_package(self.path)
