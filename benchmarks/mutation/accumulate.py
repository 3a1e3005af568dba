"""Sums as a device makes them that computes in a narrow format."""

import numpy as np


def sequential_half(function, arguments):
    """``conv``, ``linear`` or ``matmul`` with products and partial sums rounded to float16, one after the other."""
    terms, bias, shape = _terms(function.__name__, arguments)
    total = None
    for left, right in terms:
        product = (left * right).astype(np.float16)
        total = product if total is None else (total + product).astype(np.float16)
    total = total.reshape(shape)
    return total if bias is None else (total + bias.astype(np.float16)).astype(np.float16)


def in_bfloat16(function, arguments):
    """An operation whose floating operands are rounded to bfloat16 first."""
    return function(**{k: bfloat16(v) if k in ("x", "y", "weight") else v for k, v in arguments.items()})


def bfloat16(values):
    """Round to nearest even to the upper half of a float32.

    Examples
    --------
    >>> bfloat16(np.float32([1.001, 1.005]))
    array([1.       , 1.0078125], dtype=float32)
    """
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)).view(np.float32)


def _terms(kind, arguments):
    """((left, right) factor of every term of the sums, bias, shape of the result)."""
    x = arguments["x"]
    if kind == "linear":
        weight = arguments["weight"]  # (O, I)
        terms = ((x[..., i, None], weight[:, i]) for i in range(weight.shape[1]))
        return terms, arguments.get("bias"), (*x.shape[:-1], len(weight))
    if kind == "matmul":
        x = np.swapaxes(x, -1, -2) if arguments.get("transpose_x") else x
        y = np.swapaxes(arguments["y"], -1, -2) if arguments.get("transpose_y") else arguments["y"]
        terms = ((x[..., i, None], y[..., None, i, :]) for i in range(x.shape[-1]))
        return terms, None, (*np.broadcast_shapes(x.shape[:-2], y.shape[:-2]), x.shape[-2], y.shape[-1])
    weight, bias = arguments["weight"], arguments.get("bias")  # (O, C, h, w)
    windows = _windows(x, weight.shape[2:], arguments)  # (N, C, H, W, h, w)
    places = np.ndindex(*weight.shape[1:])
    terms = ((windows[:, None, c, :, :, i, j], weight[None, :, c, i, j, None, None]) for c, i, j in places)
    shape = (len(x), len(weight), *windows.shape[2:4])
    return terms, None if bias is None else bias[:, None, None], shape


def _windows(x, kernel, arguments):
    """What a convolution sees at every place: a view, (N, C, H, W, h, w)."""
    custom = str(arguments.get("pad_type", "valid")) == "custom"
    pad = np.reshape(arguments["pad"] if custom else np.zeros(4), (2, 2)).astype(int).tolist()
    strides = np.ravel(arguments.get("strides", (1, 1)))
    padded = np.pad(x, ((0, 0), (0, 0), *pad))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(2, 3))
    return windows[:, :, :: strides[0], :: strides[1]]
