"""Matrix products."""

import numpy as np

from .registry import operator


@operator("linear")
def linear(x, weight, bias=None):
    """x W^T + b, on the last axis: x is (..., I), weight (O, I)."""
    out = x.reshape(-1, x.shape[-1]) @ weight.T  # one product instead of one per batch: (..., O)
    if bias is not None:
        out += bias
    return out.reshape(*x.shape[:-1], len(weight))


@operator("matmul")
def matmul(x, y, transpose_x=False, transpose_y=False):
    """x y over the last two axes, the others broadcast; a vector is a row on the left, a column on the right."""
    x = np.swapaxes(x, -1, -2) if transpose_x and x.ndim > 1 else x
    y = np.swapaxes(y, -1, -2) if transpose_y and y.ndim > 1 else y
    return x @ y


@operator("einsum")
def einsum(values, equation):
    """Einstein's summation over two tensors."""
    return np.einsum(equation, *values, optimize=True)
