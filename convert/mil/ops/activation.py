"""Activations."""

import numpy as np
from scipy.special import erf

from .parameters import like
from .registry import operator
from .rows import rowwise


def _per_channel(parameter, x):
    """A parameter per channel, ready for broadcasting over (N, C, ...)."""
    return like(parameter, x).reshape(-1, *[1] * (x.ndim - 2))  # (C, 1, ...)


def logistic(x):
    """1 / (1 + exp(-x)); exp never overflows."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


@operator("relu", exact=True)
def relu(x):
    """max(x, 0)."""
    return np.maximum(x, x.dtype.type(0))


@operator("relu6", exact=True)
def relu6(x):
    """min(max(x, 0), 6)."""
    return np.minimum(np.maximum(x, x.dtype.type(0)), x.dtype.type(6))


@operator("clamped_relu")
def clamped_relu(x, alpha, beta):
    """min(beta, x) above zero, min(beta, alpha x) below."""
    return np.minimum(like(beta, x), np.where(x >= 0, x, like(alpha, x) * x))


@operator("leaky_relu")
def leaky_relu(x, alpha=0.01):
    """x above zero, alpha x below."""
    return np.where(x >= 0, x, like(alpha, x) * x)


@operator("prelu")
def prelu(x, alpha):
    """x above zero, alpha x below, one alpha per channel (axis 1)."""
    return np.where(x >= 0, x, _per_channel(alpha, x) * x)


@operator("thresholded_relu")
def thresholded_relu(x, alpha=1.0):
    """x where x >= alpha, else 0."""
    return np.where(x >= like(alpha, x), x, x.dtype.type(0))


@operator("threshold")
def threshold(x, alpha):
    """max(x, alpha)."""
    return np.maximum(x, like(alpha, x))


@operator("elu")
def elu(x, alpha=1.0):
    """x above zero, alpha (e^x - 1) below."""
    return np.where(x > 0, x, like(alpha, x) * np.expm1(np.minimum(x, 0)))


@operator("sigmoid")
def sigmoid(x):
    """1 / (1 + e^-x)."""
    return logistic(x)


@operator("silu")
def silu(x):
    """x / (1 + e^-x)."""
    return x * logistic(x)


@operator("sigmoid_hard")
def sigmoid_hard(x, alpha=0.2, beta=0.5):
    """alpha x + beta, cut to [0, 1]."""
    return np.clip(like(alpha, x) * x + like(beta, x), 0, 1)


@operator("scaled_tanh")
def scaled_tanh(x, alpha=1.0, beta=1.0):
    """alpha tanh(beta x)."""
    return like(alpha, x) * np.tanh(like(beta, x) * x)


@operator("linear_activation")
def linear_activation(x, alpha, beta=0.0):
    """alpha x + beta."""
    return like(alpha, x) * x + like(beta, x)


@operator("softplus")
def softplus(x):
    """log(1 + e^x)."""
    return np.logaddexp(x, x.dtype.type(0))


@operator("softplus_parametric")
def softplus_parametric(x, alpha, beta):
    """alpha log(1 + e^(beta x)), one alpha and beta per channel (axis 1)."""
    return _per_channel(alpha, x) * np.logaddexp(_per_channel(beta, x) * x, x.dtype.type(0))


@operator("softsign")
def softsign(x):
    """x / (1 + |x|)."""
    return x / (1 + np.abs(x))


@operator("softmax")
def softmax(x, axis=-1):
    """e^x over its sum along ``axis``; the maximum is subtracted first, so a row of -inf gives NaN."""
    return np.moveaxis(rowwise(_softmax, np.moveaxis(x, int(axis), -1)), -1, int(axis))


def _softmax(rows):
    e = np.exp(rows - np.max(rows, axis=-1, keepdims=True))
    e /= np.sum(e, axis=-1, keepdims=True)
    return e


@operator("erf")
def erf_operator(x):
    """The error function."""
    return erf(x)
