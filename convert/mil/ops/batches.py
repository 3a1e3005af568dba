"""Blocks of pixels become batches, and back: TensorFlow's order, the place in the block outermost."""

import numpy as np

from ....refimpl.errors import BadInput
from .parameters import ints
from .registry import operator
from .windows import padded


@operator("space_to_batch", exact=True)
def space_to_batch(x, block_shape, paddings):
    """(N, C, H, W) -> (r s N, C, H / r, W / s): every r-th row and s-th column together, after padding with zeros."""
    x = padded(x, _pairs(paddings, "paddings"))
    (r, s), (n, c, h, w) = _block(block_shape), x.shape
    if h % r or w % s:
        raise BadInput(f"padded to {h} x {w}, which blocks of {r} x {s} do not divide")
    x = x.reshape(n, c, h // r, r, w // s, s)  # (N, C, H / r, row, W / s, column)
    return x.transpose(3, 5, 0, 1, 2, 4).reshape(r * s * n, c, h // r, w // s)


@operator("batch_to_space", exact=True)
def batch_to_space(x, block_shape, crops):
    """(r s N, C, H, W) -> (N, C, r H, s W) without the cropped border: the inverse of space_to_batch."""
    (r, s), (n, c, h, w) = _block(block_shape), x.shape
    if n % (r * s):
        raise BadInput(f"{n} batches are not a multiple of {r} x {s}")
    x = x.reshape(r, s, n // (r * s), c, h, w)  # (row, column, N, C, H, W)
    x = x.transpose(2, 3, 4, 0, 5, 1).reshape(n // (r * s), c, h * r, w * s)
    (top, bottom), (left, right) = _pairs(crops, "crops")
    if top + bottom > h * r or left + right > w * s:
        raise BadInput(f"crops {(top, bottom)} and {(left, right)} are beyond {h * r} x {w * s}")
    return x[:, :, top : h * r - bottom, left : w * s - right]


def _block(block_shape):
    block = ints(block_shape)
    if len(block) != 2 or min(block) < 1:
        raise BadInput(f"block_shape is {block}, expected two positive numbers")
    return block


def _pairs(values, name):
    pairs = np.asarray(values)
    if pairs.shape != (2, 2) or pairs.min() < 0:
        raise BadInput(f"{name} are {pairs.tolist()}, expected (before, after) for rows and for columns")
    return [ints(pair) for pair in pairs]
