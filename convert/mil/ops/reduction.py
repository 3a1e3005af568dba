"""Reductions over axes."""

import numpy as np

from ....refimpl.errors import BadInput
from .parameters import ints
from .registry import operator


def _log_sum_exp(x, axis, keepdims):
    """log of the sum of e^x; the maximum is taken out first."""
    top = np.max(x, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    total = np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True)) + top
    return total if keepdims else np.squeeze(total, axis)


def _reduction(name, function, exact=False):
    """Register a reduction: no axes means all of them; a reduced axis stays with size 1 if keep_dims."""

    def reduce(x, axes=None, keep_dims=False):
        chosen = tuple(a % x.ndim for a in ints(axes)) if axes is not None else tuple(range(x.ndim))
        return function(x, axis=chosen, keepdims=bool(keep_dims))

    operator(name, exact=exact)(reduce)


_reduction("reduce_max", np.max, exact=True)
_reduction("reduce_min", np.min, exact=True)
_reduction("reduce_sum", np.sum)
_reduction("reduce_mean", np.mean)
_reduction("reduce_prod", np.prod)
_reduction("reduce_sum_square", lambda x, axis, keepdims: np.sum(x * x, axis=axis, keepdims=keepdims))
_reduction("reduce_l1_norm", lambda x, axis, keepdims: np.sum(np.abs(x), axis=axis, keepdims=keepdims))
_reduction("reduce_l2_norm", lambda x, axis, keepdims: np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims)))
_reduction("reduce_log_sum", lambda x, axis, keepdims: np.log(np.sum(x, axis=axis, keepdims=keepdims)))
_reduction("reduce_log_sum_exp", _log_sum_exp)


def _index_reduction(name, function):
    """Register the place of an extreme along one axis; the first one counts."""

    def reduce(x, axis=-1, keep_dims=False, output_dtype="int32"):
        if output_dtype.lower() not in ("int32", "uint16"):
            raise BadInput(f"output_dtype is {output_dtype!r}, expected int32 or uint16")
        return function(x, axis=int(axis), keepdims=bool(keep_dims)).astype(output_dtype.lower())

    operator(name, exact=True)(reduce)


_index_reduction("reduce_argmax", np.argmax)
_index_reduction("reduce_argmin", np.argmin)


@operator("cumsum")
def cumsum(x, axis=0, exclusive=False, reverse=False):
    """Sums of all up to each element along ``axis``, from the end if ``reverse``, without itself if ``exclusive``."""
    axis = range(x.ndim)[int(axis)]
    x = np.flip(x, axis) if reverse else x
    out = np.cumsum(x, axis, dtype=x.dtype)
    if exclusive:
        before = [slice(None)] * axis
        out = np.concatenate([np.zeros_like(out[(*before, slice(0, 1))]), out[(*before, slice(0, -1))]], axis)
    return np.flip(out, axis) if reverse else out
