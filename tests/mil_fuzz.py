"""Mutations of Core ML packages at the level of protobuf's fields: what comes out is well formed and says nonsense."""

import struct

EXTREME = [
    0,
    1,
    2,
    3,
    7,
    63,
    64,
    65,
    127,
    128,
    255,
    256,
    4096,
    65535,
    65536,
    10**6,
    2**31 - 1,
    2**31,
    2**32,
    2**62,
    2**63,
]
EXTREME += [2**64 - n for n in (1, 2, 3, 128, 2**31)]
DEEPEST = 40


def parse(data, depth=0):
    """A message as a list of [number, wire type, value], values being lists where bytes read as a message; or None."""
    fields, at = [], 0
    while at < len(data):
        key, at = _varint(data, at)
        if key is None or key >> 3 == 0:
            return None
        wire = key & 7
        if wire == 0:
            value, at = _varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
            value, at = data[at : at + size], at + size
        elif wire == 2:
            size, at = _varint(data, at)
            if size is None or at + size > len(data):
                return None
            value, at = data[at : at + size], at + size
            inner = parse(value, depth + 1) if size > 1 and depth < DEEPEST and not value.isascii() else None
            value = value if inner is None else inner
        else:
            return None
        if value is None or at > len(data):
            return None
        fields.append([key >> 3, wire, value])
    return fields


def _varint(data, at):
    value, shift = 0, 0
    while at < len(data) and shift < 70:
        value |= (data[at] & 0x7F) << shift
        at += 1
        if not data[at - 1] & 0x80:
            return value, at
        shift += 7
    return None, at


def encode(fields):
    """The bytes of what `parse` gives."""
    out = bytearray()
    for number, wire, value in fields:
        out += _encoded(number << 3 | wire)
        if wire == 0:
            out += _encoded(value & (2**64 - 1))
        elif wire == 2:
            content = encode(value) if isinstance(value, list) else value
            out += _encoded(len(content)) + content
        else:
            out += value
    return bytes(out)


def _encoded(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def _places(fields):
    """Every (list, index) of a tree, which may be deeper than Python would recurse."""
    waiting = [fields]
    while waiting:
        fields = waiting.pop()
        for index, (_, _, value) in enumerate(fields):
            yield fields, index
            if isinstance(value, list):
                waiting.append(value)


def mutate(message, random):
    """A Model message with one to four fields changed, lost, doubled, exchanged, or put inside themselves."""
    tree = parse(message)
    for _ in range(random.integers(1, 5)):
        places = list(_places(tree))
        fields, index = places[random.integers(len(places))]
        number, wire, value = fields[index]
        kind = random.integers(9)
        if kind <= 3:
            fields[index] = [number, wire, _changed(wire, value, places, random)]
        elif kind == 4:
            del fields[index]
        elif kind == 5:
            fields.insert(index, [number, wire, value])
        elif kind == 6:
            other, at = places[random.integers(len(places))]
            fields[index] = [number, other[at][1], _copied(other[at][2])]
        elif kind == 7:
            for _ in range(random.integers(2, 120)):  # recursion
                value, wire = [[number, wire, value]], 2
            fields[index] = [number, wire, value]
        else:
            size = len(_copied(value)) if wire == 2 else 8
            times = int(random.integers(2, max(3, min(2000, 10**6 // (size + 1)))))  # giant counts
            fields[index:index] = [[number, wire, _copied(value)] for _ in range(times)]
        if not tree:
            break
    return encode(tree)


def _copied(value):
    """A value that shares nothing with the tree it comes from."""
    return encode(value) if isinstance(value, list) else value


def _changed(wire, value, places, random):
    if wire == 0:
        return EXTREME[random.integers(len(EXTREME))] if random.random() < 0.8 else int(random.integers(2**31))
    if isinstance(value, list):
        other, at = places[random.integers(len(places))]
        return _copied(other[at][2]) if other[at][1] == 2 else value[: random.integers(len(value) + 1)]
    value = bytearray(value)
    if value.isascii() and random.random() < 0.5:  # a name: another one of the program
        names = [f[i][2] for f, i in places if f[i][1] == 2 and isinstance(f[i][2], bytes)]
        return names[random.integers(len(names))]
    if value and random.random() < 0.5:
        number = EXTREME[random.integers(len(EXTREME))] & 0xFFFFFFFF
        at = random.integers(len(value))
        value[at : at + 4] = struct.pack("<I", number)[: len(value) - at]
    elif value:
        value[random.integers(len(value))] = random.integers(256)
    return bytes(value)


def mutate_weights(weights, random):
    """A weight.bin with a record's number set to an extreme, or cut."""
    weights = bytearray(weights)
    kind = random.integers(3)
    if kind == 0:
        weights[int(random.integers(len(weights))) :] = b""
    else:
        at = int(random.integers(max(1, len(weights) // 8))) * 8
        weights[at : at + 8] = struct.pack("<Q", EXTREME[random.integers(len(EXTREME))] & (2**64 - 1))
    return bytes(weights)
