"""Reader of the protobuf wire format: bytes become plain messages, with limits, and nonsense becomes one sentence.

Only what Core ML's messages use: varints, fixed 32 and 64 bits, length-delimited fields, packed repeated numbers, maps.
The message types are data (see schema.py); fields that a type does not list are stepped over, as protobuf asks.

References
----------
https://protobuf.dev/programming-guides/encoding/
"""

import struct
from dataclasses import dataclass
from types import SimpleNamespace

from ...refimpl.errors import BadInput

MAX_BYTES = 2**28  # of a file that holds a message; Core ML keeps weights outside, so 400 kB is a large one
MAX_DEPTH = 100  # protobuf's own default
MAX_FIELDS = 2**24
VARINT, FIXED64, SPAN, FIXED32 = 0, 1, 2, 5  # wire types; 3 and 4 (groups) left the language long ago
WIRE_TYPES = {"int": VARINT, "uint": VARINT, "bool": VARINT, "double": FIXED64, "float": FIXED32}
PACKED = {"double": struct.Struct("<d"), "float": struct.Struct("<f")}


@dataclass(frozen=True)
class Field:
    """One line of a message type.

    Attributes
    ----------
    label : str
        "" (at most once), "repeated", or "map" (from string to ``kind``).
    kind : str
        int, uint, bool, float, double, string, bytes, or the name of a message type.
    name : str
    """

    label: str
    kind: str
    name: str


def message_type(**lines):
    """A message type from lines such as ``_2="repeated Operation operations"``: field number and declaration.

    Examples
    --------
    >>> message_type(_1="int version")
    {1: Field(label='', kind='int', name='version')}
    """
    fields = {}
    for number, line in lines.items():
        *label, kind, name = line.split()
        fields[int(number[1:])] = Field(label[0] if label else "", kind, name)
    return fields


def read_message(data, kind, types):
    """Decode a message.

    Parameters
    ----------
    data : bytes
    kind : str
        Its type, a key of ``types``.
    types : dict of str to dict
        Message types, as ``message_type`` makes them.

    Returns
    -------
    SimpleNamespace
        One attribute per listed field: numbers, str, bytes, messages; [] and {} for repeated and map.
        An absent number is 0, an absent text empty, absent bytes and messages None.

    Raises
    ------
    BadInput
        For bytes that are no such message, and beyond MAX_DEPTH or MAX_FIELDS.

    Examples
    --------
    >>> types = {"Program": message_type(_1="int version", _4="repeated string names")}
    >>> read_message(b"\\x08\\x96\\x01\\x22\\x02hi", "Program", types)
    namespace(version=150, names=['hi'])
    """
    return _Reader(data, types).message(kind, 0, len(data), 0)


def _absent(field):
    """What a field that does not occur reads as."""
    if field.label:
        return {} if field.label == "map" else []
    return {"string": "", "bool": False, "float": 0.0, "double": 0.0, "int": 0, "uint": 0}.get(field.kind)


class _Reader:
    """One pass over ``data``; positions are offsets into it, so that nothing is copied before it is a value."""

    def __init__(self, data, types):
        self.data, self.types, self.fields_left = data, types, MAX_FIELDS

    def message(self, kind, at, end, depth):
        """Decode data[at:end] as a ``kind``."""
        if depth > MAX_DEPTH:
            raise BadInput(f"messages are nested deeper than {MAX_DEPTH}; this is no Core ML program, export it again")
        fields = self.types[kind]
        out = {field.name: _absent(field) for field in fields.values()}
        for number, wire, value in self.records(at, end):
            if number in fields:
                self.add(out, fields[number], wire, value, depth)
        return SimpleNamespace(**out)

    def records(self, at, end):
        """Yield (field number, wire type, value) of data[at:end]; a value is an int or a (start, end)."""
        while at < end:
            key, at = self.varint(at, end)
            number, wire = key >> 3, key & 7
            self.count(1)
            if number == 0 or wire not in (VARINT, FIXED64, SPAN, FIXED32):
                raise BadInput(f"byte {at} starts no protobuf field; the file is damaged, copy or export it again")
            if wire == VARINT:
                value, at = self.varint(at, end)
            else:
                size, at = self.varint(at, end) if wire == SPAN else ({FIXED64: 8, FIXED32: 4}[wire], at)
                if size > end - at:
                    raise BadInput(f"a field at byte {at} claims {size} bytes of {end - at}; copy the file again")
                value, at = (at, at + size), at + size
            yield number, wire, value

    def count(self, fields):
        """Spend the budget of fields."""
        self.fields_left -= fields
        if self.fields_left < 0:
            raise BadInput(f"the message has more than {MAX_FIELDS} fields; this is no Core ML program")

    def varint(self, at, end):
        """Read a number of seven bits per byte, the lowest first: (value below 2^64, next position)."""
        value = shift = 0
        while at < end and shift < 70:
            byte = self.data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFFFFFFFFFFFFFF, at
            shift += 7
        raise BadInput(f"the number that ends at byte {at} has no last byte; the file is damaged, copy it again")

    def add(self, out, field, wire, value, depth):
        """Put one occurrence of ``field`` into ``out``."""
        if field.label == "map":
            key, value = self.entry(field.kind, value if wire == SPAN else self.refuse(field, wire), depth)
            out[field.name][key] = value
        elif field.label == "repeated" and wire == SPAN and field.kind in WIRE_TYPES:
            out[field.name].extend(self.packed(field, *value))
        elif field.label == "repeated":
            out[field.name].append(self.value(field, wire, value, depth))
        else:
            out[field.name] = self.value(field, wire, value, depth)

    def refuse(self, field, wire):
        raise BadInput(f"field {field.name} has wire type {wire}, expected another; the file is damaged")

    def entry(self, kind, span, depth):
        """A map entry is a message of a key (1) and a value (2)."""
        key, value = Field("", "string", "key"), Field("", kind, "value")
        pair = {"key": "", "value": _absent(value)}
        for number, wire, content in self.records(*span):
            if number in (1, 2):
                self.add(pair, key if number == 1 else value, wire, content, depth + 1)
        if pair["value"] is None:
            raise BadInput(f"map entry {pair['key']!r} has no value; the file is damaged, export it again")
        return pair["key"], pair["value"]

    def value(self, field, wire, value, depth):
        """Decode a single value of ``field``."""
        if wire != WIRE_TYPES.get(field.kind, SPAN):
            self.refuse(field, wire)
        if wire == VARINT:
            return _number(field.kind, value)
        if field.kind in self.types:
            return self.message(field.kind, value[0], value[1], depth + 1)
        content = self.data[value[0] : value[1]]
        return _text(field, content) if field.kind == "string" else _bytes(field, content)

    def packed(self, field, at, end):
        """Decode the numbers of a packed repeated field."""
        if field.kind in PACKED:
            if (end - at) % PACKED[field.kind].size:
                raise BadInput(f"{field.name} has {end - at} bytes for packed {field.kind}s; copy the file again")
            self.count((end - at) // PACKED[field.kind].size)
            return [number for (number,) in PACKED[field.kind].iter_unpack(self.data[at:end])]
        numbers = []
        while at < end:
            number, at = self.varint(at, end)
            numbers.append(_number(field.kind, number))
        self.count(len(numbers))
        return numbers


def _number(kind, value):
    """An unsigned 64-bit varint as the kind it stands for; negative numbers come as two's complement."""
    if kind == "int":
        return value - 2**64 if value >= 2**63 else value
    return bool(value) if kind == "bool" else value


def _bytes(field, content):
    return PACKED[field.kind].unpack(content)[0] if field.kind in PACKED else bytes(content)


def _text(field, content):
    try:
        return bytes(content).decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(f"the text of {field.name} is not UTF-8; the file is damaged, copy it again") from error
