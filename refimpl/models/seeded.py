"""Networks with weights from a formula: for benchmarks and documents until trained weights exist.

The formula needs no library's random numbers, so that the same network can be had anywhere: element i of the parameter
called NAME is ``2 (splitmix64(crc32(NAME) 2^32 + i) >> 11) / 2^53 - 1``, scaled as in `_scaled`.

G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014, figure 17.
doi:10.1145/2660193.2660195
"""

import zlib

import numpy as np

from . import quicksrnet, swinir
from .model import Model

_COMMON = {"channels": 3, "window": 8, "multiple_of_window": 8, "shifted": True}
_SMALL = {"embed_dim": 60, "depths": (6,) * 4, "num_heads": (6,) * 4, "hidden": 120}
_LARGE = {"embed_dim": 180, "depths": (6,) * 6, "num_heads": (6,) * 6, "hidden": 360}
CONFIGS = {
    "light-x2-test": swinir.Config(**_COMMON, **_SMALL, upsampler="pixelshuffledirect", upscale=2),
    "classical-x2-test": swinir.Config(**_COMMON, **_LARGE, upsampler="pixelshuffle", upscale=2),
    "real-x2-test": swinir.Config(**_COMMON, **_LARGE, upsampler="nearest+conv", upscale=2),
    "real-x4-test": swinir.Config(**_COMMON, **_LARGE, upsampler="nearest+conv", upscale=4),
    "quicksrnet-medium-x2-test": quicksrnet.Config(features=32, layers=5, subpixel=2),
}


def seeded_model(name):
    """The network of that name, with untrained weights from the formula.

    Parameters
    ----------
    name : str
        One of `CONFIGS`: SwinIR's official lightweight x2, classical x2, real-world x2 and real-world x4 forms, and
        the medium QuickSRNet x2.

    Returns
    -------
    Model
        float32; norms and biases are not what they start as, and activations are of natural size.

    Examples
    --------
    >>> model = seeded_model("light-x2-test")
    >>> sum(value.size for value in model.parameters.values())
    910152
    """
    config = CONFIGS[name]
    if isinstance(config, quicksrnet.Config):
        return _around_identity(config)
    shapes = swinir.parameter_shapes(config)
    return Model(swinir, config, {key: _scaled(key, shape) for key, shape in shapes.items()})


def _around_identity(config):
    """A QuickSRNet a little beside nearest-neighbour upscaling, so that its clips neither rest nor cut everything."""
    shapes = quicksrnet.parameter_shapes(config)
    noise = {key: (0.3 if len(shape) > 1 else 1) * _scaled(key, shape) for key, shape in shapes.items()}
    model = quicksrnet.identity(config, noise)
    return Model(quicksrnet, config, {key: value.astype(np.float32) for key, value in model.parameters.items()})


def uniform(name, count):
    """Elements 0 .. count - 1 of the formula: float64 in [-1, 1).

    Examples
    --------
    >>> uniform("conv_first.weight", 2).round(6)
    array([ 0.814266, -0.382397])
    """
    state = np.uint64(zlib.crc32(name.encode())) << np.uint64(32)
    z = state + np.arange(count, dtype=np.uint64)
    z = z + np.uint64(0x9E3779B97F4A7C15)  # all modulo 2^64
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return 2 * ((z >> np.uint64(11)) / 2.0**53) - 1


def _scaled(name, shape):
    """Weights keep the variance (bound sqrt(3 / fan in)); where a residual branch or the network ends, a fifth."""
    u = uniform(name, int(np.prod(shape))).reshape(shape)
    if name.endswith("relative_position_bias_table"):
        value = 0.5 * u
    elif len(shape) == 1:
        value = 0.05 * u + (1 if "norm" in name and name.endswith("weight") else 0)
    else:
        value = u * np.sqrt(3 / np.prod(shape[1:]))
        last = name == "conv_last.weight" or (name == "upsample.0.weight" and shape[0] < shape[1])
        closing = name.startswith("layers.") and any(part in name for part in (".attn.proj.", ".mlp.fc2.", ".conv."))
        value = 0.2 * value if last or closing else value
    return value.astype(np.float32)
