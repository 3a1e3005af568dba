"""Matrix products."""

import math

import numpy as np

from ....refimpl.errors import BadInput, UnsupportedOperator
from .parameters import work
from .registry import operator

EQUATIONS = ("chw,whr->chr", "nchw,nwhu->nchu")
LONGEST = 40  # letters of one that is shown


@operator("linear")
def linear(x, weight, bias=None):
    """x W^T + b, on the last axis: x is (..., I), weight (O, I)."""
    rows = math.prod(x.shape[:-1])  # NumPy finds no -1 beside an axis without elements
    out = x.reshape(rows, x.shape[-1]) @ weight.T  # one product instead of one per batch: (rows, O)
    if bias is not None:
        out = np.add(out, bias, out=out if np.can_cast(bias.dtype, out.dtype, "same_kind") else None)
    return out.reshape(*x.shape[:-1], len(weight))


@operator("matmul")
def matmul(x, y, transpose_x=False, transpose_y=False):
    """x y over the last two axes, the others broadcast; a vector is a row on the left, a column on the right."""
    x = np.swapaxes(x, -1, -2) if transpose_x and x.ndim > 1 else x
    y = np.swapaxes(y, -1, -2) if transpose_y and y.ndim > 1 else y
    if x.dtype.kind in "iu":  # without a library's help a product takes a hundred times as long
        work(1, 100 * x.size * (y.shape[-1] if y.ndim > 1 else 1))
    return x @ y


def _renamed(equation):
    """Letters as the places where they first occur."""
    return [equation.index(letter) for letter in equation]


@operator("einsum")
def einsum(values, equation):
    """Matrix products along axes -1 and -3 of two tensors; axes -2 and -4 are a batch, and broadcast.

    Core ML takes two equations, in any letters: "chw,whr->chr" and "nchw,nwhu->nchu".
    """
    letters = equation.replace(" ", "")
    if _renamed(letters[: 2 * LONGEST]) not in map(_renamed, EQUATIONS):
        shown = repr(equation[:LONGEST])
        raise UnsupportedOperator(f"einsum {shown} is not executed by karat; use one of {', '.join(EQUATIONS)}")
    x, y = values
    if x.ndim != y.ndim or x.ndim != letters.index(","):
        raise BadInput(f"{equation!r} does not fit {x.shape} and {y.shape}")
    # (..., C, H, W) and (..., W, H, R): H before the matrices
    return np.swapaxes(np.swapaxes(x, -2, -3) @ np.swapaxes(y, -2, -3), -2, -3)
