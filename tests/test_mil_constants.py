"""Every constant of packages that coremltools writes, stored or compressed, against what its own loader reads."""

import numpy as np
import pytest

from karat.convert.mil import open_package
from karat.refimpl.errors import BadInput

pytestmark = pytest.mark.filterwarnings("ignore")
ct = pytest.importorskip("coremltools", reason="coremltools writes the packages; install karat[convert]")
from coremltools.converters.mil.frontend.milproto.load import load  # noqa: E402
from coremltools.converters.mil.mil import Builder as mb  # noqa: E402, N813
from coremltools.converters.mil.mil import types  # noqa: E402

RNG = np.random.default_rng(8)
DENSE = RNG.standard_normal((4, 6)).astype(np.float32)
SPARSE = np.where(RNG.random((4, 6)) < 0.4, DENSE, 0).astype(np.float16)
MASK = SPARSE != 0
EDGES = np.float16([[0.1], [6e-8], [65504], [-0.0]])


def narrow(high, shape, kind, low=0):
    """Random numbers of a type of fewer bits than a byte."""
    return RNG.integers(low, high, shape).astype(types.nptype_from_builtin(types.string_to_builtin(kind)))


def bits(mask):
    return mask.astype(types.nptype_from_builtin(types.uint1))


def palette(kind, groups=(1, 1), width=1):
    count = int(kind.removeprefix("uint"))
    lut = RNG.standard_normal((*groups, 2**count, width)).astype(np.float16)
    indices = narrow(2**count, (4, 6), kind)
    return mb.constexpr_lut_to_dense(indices=indices, lut=lut, vector_axis=1 if width > 1 else None)


def cut(x):
    return mb.slice_by_size(x=x, begin=[0, 0], size=[4, 6])


def dense(value):
    return lambda: mb.const(val=value)


def packed(numbers, count):
    stream = sum(int(number) << count * i for i, number in enumerate(np.ravel(numbers)))
    return np.frombuffer(stream.to_bytes((np.size(numbers) * count + 7) // 8, "little"), np.uint8)


def palette16(count):
    indices = packed(RNG.integers(0, 2**count, (4, 6)), count)
    lut = RNG.standard_normal(2**count).astype(np.float32)
    return mb.constexpr_lut_to_dense(indices=indices, lut=lut, shape=np.array([4, 6], np.uint32))


def affine16(kind, vector):
    size = (4,) if vector else ()
    ends = np.iinfo(kind)
    q, zero = (RNG.integers(ends.min, ends.max + 1, shape).astype(kind) for shape in ((4, 6), size))
    scale = RNG.standard_normal(size).astype(np.float16)
    return mb.constexpr_affine_dequantize(quantized_data=q, zero_point=zero, scale=scale, axis=0)


def sparse16():
    shape = np.array([4, 6], np.uint32)
    return mb.constexpr_sparse_to_dense(nonzero_data=SPARSE[MASK], mask=packed(MASK, 1), shape=shape)


def blockwise(kind, low, high, with_offset):
    scale = RNG.standard_normal((2, 3)).astype(np.float16)
    offset = narrow(high, (2, 3), kind, low) if with_offset else None
    return mb.constexpr_blockwise_shift_scale(data=narrow(high, (4, 6), kind, low), scale=scale, offset=offset)


def sparse_palette():
    indices = narrow(8, MASK.sum(), "uint3")
    lut = RNG.standard_normal((2, 1, 8, 1)).astype(np.float16)
    mask, numbers = mb.constexpr_lut_to_sparse(indices_mask=bits(MASK), indices_nonzero_data=indices, lut=lut)
    return mb.constexpr_sparse_to_dense(nonzero_data=numbers, mask=mask)


def sparse_blockwise():
    numbers, scale = narrow(8, MASK.sum(), "int4", -8), RNG.standard_normal((1, 6)).astype(np.float16)
    mask, numbers = mb.constexpr_sparse_blockwise_shift_scale(data_mask=bits(MASK), nonzero_data=numbers, scale=scale)
    return mb.constexpr_sparse_to_dense(nonzero_data=numbers, mask=mask)


PACKAGES = {
    "float32": (ct.target.iOS15, [dense(DENSE)]),
    "float16": (ct.target.iOS16, [dense(DENSE.astype(np.float16)), dense(EDGES)]),
    "palettes": (ct.target.iOS16, [lambda n=n: palette16(n) for n in (1, 2, 4, 6, 8)]),
    "affine": (ct.target.iOS16, [lambda k=k, v=v: affine16(k, v) for k in ("int8", "uint8") for v in (False, True)]),
    "sparse": (ct.target.iOS16, [sparse16]),
    "widened": (
        ct.target.iOS16,
        [lambda: mb.constexpr_cast(source_val=DENSE.astype(np.float16), output_dtype="fp32")],
    ),
    "narrow palettes": (
        ct.target.iOS18,
        [lambda n=n: palette(f"uint{n}") for n in (1, 2, 3, 4, 6, 8)] + [lambda: palette("uint2", (2, 3))],
    ),
    "vectors": (ct.target.iOS18, [lambda w=w: cut(palette("uint2", (2, 1), w)) for w in (2, 3)]),
    "blockwise": (
        ct.target.iOS18,
        [
            lambda k=k, o=o: blockwise(*k, o)
            for k in (("int4", -8, 8), ("uint4", 0, 16), ("int8", -128, 128), ("uint8", 0, 256))
            for o in (False, True)
        ],
    ),
    "sparse and narrow": (ct.target.iOS18, [sparse_palette, sparse_blockwise]),
    "int": (ct.target.iOS17, [lambda: mb.cast(x=RNG.integers(-9, 9, (4, 6)).astype(np.int32), dtype="fp32")]),
    "words and truths": (
        ct.target.iOS17,
        [
            lambda: mb.select(cond=DENSE > 0, a=DENSE, b=np.float32(2)),
            lambda: mb.gather(x=DENSE, indices=np.arange(6, dtype=np.uint16)[::-1].copy(), axis=1),
        ],
    ),
}


def written(name, folder):
    """A package that adds all constants of PACKAGES[name] to its input."""
    target, makers = PACKAGES[name]

    @mb.program(input_specs=[mb.TensorSpec(shape=(4, 6), dtype=types.fp32)], opset_version=target)
    def program(x):
        for make in makers:
            constant = make()
            constant = constant if constant.dtype == types.fp32 else mb.cast(x=constant, dtype="fp32")
            x = mb.add(x=x, y=constant)
        return x

    settings = {"convert_to": "mlprogram", "minimum_deployment_target": target, "skip_model_load": True}
    pipeline = ct.PassPipeline.EMPTY
    model = ct.convert(program, compute_precision=ct.precision.FLOAT32, pass_pipeline=pipeline, **settings)
    path = folder / "m.mlpackage"
    model.save(str(path))
    return path


def theirs(path):
    """(stored constants, what compressed ones decompress to) as coremltools loads them, by name."""
    spec = ct.utils.load_spec(str(path))
    weights = path / "Data/com.apple.CoreML/weights"
    operations = load(spec, spec.specificationVersion, str(weights)).functions["main"].operations
    stored, unpacked = {}, {}
    for op in operations:
        if op.op_type == "const":
            stored[op.outputs[0].name] = np.asarray(op.outputs[0].val)
        elif op.op_type.startswith("constexpr_"):
            values = op.materialized_val_inference()
            values = values if isinstance(values, tuple) else (values,)
            unpacked |= {out.name: np.asarray(v) for out, v in zip(op.outputs, values, strict=True)}
    return stored, unpacked


def bytes_of(array):
    return "text" if array.dtype.kind == "U" else array.dtype.name, array.shape, array.tobytes()


@pytest.mark.parametrize("name", PACKAGES)
def test_every_constant_is_bit_identical_to_coremltools(tmp_path, name):
    path = written(name, tmp_path)
    compare(open_package(path), *theirs(path), len(PACKAGES[name][1]))


@pytest.mark.parametrize("name", ["float16", "narrow palettes", "sparse and narrow"])
def test_one_flipped_bit_of_the_weights_is_noticed(tmp_path, name):
    path = written(name, tmp_path)
    expected = theirs(path)
    weights = path / "Data/com.apple.CoreML/weights/weight.bin"
    content = bytearray(weights.read_bytes())
    content[128] ^= 1  # the first number of the first constant
    weights.write_bytes(content)
    with pytest.raises((AssertionError, BadInput)):
        compare(open_package(path), *expected, 0)


def compare(ours, stored, unpacked, least):
    """Every constant, bit by bit."""
    assert unpacked.keys() == ours.compressed.keys()
    expected = {key: value for key, value in (stored | unpacked).items() if key in ours.constants}
    for key, value in expected.items():
        value = value.astype(ours.constants[key].dtype) if value.dtype.metadata else value  # narrow types of theirs
        assert bytes_of(ours.constants[key]) == bytes_of(value), key
    inline = set(ours.constants) - set(expected)
    assert all("." in key for key in inline), inline
    assert len(expected) >= least
    assert np.isfinite(ours.predict({"x": np.zeros((4, 6))})[ours.outputs[0].name]).all()
