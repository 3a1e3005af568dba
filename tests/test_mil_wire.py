"""The protobuf reader: what it reads, and that nonsense is one sentence and nothing worse."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mil_programs import at_worst_one_sentence, field, model, operation, varint

from karat.convert.mil import wire
from karat.convert.mil.schema import TYPES
from karat.convert.mil.wire import message_type, read_message
from karat.refimpl.errors import BadInput

LETTER = {
    "Letter": message_type(
        _1="int number",
        _2="string text",
        _3="repeated Letter copies",
        _4="map Letter named",
        _5="repeated float floats",
        _6="repeated int ints",
        _7="bool flag",
        _8="uint size",
        _9="bytes raw",
        _10="repeated double doubles",
    )
}


def read(data):
    return read_message(data, "Letter", LETTER)


@given(st.integers(-(2**63), 2**63 - 1), st.text(max_size=9), st.integers(0, 2**64 - 1))
def test_numbers_and_text_come_back(number, text, size):
    letter = read(field(1, number) + field(2, text) + varint(8 << 3) + varint(size))
    assert (letter.number, letter.text, letter.size) == (number, text, size)


@given(st.lists(st.floats(width=32, allow_nan=False)), st.lists(st.integers(-(2**31), 2**31 - 1)), st.booleans())
def test_packed_numbers_are_those_given_one_by_one(floats, ints, packed):
    if packed:
        data = field(5, struct.pack(f"<{len(floats)}f", *floats)) + field(6, b"".join(map(varint, ints)))
    else:
        data = b"".join(varint(5 << 3 | 5) + struct.pack("<f", v) for v in floats)
        data += b"".join(field(6, v) for v in ints)
    letter = read(data)
    assert (letter.floats, letter.ints) == (floats, ints)


def test_absent_fields_have_their_defaults():
    letter = read(b"")
    assert (letter.number, letter.text, letter.copies, letter.named, letter.raw) == (0, "", [], {}, None)


@given(
    st.sampled_from([field(11, 5), field(11, "skip"), varint(11 << 3 | 1) + bytes(8), varint(11 << 3 | 5) + bytes(4)])
)
def test_unknown_fields_are_stepped_over(unknown):
    assert read(unknown + field(1, 3) + unknown).number == 3


def test_maps_keep_the_last_value_of_a_key():
    letter = read(field(4, field(1, "a") + field(2, field(1, 1))) + field(4, field(1, "a") + field(2, field(1, 2))))
    assert letter.named["a"].number == 2


@given(st.binary(max_size=200))
def test_random_bytes_are_a_letter_or_one_sentence(data):
    with at_worst_one_sentence():
        assert read(data).copies is not None


@given(st.data())
def test_every_cut_is_noticed_or_harmless(data):
    whole = field(1, 300) + field(2, "some text") + field(3, field(2, "copy")) + field(5, struct.pack("<3f", 1, 2, 3))
    cut = data.draw(st.integers(0, len(whole) - 1), label="cut at")
    ends_of_fields = {0, 3, 14, 22}
    if cut in ends_of_fields:
        read(whole[:cut])
    else:
        with pytest.raises(BadInput):
            read(whole[:cut])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (varint(3 << 3 | 2) + varint(2**40), "claims"),
        (varint(3 << 3 | 2) + varint(2**64 - 1), "claims"),
        (b"\x80" * 11, "no last byte"),
        (varint(1 << 3 | 3), "no protobuf field"),
        (b"\x00\x01", "no protobuf field"),
        (field(2, b"\xff\xfe"), "not UTF-8"),
        (field(1, "text for a number"), "wire type"),
        (varint(2 << 3) + varint(1), "wire type"),
        (field(5, b"123"), "packed"),
        (field(4, field(1, "key")), "no value"),
        (varint(4 << 3) + varint(1), "wire type"),
    ],
)
def test_nonsense_is_named(data, words):
    with pytest.raises(BadInput, match=words):
        read(data)


def test_depth_is_limited():
    data = b""
    for _ in range(wire.MAX_DEPTH):
        data = field(3, data)
    read(data)
    with pytest.raises(BadInput, match="nested"):
        read(field(3, data))


def test_deep_maps_are_limited_too():
    data = b""
    for _ in range(wire.MAX_DEPTH + 1):
        data = field(4, field(1, "k") + field(2, data))
    with pytest.raises(BadInput, match="nested"):
        read(data)


def test_the_number_of_fields_is_limited(monkeypatch):
    monkeypatch.setattr(wire, "MAX_FIELDS", 10)
    read(field(6, bytes(9)))
    with pytest.raises(BadInput, match="fields"):
        read(field(6, bytes(10)))
    with pytest.raises(BadInput, match="fields"):
        read(field(1, 1) * 11)


def test_a_program_is_read_as_declared():
    message = model(
        [("x", "float32", (1, None))], [operation("relu", {"x": "x"}, [("y", "float32", (1, None))])], ["y"]
    )
    read_back = read_message(message, "Model", TYPES)
    function = read_back.mlProgram.functions["main"]
    assert function.block_specializations["CoreML7"].operations[0].type == "relu"
    dimensions = function.inputs[0].type.tensorType.dimensions
    assert dimensions[0].constant.size == 1
    assert dimensions[1].constant is None
