"""QuickSRNets and pictures whose float64 sums are exact in any order: tiles can be compared bit by bit."""

import numpy as np
from networks import FORMS

from karat.refimpl.models import quicksrnet


def dyadic_model(form, input_to_output, seed):
    """Weights are multiples of 1/8."""
    subpixel, unshuffle, average = FORMS[form]
    config = quicksrnet.Config(3, 1, subpixel, unshuffle, input_to_output, average)
    rng = np.random.default_rng(seed)
    shapes = quicksrnet.parameter_shapes(config).items()
    return quicksrnet.Model(quicksrnet, config, {name: rng.integers(-4, 5, shape) / 8 for name, shape in shapes})


def dyadic_picture(height, width, seed):
    """Pixels are multiples of 1/256."""
    return np.random.default_rng(seed).integers(0, 257, (1, 3, height, width)) / 256
