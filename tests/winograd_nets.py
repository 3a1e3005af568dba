"""How far a QuickSRNet of Winograd convolutions may be from the golden one."""

import numpy as np

from karat.refimpl.numerics.bounds import dot
from karat.refimpl.numerics.formats import FLOAT32
from karat.refimpl.numerics.winograd import winograd
from karat.refimpl.ops import average_pool, conv2d, pixel_shuffle, pixel_unshuffle


def net_error(model, x):
    """Bound of every output's error: what a layer makes, and what it inherits, |W| times its input's error.

    Clips do not enlarge an error; the golden values move the input by what was inherited.
    """
    config, trace = model.config, dict(model.trace(x))
    value, error = x, np.zeros_like(x)
    for i in range(config.layers + 1):
        weight, bias = (model.parameters[f"cnn.{2 * i}.{part}"] for part in ("weight", "bias"))
        made = winograd(np.abs(value) + error, weight, bias, FLOAT32)
        value, error = trace[f"cnn.{2 * i + 1}"], conv2d(error, np.abs(weight), padding=1) + made
    error = pixel_shuffle(last_error(model, x, value, error), config.subpixel)
    if config.average > 1:
        error = average_pool(error, config.average) + dot(4, 1.0, FLOAT32)
    return error


def last_error(model, x, value, error):
    """The sub-pixel convolution and the input's, which the kernels take as one."""
    weight, bias = model.parameters["conv_last.weight"], model.parameters["conv_last.bias"]
    squeezed = model.config.unshuffle > 1
    if squeezed:
        value, error = pixel_unshuffle(value, 2), pixel_unshuffle(error, 2)
    inherited = conv2d(error, np.abs(weight), padding=weight.shape[-1] // 2)
    anchor = model.parameters.get("anchor.net.weight", np.zeros((len(weight), 3, *([3, 3] if squeezed else [1, 1]))))
    bias = np.abs(bias) + np.abs(model.parameters.get("anchor.net.bias", 0 * bias))
    if squeezed:
        terms = weight[0].size + anchor[0].size + 2
        sums = conv2d(np.abs(value) + error, np.abs(weight), bias) + conv2d(np.abs(x), np.abs(anchor), None, 2, 1)
        return inherited + dot(terms, sums, FLOAT32)
    merged = np.concatenate([weight, np.pad(anchor, ((0, 0), (0, 0), (1, 1), (1, 1)))], 1)
    return inherited + winograd(np.concatenate([np.abs(value) + error, np.abs(x)], 1), merged, 2 * bias, FLOAT32)
