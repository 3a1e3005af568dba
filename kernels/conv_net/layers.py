"""A QuickSRNet's parameters as the kernels read them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...refimpl.models.model import Model
from ..emit.winograd import pack, pack_matrices
from ..scratch import Scratch
from .records import CONVOLUTION, SQUEEZE

COLOURS = 3


@dataclass(frozen=True)
class Layer:
    """A convolution of a net.

    Attributes
    ----------
    kind : int
        CONVOLUTION (3x3) or SQUEEZE (1x1 over 2x2 pixels).
    channels, extra, outputs : int
        Channels of the layer before, of the picture where it is read too, and of the result.
    weights, bias : ndarray of float32
        Packed.
    """

    kind: int
    channels: int
    extra: int
    outputs: int
    weights: np.ndarray
    bias: np.ndarray


def layers_of(model: Model) -> list[Layer]:
    """The convolutions of a QuickSRNet, in order; widths are those of the parameters, layer by layer."""
    layers = []
    for i in range(sum(key.startswith("cnn.") and key.endswith(".weight") for key in model.parameters)):
        weight, bias = (np.asarray(model.parameters[f"cnn.{2 * i}.{part}"], np.float64) for part in ("weight", "bias"))
        outputs, channels = weight.shape[:2]
        layers.append(Layer(CONVOLUTION, channels, 0, outputs, pack(weight), bias.astype(np.float32)))
    return [*layers, last_layer(model)]


def last_layer(model: Model) -> Layer:
    """The sub-pixel convolution, and the convolution of the input that some networks add to it: one sum of products."""
    weight, bias = (np.asarray(model.parameters[f"conv_last.{part}"], np.float64) for part in ("weight", "bias"))
    anchor, extra = np.zeros((len(weight), 0, 1, 1)), 0
    if model.config.input_to_output:
        extra, anchor = COLOURS, np.asarray(model.parameters["anchor.net.weight"], np.float64)
        bias = bias + np.asarray(model.parameters["anchor.net.bias"], np.float64)
    if model.config.unshuffle == 1:
        centred = np.pad(anchor, ((0, 0), (0, 0), (1, 1), (1, 1)))  # a 1x1 kernel in the middle of a 3x3 one
        packed, channels, kind = pack(np.concatenate([weight, centred], 1)), weight.shape[1], CONVOLUTION
    else:
        matrix = np.concatenate([weight.reshape(len(weight), -1), anchor.reshape(len(weight), -1)], 1)  # (O, 4C + 27)
        packed, channels, kind = pack_matrices(matrix.T[None]), weight.shape[1] // 4, SQUEEZE
    return Layer(kind, channels, extra, len(weight), packed, bias.astype(np.float32))


def parameters_of(layers: Sequence[Layer]) -> Scratch:
    """All weights and biases in one piece of memory: ``weights0``, ``bias0``, ``weights1``, ..."""
    arrays = {f"{part}{i}": getattr(layer, part) for i, layer in enumerate(layers) for part in ("weights", "bias")}
    memory = Scratch({name: array.nbytes for name, array in arrays.items()})
    for name, array in arrays.items():
        memory.view(name, array.shape)[:] = array
    return memory
