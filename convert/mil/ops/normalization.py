"""Normalisations. Means and variances are taken over centred values, as PyTorch does."""

import numpy as np

from .parameters import ints, like
from .registry import operator
from .rows import rowwise


@operator("layer_norm")
def layer_norm(x, axes=None, gamma=None, beta=None, epsilon=1e-5):
    """(x - mean) / sqrt(variance + epsilon) gamma + beta over ``axes``; gamma and beta have the shape of these axes."""
    axes = tuple(a % x.ndim for a in ints(axes)) if axes is not None else tuple(range(x.ndim))
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
