"""Sorting. Equal elements stay in their order, also where the order is descending."""

import numpy as np

from ....refimpl.errors import BadInput
from .parameters import IOS17
from .registry import operator

INDEX_TYPES = ("int32", "uint16")


def order(x, axis, ascending):
    """Places of the sorted elements along ``axis``; NaN counts as the largest number.

    Examples
    --------
    >>> order(np.array([2, 7, 2, 7]), 0, False)
    array([1, 3, 0, 2])
    """
    if ascending:
        return np.argsort(x, axis=axis, kind="stable")
    # backwards twice: a sort that keeps the order of equal elements keeps it here too
    backwards = np.argsort(np.flip(x, axis), axis=axis, kind="stable")
    return x.shape[axis] - 1 - np.flip(backwards, axis)


@operator("argsort", exact=True)
def argsort(x, axis=-1, ascending=False):
    """Places of the elements along ``axis``, the largest first, or the smallest if ``ascending``."""
    return order(x, int(axis), bool(ascending)).astype(np.int32)


@operator("topk", exact=True)
def topk(x, k=1, axis=-1, ascending=False, sort=True, return_indices=True, output_indices_dtype="int32", opset=IOS17):
    """The k largest (smallest if ``ascending``) elements along ``axis``, and their places.

    All of them for k = -1 (iOS17). Without ``sort`` any order is allowed: they are sorted all the same.
    """
    k, axis = int(np.ravel(k)[0]), int(axis)
    if k == -1 and opset >= IOS17:
        k = x.shape[axis]
    if not 0 <= k <= x.shape[axis]:
        raise BadInput(f"{k} elements are asked for, the axis has {x.shape[axis]}")
    if output_indices_dtype not in INDEX_TYPES:
        raise BadInput(f"output_indices_dtype is {output_indices_dtype!r}, expected one of {', '.join(INDEX_TYPES)}")
    places = np.take(order(x, axis, bool(ascending)), np.arange(k), axis)
    values = np.take_along_axis(x, places, axis)
    return (values, places.astype(output_indices_dtype)) if return_indices else values
