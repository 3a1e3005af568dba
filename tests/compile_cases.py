"""Networks on the kernels and their twins, for the tests."""

from contextlib import contextmanager

import numpy as np
import pytest
from kernel_cases import assert_no_worse, bfloat16_block
from swinir_networks import BASE, explicit, random_swinir

import karat
from karat.kernels.maps.winograd import WinogradConv
from karat.refimpl.load import load
from karat.refimpl.models import swin_blocks
from karat.refimpl.models import swinir as golden_swinir
from karat.refimpl.numerics.winograd import A, B, G, conv2d_winograd

PIXELS = 100


def random_network(arguments, seed=1):
    arguments = {"img_range": 1.0, "qk_scale": None} | arguments
    state = random_swinir(arguments, seed).float().state_dict()
    return load({name: value.numpy() for name, value in state.items()}, **explicit(arguments))


def form(seed=1, **arguments):
    """A network like `swinir_networks.BASE`."""
    arguments = {"upscale": 1, "upsampler": ""} | BASE | arguments
    return random_network(arguments | {"img_size": 2 * arguments["window_size"]}, seed)


def picture(model, size, seed=0, count=None):
    """Pictures of that size, by default as many as make an error more than luck."""
    count = min(-(-PIXELS // (size[0] * size[1])), 16) if count is None else count
    return np.random.default_rng(seed).random((count, model.config.channels, *size), np.float32)


def twin(model, x, fast):
    """In float32, with the blocks of bfloat16 and the convolutions by Winograd's algorithm that the network has."""
    with computing_as(fast):
        return model(x)


def conv_one_by_one(x, weight, bias):
    """The convolution with its products added to the bias one after the other, each sum rounded to the dtype of x.

    Libraries add many at a time: of hundreds of products their sums are several times as near to the exact ones, and
    would ask more of a kernel than its precision gives.
    """
    side, (height, width) = weight.shape[-1], x.shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), *[(side // 2, side // 2)] * 2)).astype(np.float64)
    y = np.broadcast_to(bias[:, None, None], (len(x), len(bias), height, width))  # (N, O, H, W)
    for channel in range(x.shape[1]):
        for left, top in np.ndindex(side, side):
            pixels = padded[:, channel, None, top : top + height, left : left + width]
            y = (y + weight[:, channel, top, left, None, None] * pixels).astype(x.dtype)
    return y


@contextmanager
def computing_as(fast):
    """Golden models compute as a compiled network's twin does."""
    network = fast._network

    def block(name, parameters, tokens, size, heads, window, shift, scale=None):
        own = {key.removeprefix(f"{name}."): value for key, value in parameters.items() if key.startswith(f"{name}.")}
        width = (len(own["attn.qkv.weight"]) - own["attn.proj.weight"].shape[1]) // (2 * heads)
        scale = parameters.get(f"{name}.attn:query.value", width**-0.5 if scale is None else scale)
        y = bfloat16_block(own, tokens, size, heads, window, shift, float(scale)).astype(tokens.dtype)
        yield name, y
        return y

    def conv(name, parameters, values):
        weight, bias = parameters[f"{name}.weight"], parameters[f"{name}.bias"]
        if network.convolutions[name] != WinogradConv.name:
            return conv_one_by_one(values, weight, bias)
        matrices = tuple(matrix.astype(values.dtype) for matrix in (A, B, G))
        return conv2d_winograd(values, weight, matrices) + bias[:, None, None]

    with pytest.MonkeyPatch.context() as patch:
        for module in (swin_blocks, golden_swinir):
            patch.setattr(module, "conv", conv)
        if fast.precision == "bfloat16":
            patch.setattr(swin_blocks, "swin_block", block)
        yield


def assert_right(model, x, precision="float32", threads=2):
    fast = karat.compile(model, precision, threads)
    y = fast(x)
    assert y.dtype == np.float32
    assert_no_worse(model(x.astype(np.float64)), twin(model, x, fast), y)
    return fast
