"""Activations on affine grids."""

import numpy as np

from ....refimpl.errors import BadInput
from .compressed import along
from .registry import operator


@operator("quantize")
def quantize(input, scale, output_dtype, zero_point=None, axis=None):
    """round(input / scale) + zero_point, ties to even, held within the type: what is beyond becomes its end."""
    if output_dtype not in ("int8", "uint8"):
        raise BadInput(f"output_dtype is {output_dtype!r}, expected int8 or uint8")
    steps = np.rint(input / along(scale, input, axis))
    if zero_point is not None:
        steps = steps + along(zero_point, input, axis).astype(steps.dtype)
    ends = np.iinfo(output_dtype)
    return np.clip(np.nan_to_num(steps, nan=0.0), ends.min, ends.max).astype(output_dtype)


@operator("dequantize")
def dequantize(input, scale, zero_point=None, axis=None):
    """scale (input - zero_point)."""
    steps = input.astype(np.asarray(scale).dtype)
    if zero_point is not None:
        steps = steps - along(zero_point, input, axis).astype(steps.dtype)
    return along(scale, input, axis) * steps
