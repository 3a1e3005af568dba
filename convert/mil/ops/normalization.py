"""Normalisations. Means and variances are taken over centred values, as PyTorch does."""

import numpy as np

from ....refimpl.errors import BadInput
from .parameters import ints, like, work
from .registry import operator
from .rows import rowwise


@operator("layer_norm")
def layer_norm(x, axes=None, gamma=None, beta=None, epsilon=1e-5):
    """(x - mean) / sqrt(variance + epsilon) gamma + beta over ``axes``; gamma and beta have the shape of these axes."""
    axes = ints(axes) if axes is not None else range(x.ndim)
    if any(not -x.ndim <= a < x.ndim for a in axes):
        raise BadInput(f"axes {axes} do not exist in an input of shape {x.shape}")
    axes = tuple(a % x.ndim for a in axes)
    shape = [size if axis in axes else 1 for axis, size in enumerate(x.shape)]
    if axes == (x.ndim - 1,):  # as in every transformer: rows
        return rowwise(lambda rows: _scaled(_standard(rows, (-1,), epsilon), gamma, beta, [-1]), x)
    return _scaled(_standard(x, axes, epsilon), gamma, beta, shape)


@operator("instance_norm")
def instance_norm(x, gamma=None, beta=None, epsilon=1e-5):
    """As layer_norm, over the spatial axes of every image and channel; gamma and beta are per channel."""
    return _scaled(_standard(x, tuple(range(2, x.ndim)), epsilon), gamma, beta, _channels(x))


@operator("batch_norm")
def batch_norm(x, mean, variance, gamma=None, beta=None, epsilon=1e-5):
    """(x - mean) / sqrt(variance + epsilon) gamma + beta, everything stored per channel."""
    shape = _channels(x)
    root = np.sqrt(variance + like(epsilon, x)).reshape(shape)
    return _scaled((x - mean.reshape(shape)) / root, gamma, beta, shape)


@operator("l2_norm")
def l2_norm(x, epsilon=1e-6):
    """x over the root of its sum of squares, per last three axes."""
    total = np.sum(x * x, axis=(-3, -2, -1), keepdims=True)
    return x / np.sqrt(total + like(epsilon, x))


@operator("local_response_norm")
def local_response_norm(x, size, alpha=1e-4, beta=0.75, k=1.0):
    """x / (k + alpha / size * sum of squares)^beta, over ``size`` channels around each one.

    Of an even number one more lies before the channel than behind it; beyond the first and the last there are zeros,
    and ``size`` counts them.
    """
    size, channels = int(size), x.shape[1]
    if size < 1:
        raise BadInput(f"local_response_norm over {size} channels, expected at least 1")
    before, after = min(size // 2, channels), min((size - 1) // 2, channels)
    work(before + after + 1, x.size)
    squares = np.zeros((x.shape[0], channels + before + after, *x.shape[2:]), x.dtype)
    squares[:, before : before + channels] = x * x
    total = sum(squares[:, shift : shift + channels] for shift in range(before + after + 1))  # (N, C, *spatial)
    return x / (like(k, x) + like(alpha, x) * total / like(size, x)) ** like(beta, x)


def _channels(x):
    return [1, -1] + [1] * (x.ndim - 2)  # (1, C, 1, ...)


def _standard(x, axes, epsilon):
    """Mean 0 and variance 1 over ``axes``."""
    centred = x - np.mean(x, axis=axes, keepdims=True)
    variance = np.mean(centred * centred, axis=axes, keepdims=True)
    return centred / np.sqrt(variance + like(epsilon, x))


def _scaled(x, gamma, beta, shape):
    x = x if gamma is None else x * gamma.reshape(shape)
    return x if beta is None else x + beta.reshape(shape)
