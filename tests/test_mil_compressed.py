"""Compressed constants and quantised activations against loops, and what packages make of them."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mil_programs import at_worst_one_sentence, model, operation, write_package

from karat.convert.mil import open_package
from karat.convert.mil.blob import decode
from karat.convert.mil.extract import extract
from karat.convert.mil.ops import OPERATORS
from karat.convert.mil.write import write_package as write
from karat.refimpl.errors import BadInput

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.lists(st.integers(1, 3), min_size=1, max_size=3)
FLOATS = st.sampled_from(["float16", "float32"])


def run(kind, **parameters):
    return OPERATORS[kind].function(**parameters)


def same(found, expected):
    expected = np.asarray(expected)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(found, expected)


def packed(numbers, bits):
    """Numbers as a stream of bits, the lowest first, in bytes."""
    stream = sum(int(number) << bits * i for i, number in enumerate(np.ravel(numbers)))
    return np.frombuffer(stream.to_bytes((np.size(numbers) * bits + 7) // 8, "little"), np.uint8)


def blocks(draw, counts):
    """The shape of a tensor of so many blocks along every axis."""
    return tuple(count * draw(st.integers(1, 3)) for count in counts)


@given(SEEDS, SIZES, FLOATS, st.sampled_from(["int8", "uint8"]), st.booleans(), st.booleans(), st.data())
def test_affine_weights(seed, shape, dtype, kind, vector, float_zero, data):
    rng, axis = np.random.default_rng(seed), data.draw(st.integers(-len(shape), len(shape) - 1), label="axis")
    size = (shape[axis],) if vector else ()
    q = rng.integers(np.iinfo(kind).min, np.iinfo(kind).max + 1, shape).astype(kind)
    scale = rng.standard_normal(size).astype(dtype)
    zero = rng.standard_normal(size).astype(np.float32) if float_zero else rng.choice(q.ravel(), size).astype(kind)
    expected = np.empty(shape, dtype)
    for place in np.ndindex(*shape):
        s, z = (p[place[axis]] if vector else p[()] for p in (scale, zero))
        expected[place] = (np.float32(q[place]) - np.float32(z)) * np.float32(s)
    same(run("constexpr_affine_dequantize", quantized_data=q, zero_point=zero, scale=scale, axis=axis), expected)


@given(SEEDS, SIZES, st.sampled_from([1, 2, 4, 6, 8]), st.sampled_from(["float16", "float32", "int8", "uint8"]))
def test_palettes_of_packed_indices(seed, shape, bits, dtype):
    rng = np.random.default_rng(seed)
    indices, lut = rng.integers(0, 2**bits, shape), rng.integers(-128, 128, 2**bits).astype(dtype)
    found = run("constexpr_lut_to_dense", indices=packed(indices, bits), lut=lut, shape=np.array(shape, np.uint32))
    same(found, lut[indices])


@given(SEEDS, SIZES, st.sampled_from(["float16", "float32", "int8"]))
def test_sparse_weights_of_packed_masks(seed, shape, dtype):
    rng = np.random.default_rng(seed)
    dense = rng.integers(-3, 4, shape).astype(dtype)
    numbers, mask = dense[dense != 0], packed(dense != 0, 1)
    same(run("constexpr_sparse_to_dense", nonzero_data=numbers, mask=mask, shape=np.array(shape, np.uint32)), dense)
    same(run("constexpr_sparse_to_dense", nonzero_data=numbers, mask=(dense != 0).astype(np.uint8)), dense)


def block_of(place, shape, counts):
    return tuple(i * count // size for i, size, count in zip(place, shape, counts, strict=True))


@given(SEEDS, SIZES, FLOATS, st.booleans(), st.data())
def test_grids_per_block(seed, counts, dtype, with_offset, data):
    rng, shape = np.random.default_rng(seed), blocks(data.draw, counts)
    q = rng.integers(-8, 8, shape).astype(np.int8)
    scale = rng.standard_normal(counts).astype(dtype)
    offset = rng.integers(-8, 8, counts).astype(np.int8) if with_offset else None
    expected = np.empty(shape, dtype)
    for place in np.ndindex(*shape):
        at = block_of(place, shape, counts)
        expected[place] = scale[at] * np.array(int(q[place]) - (int(offset[at]) if with_offset else 0), dtype)
    same(run("constexpr_blockwise_shift_scale", data=q, scale=scale, offset=offset), expected)
    mask = rng.integers(0, 2, shape).astype(np.uint8)
    parameters = {"data_mask": mask, "nonzero_data": q[mask != 0], "scale": scale, "offset": offset}
    again, numbers = run("constexpr_sparse_blockwise_shift_scale", **parameters)
    same(again, mask)
    same(numbers, expected[mask != 0])


def looked_up(indices, lut, axis):
    """Entry by entry: the vector of an index lies along ``axis``."""
    width = lut.shape[-1]
    shape = [size * (width if i == axis else 1) for i, size in enumerate(indices.shape)]
    out = np.empty(shape, lut.dtype)
    for place in np.ndindex(*indices.shape):
        table = lut[block_of(place, indices.shape, lut.shape[:-2])]
        for k in range(width):
            to = tuple(i * width + k if a == axis else i for a, i in enumerate(place))
            out[to] = table[indices[place], k]
    return out


@given(SEEDS, SIZES, st.integers(1, 3), st.sampled_from([1, 2, 3, 4, 6, 8]), st.data())
def test_palettes_per_block_and_of_vectors(seed, counts, width, bits, data):
    rng, shape = np.random.default_rng(seed), blocks(data.draw, counts)
    axis = data.draw(st.integers(-len(shape), len(shape) - 1), label="vector_axis")
    indices = rng.integers(0, 2**bits, shape).astype(np.uint8)
    lut = rng.standard_normal((*counts, 2**bits, width)).astype(np.float16)
    expected = looked_up(indices, lut, axis % len(shape))
    same(run("constexpr_lut_to_dense", indices=indices, lut=lut, vector_axis=np.int32(axis)), expected)
    mask = rng.integers(0, 2, shape).astype(np.uint8)
    parameters = {"indices_mask": mask, "indices_nonzero_data": indices[mask != 0], "lut": lut}
    wide, numbers = run("constexpr_lut_to_sparse", **parameters, vector_axis=np.int32(axis))
    same(wide, np.repeat(mask, width, axis))
    same(numbers, expected[np.repeat(mask, width, axis) != 0])


MUTANTS = {
    "vectors lie across": lambda: looked_up(INDICES, LUT[..., ::-1], 1),
    "along another axis": lambda: looked_up(INDICES, LUT, 0).reshape(2, 4),
    "palettes the other way round": lambda: looked_up(INDICES, LUT[::-1], 1),
}
INDICES = np.array([[0, 1], [1, 0]], np.uint8)
LUT = np.arange(8, dtype=np.float32).reshape(2, 1, 2, 2)


@pytest.mark.parametrize("name", MUTANTS)
def test_the_comparison_tells_wrong_palettes(name):
    found = run("constexpr_lut_to_dense", indices=INDICES, lut=LUT, vector_axis=1)
    same(found, looked_up(INDICES, LUT, 1))
    with pytest.raises(AssertionError):
        same(found, MUTANTS[name]())


@given(SEEDS, SIZES, FLOATS, st.sampled_from(["int8", "uint8"]), st.booleans(), st.data())
def test_quantised_activations(seed, shape, dtype, kind, per_channel, data):
    rng, ends = np.random.default_rng(seed), np.iinfo(kind)
    axis = data.draw(st.integers(-len(shape), len(shape) - 1), label="axis") if per_channel else None
    size = (shape[axis],) if per_channel else ()
    x = (rng.integers(-600, 600, shape) / 2).astype(dtype)  # every second one lies between two numbers
    scale = rng.choice([-2, 0.5, 1, 1, 2], size).astype(dtype)
    zero = rng.integers(ends.min, ends.max + 1, size).astype(kind) if data.draw(st.booleans(), label="zero") else None
    q, y = np.empty(shape, kind), np.empty(shape, dtype)
    for place in np.ndindex(*shape):
        at = place[axis] if per_channel else ()
        s, z = float(scale[at]), 0 if zero is None else int(zero[at])
        q[place] = min(max(round(float(x[place]) / s) + z, ends.min), ends.max)  # Python rounds half to even
        y[place] = s * (int(q[place]) - z)
    same(run("quantize", input=x, scale=scale, output_dtype=kind, zero_point=zero, axis=axis), q)
    same(run("dequantize", input=q, scale=scale, zero_point=zero, axis=axis), y)


def test_rounding_half_up_and_wrapping_would_be_noticed():
    x = np.array([0.5, 2.5, -0.5, 300.0, -300.0, np.inf, -np.inf], np.float32)
    found = run("quantize", input=x, scale=np.float32(1), output_dtype="int8")
    assert found.tolist() == [0, 2, 0, 127, -128, 127, -128]
    assert np.any(found[:3] != np.floor(x[:3] + 0.5))
    assert found[3] != np.array(300).astype(np.int8)


NINE = np.zeros(9, np.uint8)
REFUSED = {
    "numbers are given for": ("constexpr_sparse_to_dense", {"nonzero_data": np.ones(1), "mask": np.ones(3)}),
    "expected 2, 4, 16": (
        "constexpr_lut_to_dense",
        {"indices": NINE, "lut": np.ones(3), "shape": [2]},
    ),
    "bytes are given": ("constexpr_lut_to_dense", {"indices": NINE, "lut": np.ones(4), "shape": [4]}),
    "is beyond": ("constexpr_lut_to_dense", {"indices": NINE, "lut": np.ones(4), "shape": [2**40]}),
    "two more": ("constexpr_lut_to_dense", {"indices": INDICES, "lut": LUT[0]}),
    "no vector_axis": ("constexpr_lut_to_dense", {"indices": INDICES, "lut": LUT}),
    "expected one of 2 axes": ("constexpr_lut_to_dense", {"indices": INDICES, "lut": LUT, "vector_axis": 2}),
    "do not divide": ("constexpr_blockwise_shift_scale", {"data": INDICES, "scale": np.ones((1, 3))}),
    "expected the same": (
        "constexpr_blockwise_shift_scale",
        {"data": INDICES, "scale": np.ones((1, 2)), "offset": np.ones((2, 1))},
    ),
    "do not fit axis": ("dequantize", {"input": INDICES, "scale": np.ones(3), "axis": 1}),
    "output_dtype": ("quantize", {"input": np.ones(2), "scale": np.ones(()), "output_dtype": "int4"}),
}


@pytest.mark.parametrize("words", REFUSED)
def test_parameters_that_do_not_fit_are_one_sentence(words):
    kind, parameters = REFUSED[words]
    with pytest.raises(BadInput, match=words):
        run(kind, **parameters)


E4M3 = {0x00: 0.0, 0x01: 2.0**-9, 0x08: 2.0**-6, 0x38: 1.0, 0x7E: 448.0, 0xC0: -2.0, 0x80: -0.0}


def test_8_bit_floats():
    codes = np.arange(256, dtype=np.uint8)
    found = decode(bytes(E4M3), "float8_e4m3fn", len(E4M3))
    np.testing.assert_array_equal(found, np.array(list(E4M3.values()), np.float32))
    assert np.isnan(decode(codes.tobytes(), "float8_e4m3fn", 256)).nonzero()[0].tolist() == [0x7F, 0xFF]
    halves = np.array([struct.unpack("<e", bytes([0, code]))[0] for code in range(256)], np.float32)
    np.testing.assert_array_equal(decode(codes.tobytes(), "float8_e5m2", 256), halves)
    torch = pytest.importorskip("torch", reason="PyTorch has both types; install karat[test]")
    theirs = torch.from_numpy(codes.copy())
    for name in ("float8_e4m3fn", "float8_e5m2"):
        expected = theirs.view(getattr(torch, name)).float().numpy()
        np.testing.assert_array_equal(decode(codes.tobytes(), name, 256), expected)


def compressed_package(folder, half, shape):
    """x + halves that are stored compressed."""
    steps = [
        operation(
            "constexpr_cast", {"source_val": half, "output_dtype": np.array("fp32")}, [("c", "float32", half.shape)]
        ),
        operation("add", {"x": "x", "y": "c"}, [("y", "float32", shape)]),
    ]
    return write_package(folder / "p.mlpackage", model([("x", "float32", shape)], steps, ["y"]))


def test_decompressed_constants_are_constants(tmp_path):
    half = np.array([1.5, -2.25], np.float16)
    program = open_package(compressed_package(tmp_path, half, (2,)))
    assert [o.type for o in program.operations] == ["add"]
    found = program.constant_of(program.operations[0], "y")
    assert (found.name, found.dtype, found.value.tolist()) == ("c", "float32", [1.5, -2.25])
    assert program.compressed["c"].type == "constexpr_cast"
    with pytest.raises(ValueError, match="read-only"):
        found.value[0] = 1
    assert [r.op_type for r in program.trace({"x": [0, 0]})] == ["add"]
    assert program.predict({"x": [1, 1]})["y"].tolist() == [2.5, -1.25]


def test_weights_are_decompressed_once(tmp_path, monkeypatch):
    calls = []
    original = OPERATORS["constexpr_cast"]
    counted = type(original)(
        lambda **k: calls.append(1) or original.function(**k), True, original.parameters, original.required
    )
    monkeypatch.setitem(OPERATORS, "constexpr_cast", counted)
    program = open_package(compressed_package(tmp_path, np.array([1.5], np.float16), (1,)))
    for profile in ("fp32-accumulate", "float64", "fp32-accumulate"):
        program.predict({"x": [1]}, profile=profile)
    assert calls == [1]


def test_a_compressed_program_is_written_dense(tmp_path):
    program = open_package(compressed_package(tmp_path, np.array([1.5, 2.5], np.float16), (2,)))
    for number, part in enumerate((program, extract(program, ["y"]))):
        again = open_package(write(part, tmp_path / f"again{number}.mlpackage"))
        assert again.predict({"x": [1, 1]})["y"].tolist() == [2.5, 3.5]
        assert list(again.constants) == ["c"]


DAMAGED = {
    "which is no constant": {"source_val": "x", "output_dtype": np.array("fp32")},
    "lacks a parameter": {"source_val": np.array([1.5, 1], np.float16)},
    "declared is": {"source_val": np.array([1.5], np.float16), "output_dtype": np.array("fp32")},
    "widened to fp32 only": {"source_val": np.array([1.5, 1], np.float16), "output_dtype": np.array("fp64")},
}


@pytest.mark.parametrize("words", DAMAGED)
def test_damaged_compression_is_one_sentence(tmp_path, words):
    steps = [operation("constexpr_cast", DAMAGED[words], [("c", "float32", (2,))])]
    steps += [operation("add", {"x": "x", "y": "c"}, [("y", "float32", (2,))])]
    package = write_package(tmp_path / "p.mlpackage", model([("x", "float32", (2,))], steps, ["y"]))
    with pytest.raises(BadInput, match=words):
        open_package(package)


def test_an_unknown_compression_is_refused_when_it_runs(tmp_path):
    steps = [operation("constexpr_squeezed", {"data": np.float32(1)}, [("c", "float32", ())])]
    steps += [operation("add", {"x": "x", "y": "c"}, [("y", "float32", (2,))])]
    package = write_package(tmp_path / "p.mlpackage", model([("x", "float32", (2,))], steps, ["y"]))
    program = open_package(package)
    with pytest.raises(BadInput, match="constexpr_squeezed"):
        program.predict({"x": [1, 1]})


def chained():
    """Two operations that decompress, one on the other, and activations on a grid."""
    scale = np.array([[2, 3]], np.float16)
    parameters = {"nonzero_data": np.array([5, 7], np.float16), "mask": np.ones((1, 2), np.float16)}
    steps = [
        operation("constexpr_sparse_to_dense", parameters, [("d", "float16", (1, 2))]),
        operation("constexpr_blockwise_shift_scale", {"data": "d", "scale": scale}, [("c", "float16", (1, 2))]),
        operation("quantize", {"input": "x", "scale": np.float32(0.5), "output_dtype": np.array("int8")}, [INT]),
        operation("dequantize", {"input": "q", "scale": np.float32(0.5)}, [("y", "float32", (1, 2))]),
    ]
    return model([("x", "float32", (1, 2))], steps, ["y", "c"])


INT = ("q", "int32", (1, 2))  # the byte-built programs of these tests have no int8; the operator's result is widened


def test_quantising_is_computed_and_not_judged(tmp_path):
    program = open_package(write_package(tmp_path / "q.mlpackage", chained()))
    quantized, dequantized = program.trace({"x": [[0.3, -70.0]]})
    assert quantized.value.tolist() == [[1, -128]]
    assert quantized.bound is None  # one step more or less may be honest: the quotient is rounded before
    assert dequantized.value.tolist() == [[0.5, -64.0]]
    assert np.all(dequantized.local_error <= dequantized.bound)
    assert dequantized.correctly_rounded


@given(st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), min_size=1, max_size=4))
def test_damaged_bytes_are_at_worst_one_sentence(tmp_path_factory, changes):
    folder = tmp_path_factory.mktemp("damaged")
    message = bytearray(chained())
    for place, byte in changes:
        message[place % len(message)] = byte
    package = write_package(folder / "m.mlpackage", bytes(message))
    with at_worst_one_sentence():
        program = open_package(package)
        program.predict({"x": np.ones((1, 2), np.float32)})
