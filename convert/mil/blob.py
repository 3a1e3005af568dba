"""Reader of weight.bin: where a Core ML program keeps its large constants.

A 64-byte header (u32 count, u32 version) and then, for each constant, a 64-byte record (u32 magic, u32 type, u64 size,
u64 offset of the data, u64 unused bits at its end) and the data. All little-endian. Layout as in MILBlob's
StorageFormat.hpp (coremltools, mlmodel/src/MILBlob/Blob).
"""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...refimpl.errors import BadInput

MAGIC = 0xDEADBEEF
HEADER = struct.Struct("<II56x")
RECORD = struct.Struct("<IIQQQ32x")
BLOB_TYPES = {
    1: "float16",
    2: "float32",
    3: "uint8",
    4: "int8",
    5: "bfloat16",
    6: "int16",
    7: "uint16",
    8: "int4",
    9: "uint1",
    10: "uint2",
    11: "uint4",
    12: "uint3",
    13: "uint6",
    14: "int32",
    15: "uint32",
    16: "float8_e4m3fn",
    17: "float8_e5m2",
}
SUB_BYTE_BITS = {"uint1": 1, "uint2": 2, "uint3": 3, "uint4": 4, "uint6": 6, "int4": 4}
# What a type that NumPy has not is held in: every one of its values, exactly
HELD = dict.fromkeys(SUB_BYTE_BITS, "uint8") | {"int4": "int8"}
HELD |= dict.fromkeys(("bfloat16", "float8_e4m3fn", "float8_e5m2"), "float32")
HELD["dictionary"] = "float64"  # of a classifier: its values, in the order of its keys


@dataclass(frozen=True)
class BlobFile:
    """The bytes of a weight.bin.

    Attributes
    ----------
    path : pathlib.Path
        For messages only.
    data : bytes
    """

    path: Path
    data: bytes

    def read(self, offset, dtype, count):
        """The constant whose record is at ``offset``.

        Parameters
        ----------
        offset : int
        dtype : str
            The type the program declares for it, a value of schema.DATA_TYPES.
        count : int
            How many elements the program declares.

        Returns
        -------
        ndarray, (count,)
            Read-only. bfloat16 and float8 come as float32, sub-byte numbers as uint8 or int8.

        Raises
        ------
        BadInput
            When the file has no such constant there.
        """
        where = f"{self.path.name} at offset {offset}"
        if len(self.data) < HEADER.size or HEADER.unpack_from(self.data)[1] != 2:
            raise BadInput(f"{self.path.name} has no version 2 header; it is no Core ML weight file, export it again")
        if offset % 64 or not 0 < offset <= len(self.data) - RECORD.size:
            raise BadInput(f"{where} can hold no record: the file has {len(self.data)} bytes; copy the package again")
        magic, code, size, start, unused = RECORD.unpack_from(self.data, offset)
        if magic != MAGIC:
            raise BadInput(f"{where} starts with {magic:#x}, expected {MAGIC:#x}; the file is damaged, copy it again")
        if start + size > len(self.data):
            raise BadInput(f"{where} needs {start + size} bytes, the file has {len(self.data)}; copy the package again")
        if BLOB_TYPES.get(code) != dtype:
            raise BadInput(f"{where} holds {BLOB_TYPES.get(code, f'type {code}')}, not {dtype}; export it again")
        if size != (count * bits_of(dtype) + 7) // 8 or unused != size * 8 - count * bits_of(dtype):
            raise BadInput(f"{where} holds {size} bytes, {count} elements of {dtype} were expected; export it again")
        return decode(self.data[start : start + size], dtype, count)


def bits_of(dtype):
    """How many bits an element of ``dtype`` takes in storage.

    Examples
    --------
    >>> bits_of("float16"), bits_of("uint3")
    (16, 3)
    """
    if dtype in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
        return 16 if dtype == "bfloat16" else 8
    return SUB_BYTE_BITS[dtype] if dtype in SUB_BYTE_BITS else np.dtype(dtype).itemsize * 8


def decode(data, dtype, count):
    """Elements out of packed little-endian bytes.

    Parameters
    ----------
    data : bytes
        At least the bytes of ``count`` elements.
    dtype : str
    count : int

    Returns
    -------
    ndarray, (count,)
        Read-only. bfloat16 and float8 come as float32, sub-byte numbers as uint8 or int8.

    Examples
    --------
    >>> decode(bytes([0x21, 0xF3]), "int4", 4)  # the low half of a byte comes first
    array([ 1,  2,  3, -1], dtype=int8)
    """
    if dtype == "bfloat16":  # the upper half of a float32
        values = (np.frombuffer(data, "<u2", count).astype(np.uint32) << 16).view(np.float32)
    elif dtype == "float8_e5m2":  # the upper half of a float16
        values = (np.frombuffer(data, np.uint8, count).astype(np.uint16) << 8).view(np.float16).astype(np.float32)
    elif dtype == "float8_e4m3fn":
        values = _e4m3fn(np.frombuffer(data, np.uint8, count))
    elif dtype in SUB_BYTE_BITS:
        values = _unpack(data, SUB_BYTE_BITS[dtype], count)
        if dtype == "int4":
            values = (values.astype(np.int8) ^ 8) - np.int8(8)  # sign extension
    else:
        values = np.frombuffer(data, np.dtype(dtype).newbyteorder("<"), count).astype(dtype, copy=False)
    values.flags.writeable = False
    return values


def _unpack(data, bits, count):
    """Numbers of ``bits`` bits that lie back to back, lowest bit first, across byte borders."""
    stream = np.unpackbits(np.frombuffer(data, np.uint8), count=count * bits, bitorder="little")
    weights = (1 << np.arange(bits)).astype(np.uint8)
    return (stream.reshape(count, bits) * weights).sum(axis=1, dtype=np.uint8)


def _e4m3fn(codes):
    """8-bit floats of 4 exponent and 3 significand bits, bias 7, without infinity; the last code of a sign is NaN.

    Micikevicius et al. 2022, FP8 formats for deep learning, arXiv:2209.05433, table 1.
    """
    exponent, digits = codes >> 3 & 15, (codes & 7).astype(np.float32)
    normal = np.ldexp(8 + digits, exponent.astype(np.int32) - 10)
    magnitude = np.where(exponent > 0, normal, np.ldexp(digits, -9)).astype(np.float32)
    magnitude[codes & 127 == 127] = np.nan
    return np.where(codes > 127, -magnitude, magnitude)
