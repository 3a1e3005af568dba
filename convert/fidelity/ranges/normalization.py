"""Normalisations and softmax: whatever comes in, what goes out has a known size."""

import math

import numpy as np

from .bounds import Bounds, bounds
from .facts import Ball, Convex, Term, fresh
from .rounding import TINY, gamma
from .rules import rule


@rule("softmax")
def softmax(x, axis=-1):
    """[0, 1]: a term is never larger than the sum it is part of. Rows along the last axis sum to 1 up to rounding."""
    x, size, fact = bounds(x), bounds(x).shape[int(axis)], None
    if int(axis) % x.low.ndim == x.low.ndim - 1:
        slack = gamma(size + 8) + size * TINY
        fact = Convex(size, slack, fresh(x.shape))
    return Bounds(np.zeros(x.shape), np.ones(x.shape), fact)


@rule("layer_norm")
def layer_norm(x, axes=None, gamma=None, beta=None, epsilon=1e-5):
    """gamma z + beta with |z_i| <= sqrt(C - 1) and |z|_2 <= sqrt(C), and |z_i| <= |x_i - mean| / sqrt(epsilon)."""
    rank = x.low.ndim
    axes = tuple(int(a) % rank for a in np.ravel(axes)) if axes is not None else tuple(range(rank))
    shape = [size if axis in axes else 1 for axis, size in enumerate(x.shape)]
    low, high, length = _standardised(x, axes, float(epsilon))
    scale = bounds(np.ones(shape) if gamma is None else gamma)
    shift = bounds(np.zeros(shape) if beta is None else beta)
    fact = _ball(x.shape, scale, shift, length) if axes == (rank - 1,) else None
    scale, shift = (Bounds(v.low.reshape(shape), v.high.reshape(shape)) for v in (scale, shift))
    corners = [z * g for z in (low, high) for g in (scale.low, scale.high)]
    error = _gamma(6) * (np.maximum.reduce([np.abs(c) for c in corners]) + shift.magnitude) + TINY
    low, high = np.minimum.reduce(corners) + shift.low, np.maximum.reduce(corners) + shift.high
    return Bounds(low - error, high + error, fact)


_gamma = gamma  # layer_norm has a parameter of that name


def _standardised(x, axes, epsilon):
    """(low, high, length) of z. Its mean is zero only up to the rounding of the subtracted one."""
    count = math.prod(x.shape[axis] for axis in axes)
    largest = x.magnitude.max(axis=axes, keepdims=True)
    off = (_gamma(count + 8) * largest + TINY) / math.sqrt(epsilon) if epsilon > 0 else np.inf
    grow = 1 + _gamma(2 * count + 16)
    limit = np.minimum(math.sqrt(count), math.sqrt(count - 1) + off) * grow
    low, high = np.broadcast_to(-limit, x.shape), np.broadcast_to(limit, x.shape)
    if epsilon > 0:
        means = x.low.mean(axis=axes, keepdims=True), x.high.mean(axis=axes, keepdims=True)
        near = [(x.low - means[1]) / math.sqrt(epsilon), (x.high - means[0]) / math.sqrt(epsilon)]
        slack = (off + np.maximum(np.abs(near[0]), np.abs(near[1])) * (grow - 1)) * grow
        low, high = np.maximum(low, np.minimum(near[0], 0) - slack), np.minimum(high, np.maximum(near[1], 0) + slack)
    return low, high, math.sqrt(count) * grow


def _ball(shape, scale, shift, length):
    """gamma z + beta as a Ball."""
    error = scale.radius.ravel() * length + shift.radius.ravel() + TINY
    error = error + _gamma(6) * (scale.magnitude.ravel() * length + shift.magnitude.ravel())
    term = Term(np.diag(scale.centre.ravel()), length)
    return Ball((term,), shift.centre.ravel(), error, fresh(shape))


@rule("instance_norm")
def instance_norm(x, gamma=None, beta=None, epsilon=1e-5):
    """As layer_norm, over the spatial axes; gamma and beta per channel."""
    per_channel = [1, x.shape[1]] + [1] * (x.low.ndim - 2)
    low, high, _ = _standardised(x, tuple(range(2, x.low.ndim)), float(epsilon))
    return _affine(low, high, gamma, beta, per_channel)


@rule("batch_norm")
def batch_norm(x, mean, variance, gamma=None, beta=None, epsilon=1e-5):
    """An affine map per channel."""
    if any(isinstance(v, Bounds) for v in (mean, variance)):
        return None
    shape = [1, -1] + [1] * (x.low.ndim - 2)
    root = np.sqrt(np.asarray(variance, np.float64) + float(epsilon)).reshape(shape)
    mean = np.asarray(mean, np.float64).reshape(shape)
    error = _gamma(8) * (x.magnitude + np.abs(mean)) / root
    return _affine((x.low - mean) / root - error, (x.high - mean) / root + error, gamma, beta, shape)


def _affine(low, high, gamma, beta, shape):
    scale = bounds(np.ones(1) if gamma is None else gamma)
    shift = bounds(np.zeros(1) if beta is None else beta)
    shape = shape if gamma is not None else [1] * low.ndim
    corners = [side * g.reshape(shape) for side in (low, high) for g in (scale.low, scale.high)]
    shape = [1, -1] + [1] * (low.ndim - 2)
    error = _gamma(6) * (np.maximum.reduce([np.abs(c) for c in corners]) + shift.magnitude.reshape(shape)) + TINY
    low, high = (
        np.minimum.reduce(corners) + shift.low.reshape(shape),
        np.maximum.reduce(corners) + shift.high.reshape(shape),
    )
    return Bounds(low - error, high + error)


@rule("l2_norm")
def l2_norm(x, epsilon=1e-6):
    """No element of a vector is longer than the vector."""
    limit = np.full(x.shape, 1 + _gamma(math.prod(x.shape[-3:]) + 8))
    return Bounds(-limit, limit)
