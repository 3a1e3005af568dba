"""QuickSRNet: plain 3x3 convolutions clipped to [0, 1], and one sub-pixel convolution.

G. Berger et al., "QuickSRNet: Plain Single-Image Super-Resolution Architecture for Faster Inference on Mobile
Platforms", CVPR Workshops 2023. arXiv:2303.04336
"""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import BadInput
from ..ops import average_pool, conv2d, pixel_shuffle, pixel_unshuffle, relu1
from .model import Model
from .shapes import check_shapes

NAME = "quicksrnet"


@dataclass(frozen=True)
class Config:
    """Hyper-parameters of a QuickSRNet fX-mY.

    Attributes
    ----------
    features : int or tuple of int
        X, feature channels (small and medium 32, large 64); of every convolution but the last where they differ,
        because channels were removed. Read `widths`.
    layers : int
        Y, convolutions between the first and the last (small 2, medium 5, large 11).
    subpixel : int
        Factor of the closing pixel shuffle.
    unshuffle : int
        Factor of the pixel unshuffle before the 1x1 sub-pixel step: 2 in the x1.5 network, else 1.
    input_to_output : bool
        A learnt convolution of the input is added before the last clip.
    average : int
        Factor of an average pooling behind the network: 2 makes the x1.5 baseline of a x3 network, else 1.
    """

    features: int | tuple[int, ...]
    layers: int
    subpixel: int
    unshuffle: int = 1
    input_to_output: bool = False
    average: int = 1
    channels: ClassVar[int] = 3

    @property
    def widths(self) -> tuple[int, ...]:
        """Features behind ``cnn.0``, ``cnn.2`` and so on, of every network, even or not."""
        return self.features if isinstance(self.features, tuple) else (self.features,) * (self.layers + 1)

    @property
    def even(self) -> bool:
        """Whether the official constructor builds networks of this form: nothing was removed."""
        return not isinstance(self.features, tuple)

    @property
    def scale(self) -> float:
        """Output pixels per input pixel along one axis."""
        return self.subpixel / self.unshuffle / self.average

    @property
    def multiple_of(self) -> int:
        """What both sides of the input must be multiples of, so that nothing is cut off."""
        return self.unshuffle * self.average

    @property
    def radius(self) -> int:
        """How many input pixels away, along one axis, a pixel may lie that an output pixel depends on."""
        return self.layers + 2 + self.unshuffle + self.average


def recognises(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether the keys of a checkpoint are QuickSRNet's."""
    return "cnn.0.weight" in shapes and "conv_last.weight" in shapes


def derive(shapes: Mapping[str, tuple[int, ...]], average: int = 1) -> Config:
    """Read the configuration off the shapes of a checkpoint.

    Parameters
    ----------
    shapes : mapping of str to tuple
        By state_dict key; must satisfy `recognises`.
    average : int
        What no shape tells: 2 for the x3 network followed by 2x2 averaging.

    Returns
    -------
    Config

    Raises
    ------
    BadInput
        When the shapes belong to no QuickSRNet; the message names the first that does not fit.

    Examples
    --------
    >>> derive(parameter_shapes(Config(features=32, layers=5, subpixel=3)))
    Config(features=32, layers=5, subpixel=3, unshuffle=1, input_to_output=False, average=1)
    """
    last = shapes["conv_last.weight"]
    layers = sum(re.fullmatch(r"cnn\.\d+\.weight", key) is not None for key in shapes) - 1
    widths = tuple((shapes.get(f"cnn.{2 * i}.weight") or (0,))[0] for i in range(layers + 1))
    features = widths[0] if len(set(widths)) == 1 else widths
    subpixel = round((last[0] / 3) ** 0.5) if last else 0
    unshuffle = 2 if len(last) == 4 and last[2:] == (1, 1) else 1
    config = Config(features, layers, subpixel, unshuffle, "anchor.net.weight" in shapes, average)
    if average not in (1, 2) or (average == 2 and (subpixel, unshuffle) != (3, 1)):
        raise BadInput(
            f"average={average} was asked of a x{config.subpixel} network; it is 2 behind a x3 network, else 1"
        )
    check_shapes(shapes, parameter_shapes(config), "QuickSRNet")
    if min(widths) < 1:
        raise BadInput(f"cnn.{2 * widths.index(0)}.weight has no feature left, expected at least one; keep one")
    return config


def parameter_shapes(config: Config) -> dict[str, tuple[int, ...]]:
    """Shape of every parameter, by state_dict key."""
    widths, out = config.widths, 3 * config.subpixel**2
    side = 1 if config.unshuffle > 1 else 3
    before = (3, *widths)  # channels that each convolution reads
    weights = {f"cnn.{2 * i}": (width, before[i], 3, 3) for i, width in enumerate(widths)}
    weights["conv_last"] = (out, before[-1] * config.unshuffle**2, side, side)
    if config.input_to_output:
        weights["anchor.net"] = (out, 3, 3, 3) if config.unshuffle > 1 else (out, 3, 1, 1)
    shapes = {}
    for layer, shape in weights.items():
        shapes |= {f"{layer}.weight": shape, f"{layer}.bias": shape[:1]}
    return shapes


def idle(config: Config, size: tuple[int, int]) -> set[str]:
    """Layers that leave every picture as it is: none."""
    return set()


def layers(config: Config) -> dict[str, str]:
    """Operator of every layer, by layer name, in execution order."""
    names = {}
    for i in range(config.layers + 1):
        names |= {f"cnn.{2 * i}": "conv2d", f"cnn.{2 * i + 1}": "relu1"}
    if config.unshuffle > 1:
        names["space_to_depth"] = "pixel_unshuffle"
    names["conv_last"] = "conv2d"
    if config.input_to_output:
        names |= {"anchor.net": "conv2d", "add_op": "add"}
    names |= {"clip_output": "relu1", "depth_to_space": "pixel_shuffle"}
    if config.average > 1:
        names["average_pool"] = "average_pool"
    return names


def movements(config, parameters, size) -> dict[str, tuple]:
    """Layers that only move numbers: layer -> (the layer that it reads, from that layer's tensor to its own)."""
    found = {"depth_to_space": ("clip_output", lambda x: pixel_shuffle(x, config.subpixel))}
    if config.unshuffle > 1:
        found["space_to_depth"] = (f"cnn.{2 * config.layers + 1}", lambda x: pixel_unshuffle(x, config.unshuffle))
    return found


def operands(config) -> dict[str, tuple]:
    """What layers read of others but moved: nothing."""
    return {}


def expressions(config, parameters, size) -> dict[str, np.ndarray]:
    """QuickSRNet has no constants but its parameters and the clips' bounds, which are exact in every format."""
    return {}


def steps(config: Config, parameters: Mapping[str, np.ndarray], x: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """The forward pass, layer by layer (section 3.1; figure 2 of the paper).

    Parameters
    ----------
    config : Config
    parameters : mapping of str to ndarray
        In the dtype of x.
    x : ndarray, (N, 3, H, W)
        In [0, 1].

    Yields
    ------
    (str, ndarray)
        Layer name and tensor; the last one is the output, (N, 3, sH, sW).
    """

    def conv(name, image, stride=1):
        weight = parameters[f"{name}.weight"]
        return conv2d(image, weight, parameters[f"{name}.bias"], stride, padding=weight.shape[-1] // 2)

    y = x
    for i in range(config.layers + 1):
        yield f"cnn.{2 * i}", (y := conv(f"cnn.{2 * i}", y))  # (N, X, H, W)
        yield f"cnn.{2 * i + 1}", (y := relu1(y))
    if config.unshuffle > 1:
        yield "space_to_depth", (y := pixel_unshuffle(y, config.unshuffle))  # (N, 4X, H/2, W/2)
    yield "conv_last", (y := conv("conv_last", y))  # (N, 3 r^2, H/u, W/u)
    if config.input_to_output:
        yield "anchor.net", (anchor := conv("anchor.net", x, stride=config.unshuffle))
        yield "add_op", (y := y + anchor)
    yield "clip_output", (y := relu1(y))  # before the shuffle, as the released networks do
    yield "depth_to_space", (y := pixel_shuffle(y, config.subpixel))  # (N, 3, sH, sW)
    if config.average > 1:
        yield "average_pool", average_pool(y, config.average)


def identity(config: Config, noise=None) -> Model:
    """A network that upscales by nearest neighbour: the paper's starting point of training (section 3.2).

    Middle convolutions are W + I; the first adds the three input channels to features 0-2; the last adds feature
    floor(i / s^2) to output i (the paper prints round(i / s^2), which would reach a fourth channel). In the x1.5
    network output phase (p, q) of three takes phase (2p // 3, 2q // 3) of two. With an input-to-output convolution
    that one starts as the identity instead of the last.

    Parameters
    ----------
    config : Config
    noise : mapping of str to ndarray, optional
        Added to the identity, by state_dict key; zero by default.

    Returns
    -------
    Model
        float64 parameters.

    Examples
    --------
    >>> model = identity(Config(features=3, layers=2, subpixel=2))
    >>> model(np.array([0.0, 1.0, 0.5]).reshape(1, 3, 1, 1))[0, :, 0]
    array([[0. , 0. ],
           [1. , 1. ],
           [0.5, 0.5]])
    """
    if min(config.widths) < 3:
        raise BadInput(
            f"{min(config.widths)} features cannot carry three colours, expected at least 3; widen the network"
        )
    parameters = {key: np.zeros(shape) for key, shape in parameter_shapes(config).items()}
    for i in range(config.layers + 1):
        weight = parameters[f"cnn.{2 * i}.weight"]
        for channel in range(min(weight.shape[:2])):
            weight[channel, channel, 1, 1] = 1
    last = parameters["anchor.net.weight" if config.input_to_output else "conv_last.weight"]
    r, u = config.subpixel, config.unshuffle
    middle = last.shape[-1] // 2
    for row in range(len(last)):
        channel, p, q = row // r**2, row // r % r, row % r
        phase = (u * p // r) * u + u * q // r
        if config.input_to_output and u > 1:  # the anchor strides over pixels: a neighbour instead of a phase
            last[row, channel, middle + phase // u, middle + phase % u] = 1
        else:
            last[row, channel * u**2 + phase, middle, middle] = 1
    for key, value in (noise or {}).items():
        parameters[key] = parameters[key] + value
    return Model(sys.modules[__name__], config, parameters)
