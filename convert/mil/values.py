"""What a program says about values: tensor types, and constants that are written in it or point into weight.bin."""

import math
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from ...refimpl.errors import BadInput
from .blob import HELD, bits_of, decode
from .schema import DATA_TYPES

MAX_ELEMENTS = 2**31  # of one tensor
NO_TENSORS = ("list", "dictionary", "state")


@contextmanager
def enough_memory(what):
    """Say in one sentence that there is not enough, as a damaged or a large program may ask for any amount."""
    try:
        yield
    except MemoryError as error:
        raise BadInput(f"{what} needs more memory than there is; use a smaller input, or export it again") from error


class AnyShape(tuple):
    """The shape (None,) of a value of which not even the number of axes is known before the program runs."""


@dataclass(frozen=True)
class Variable:
    """A typed name: an input, or the output of an operation.

    Attributes
    ----------
    name : str
    dtype : str
        NumPy's name of the type; Core ML's own for what NumPy has not (bfloat16, int4, uint1 ...).
    shape : tuple of (int or None)
        None is a dimension that is known only when the program runs. An AnyShape is known only then.
    """

    name: str
    dtype: str
    shape: tuple


def variable(named):
    """The Variable of a NamedValueType message; a list or a state has that word for its dtype, and shape ().

    Programs with such values can be opened and inspected; no operator takes or makes lists. A dictionary is held as
    its values, as many as there are.
    """
    message = named.type
    for word in NO_TENSORS:
        if message is not None and getattr(message, f"{word}Type") is not None:
            return Variable(named.name, word, AnyShape((None,)) if word == "dictionary" else ())
    dtype, shape = tensor_type(message, f"variable {named.name!r}")
    return Variable(named.name, dtype, shape)


def tensor_type(value_type, what):
    """(dtype, shape) of a ValueType message.

    Raises
    ------
    BadInput
        For anything but a tensor of a known element type.
    """
    if value_type is None or value_type.tensorType is None:
        raise BadInput(f"{what} has no tensor type; the file is damaged, or export a model of tensors only")
    tensor = value_type.tensorType
    if tensor.dataType not in DATA_TYPES:
        raise BadInput(f"{what} has element type {tensor.dataType}, unknown in Core ML; export it again")
    if tensor.rank != len(tensor.dimensions):
        raise BadInput(f"{what} says rank {tensor.rank} and lists {len(tensor.dimensions)} dimensions; export it again")
    if len(tensor.dimensions) == 1 and tensor.dimensions[0].unknown and tensor.dimensions[0].unknown.variadic:
        return DATA_TYPES[tensor.dataType], AnyShape((None,))
    shape = tuple(dimension.constant.size if dimension.constant else None for dimension in tensor.dimensions)
    return DATA_TYPES[tensor.dataType], shape


def constant(value, what, blob_file):
    """The array of a Value message.

    Parameters
    ----------
    value : message
    what : str
        What it is the value of, for errors.
    blob_file : callable of str
        From a file name in the program to its BlobFile.

    Returns
    -------
    ndarray
        Read-only; text comes as a NumPy string array.

    Raises
    ------
    BadInput
        When the bytes are not what the type says.
    """
    if value.immediateValue is not None and value.immediateValue.list is not None:
        parts = [constant(part, what, blob_file) for part in value.immediateValue.list.values]
        if len({part.shape for part in parts}) > 1:
            raise BadInput(f"{what} is a list of different shapes, karat reads lists of equal ones; export without it")
        return np.stack(parts) if parts else np.array([])
    dtype, shape = tensor_type(value.type, what)
    sizes = [size for size in shape if size is not None]
    count = math.prod(sizes)
    if len(sizes) < len(shape) or count > MAX_ELEMENTS:
        raise BadInput(f"{what} has shape {shape}, expected known sizes up to {MAX_ELEMENTS} elements; export it again")
    if value.blobFileValue is not None and dtype != "str":
        flat = blob_file(value.blobFileValue.fileName).read(value.blobFileValue.offset, dtype, count)
    elif value.immediateValue is not None and value.immediateValue.tensor is not None:
        flat = _immediate(value.immediateValue.tensor, dtype, count, what)
    else:
        raise BadInput(f"{what} has no value; the file is damaged, copy or export it again")
    return flat.reshape(sizes)


def _immediate(tensor, dtype, count, what):
    """The elements that a TensorValue message holds itself."""
    if tensor.bytes is not None and dtype != "str":
        content = tensor.bytes.values or b""  # protobuf writes no empty ones
        if len(content) != (count * bits_of(dtype) + 7) // 8:
            raise BadInput(f"{what} has {len(content)} bytes for {count} {dtype}; export it again")
        return decode(content, dtype, count)
    kinds = (tensor.floats, tensor.ints, tensor.bools, tensor.strings, tensor.longInts, tensor.doubles)
    numbers = next((kind.values for kind in kinds if kind is not None), [])
    is_text = tensor.strings is not None
    if len(numbers) != count or is_text != (dtype == "str"):
        raise BadInput(f"{what} has {len(numbers)} values for {count} elements of {dtype}; export it again")
    try:
        flat = np.array(numbers, dtype=HELD.get(dtype, dtype))
    except (OverflowError, TypeError, ValueError) as error:
        raise BadInput(f"{what} has a value outside {dtype}; the file is damaged, export it again") from error
    flat.flags.writeable = False
    return flat
