"""Writer of the protobuf wire format: the counterpart of wire.py, from the same message types.

References
----------
https://protobuf.dev/programming-guides/encoding/
"""

from .wire import PACKED, SPAN, WIRE_TYPES, Field


def encode_message(message, kind, types):
    """Encode a message.

    Parameters
    ----------
    message : SimpleNamespace
        As `read_message` gives it; fields may be left out.
    kind : str
        Its type, a key of ``types``.
    types : dict of str to dict
        Message types, as `message_type` makes them.

    Returns
    -------
    bytes
        Fields in the order of their numbers. Zero, the empty text, and what is None are not written, as proto3 asks;
        a message without content is, because its presence says something.

    Raises
    ------
    ValueError
        For an attribute that the type does not list: it would be lost.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> from karat.convert.mil.wire import message_type
    >>> types = {"Program": message_type(_1="int version", _4="repeated string names")}
    >>> encode_message(SimpleNamespace(version=150, names=["hi"]), "Program", types)
    b'\\x08\\x96\\x01"\\x02hi'
    """
    fields = types[kind]
    content = vars(message)
    unknown = set(content) - {field.name for field in fields.values()}
    if unknown:
        raise ValueError(f"{kind} has no field {sorted(unknown)[0]!r}")
    parts = [_field(number, fields[number], content.get(fields[number].name), types) for number in sorted(fields)]
    return b"".join(parts)


def varint(value):
    """An integer below 2^64, seven bits per byte, the lowest first; negative ones as two's complement.

    Examples
    --------
    >>> varint(150).hex(), len(varint(-1))
    ('9601', 10)
    """
    value, out = value & 0xFFFFFFFFFFFFFFFF, bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number, field, value, types):
    """All occurrences of one field; nothing for its default."""
    if value is None:
        return b""
    if field.label == "map":
        key, item = Field("", "string", "key"), Field("", field.kind, "value")
        entries = [_single(1, key, name, types) + _single(2, item, value[name], types) for name in value]
        return b"".join(_span(number, entry) for entry in entries)
    if field.label == "repeated" and field.kind in WIRE_TYPES:
        return _span(number, b"".join(_number(field.kind, item) for item in value)) if len(value) else b""
    if field.label == "repeated":
        return b"".join(_single(number, field, item, types) for item in value)
    default = {"string": "", "bool": False, "float": 0.0, "double": 0.0, "int": 0, "uint": 0}.get(field.kind)
    return b"" if _is_default(value, default) else _single(number, field, value, types)


def _is_default(value, default):
    """Minus zero is no default: it has a sign."""
    return default is not None and value == default and not str(value).startswith("-")


def _single(number, field, value, types):
    """One occurrence, whatever its value."""
    if field.kind in WIRE_TYPES:
        return varint(number << 3 | WIRE_TYPES[field.kind]) + _number(field.kind, value)
    if field.kind == "string":
        return _span(number, value.encode("utf-8"))
    return _span(number, bytes(value) if field.kind == "bytes" else encode_message(value, field.kind, types))


def _number(kind, value):
    return PACKED[kind].pack(value) if kind in PACKED else varint(int(value))


def _span(number, content):
    return varint(number << 3 | SPAN) + varint(len(content)) + content
