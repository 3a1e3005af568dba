"""Compressed weights: palettes, affine grids, sparse masks. What these operators give is constant (see decompress.py).

Up to iOS17 the packed bytes and the shape are parameters; since iOS18 the types are narrow and carry the shape.
"""

import math

import numpy as np

from ....refimpl.errors import BadInput, UnsupportedOperator
from ..blob import decode
from .parameters import ints, room
from .registry import operator


@operator("constexpr_affine_dequantize", exact=True)
def constexpr_affine_dequantize(quantized_data, zero_point, scale, axis):
    """scale (quantized_data - zero_point), both scalars or one number per entry of ``axis``; rounded once."""
    zero_point = along(zero_point, quantized_data, axis).astype(np.float32)
    product = (quantized_data.astype(np.float32) - zero_point) * along(scale, quantized_data, axis).astype(np.float32)
    return product.astype(scale.dtype)


@operator("constexpr_cast", exact=True)
def constexpr_cast(source_val, output_dtype):
    """float16 widened to float32."""
    if output_dtype != "fp32":
        raise UnsupportedOperator(f"constants are widened to fp32 only, not to {output_dtype!r}; export it again")
    return source_val.astype(np.float32)


@operator("constexpr_lut_to_dense", exact=True)
def constexpr_lut_to_dense(indices, lut, shape=None, vector_axis=None):
    """Entries of a palette: lut[index].

    With ``shape`` (iOS16) the indices are packed bytes of log2(palette) bits each. Without, lut is
    (groups of every axis..., palettes, V): blocks of the indices have a palette of their own, and its entries are
    vectors, laid out along ``vector_axis``.
    """
    if shape is not None:
        bits = (len(lut) - 1).bit_length()
        if lut.ndim != 1 or len(lut) not in (2, 4, 16, 64, 256):
            raise BadInput(f"the palette is {lut.shape}, expected 2, 4, 16, 64 or 256 entries")
        return lut[_packed(indices, bits, shape)]
    return _looked_up(indices, lut, vector_axis)


@operator("constexpr_sparse_to_dense", exact=True)
def constexpr_sparse_to_dense(nonzero_data, mask, shape=None):
    """The next number where the mask is set, and zero elsewhere; with ``shape`` (iOS16) the mask is packed bits."""
    return scatter(nonzero_data, mask if shape is None else _packed(mask, 1, shape))


@operator("constexpr_blockwise_shift_scale", exact=True)
def constexpr_blockwise_shift_scale(data, scale, offset=None):
    """scale (data - offset) in the type of scale; both hold one number per block, data.shape / scale.shape large."""
    shifted = data.astype(scale.dtype)
    if offset is not None:
        if offset.shape != scale.shape:
            raise BadInput(f"offset is {offset.shape} and scale {scale.shape}, expected the same")
        shifted = shifted - _spread(offset, data.shape)
    return (_spread(scale, data.shape) * shifted).astype(scale.dtype)


@operator("constexpr_lut_to_sparse", exact=True)
def constexpr_lut_to_sparse(indices_mask, indices_nonzero_data, lut, vector_axis=None):
    """(mask, numbers) of a sparse tensor whose numbers are entries of a palette."""
    dense = _looked_up(scatter(indices_nonzero_data, indices_mask), lut, vector_axis)
    mask = np.asarray(indices_mask)
    if lut.shape[-1] > 1 and vector_axis is not None:  # without an axis, _looked_up has refused
        mask = np.repeat(mask, lut.shape[-1], int(vector_axis))
    return mask, dense[mask != 0]


@operator("constexpr_sparse_blockwise_shift_scale", exact=True)
def constexpr_sparse_blockwise_shift_scale(data_mask, nonzero_data, scale, offset=None):
    """(mask, numbers) of a sparse tensor whose numbers lie on affine grids, one per block."""
    dense = constexpr_blockwise_shift_scale(scatter(nonzero_data, data_mask), scale, offset)
    return data_mask, dense[data_mask != 0]


def along(parameter, x, axis):
    """A scalar, or one number per entry of ``axis``, so that it broadcasts against x.

    Examples
    --------
    >>> along(np.ones(3), np.zeros((2, 3, 4)), 1).shape
    (1, 3, 1)
    """
    parameter = np.asarray(parameter)
    if parameter.ndim == 0:
        return parameter
    axis = 0 if axis is None else int(axis)
    if parameter.ndim > 1 or not -x.ndim <= axis < x.ndim or len(parameter) != x.shape[axis]:
        raise BadInput(f"{parameter.shape} numbers do not fit axis {axis} of {x.shape}")
    return parameter.reshape([-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])


def scatter(numbers, mask):
    """A tensor of the mask's shape: the numbers in order where it is set, zero elsewhere."""
    where = np.asarray(mask) != 0
    if numbers.shape != (np.count_nonzero(where),):
        raise BadInput(f"{numbers.shape} numbers are given for {np.count_nonzero(where)} set bits of a mask")
    dense = np.zeros(where.shape, numbers.dtype)
    dense[where] = numbers
    return dense


def _packed(data, bits, shape):
    """Numbers of ``bits`` bits out of bytes, in their shape."""
    shape = room(shape)
    count = math.prod(shape)
    if data.nbytes != (count * bits + 7) // 8:
        raise BadInput(f"{data.nbytes} bytes are given for {count} numbers of {bits} bits")
    return decode(data.tobytes(), f"uint{bits}", count).reshape(shape)


def _blocks(shape, counts):
    """How large a block is along every axis, where there are ``counts`` of them."""
    if len(shape) != len(counts) or any(count < 1 or size % count for size, count in zip(shape, counts, strict=True)):
        raise BadInput(f"blocks of {tuple(counts)} do not divide {tuple(shape)}")
    return [size // count for size, count in zip(shape, counts, strict=True)]


def _spread(parameter, shape):
    """One number per block, repeated over the block."""
    for axis, size in enumerate(_blocks(shape, parameter.shape)):
        parameter = np.repeat(parameter, size, axis) if size > 1 else parameter
    return parameter


def _looked_up(indices, lut, vector_axis):
    """Entries of the palette of every block, vectors along ``vector_axis``."""
    if lut.ndim != indices.ndim + 2:
        raise BadInput(f"the palette has {lut.ndim} axes, expected two more than the {indices.ndim} of the indices")
    groups, (palettes, width) = lut.shape[:-2], lut.shape[-2:]
    tables = np.arange(math.prod(groups)).reshape(groups)  # which palette a block has
    if width > 1 and vector_axis is None:
        raise BadInput(f"the palette holds vectors of {width}, and no vector_axis says where they lie")
    axis = int(vector_axis or 0)
    if not -indices.ndim <= axis < indices.ndim:
        raise BadInput(f"vector_axis is {axis}, expected one of {indices.ndim} axes")
    axis %= indices.ndim
    shape = room([size * (width if i == axis else 1) for i, size in enumerate(indices.shape)])
    entries = lut.reshape(-1, palettes, width)[_spread(tables, indices.shape), indices]  # (indices..., width)
    return np.moveaxis(entries, -1, axis + 1).reshape(ints(shape))
