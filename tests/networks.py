"""Random QuickSRNets of every form, for the tests."""

import numpy as np
from hypothesis import strategies as st

from karat.refimpl.models import quicksrnet

# (subpixel, unshuffle, average): x2, x3, x4, x1.5 and the x3-then-average baseline
FORMS = {"x2": (2, 1, 1), "x3": (3, 1, 1), "x4": (4, 1, 1), "x1.5": (3, 2, 1), "x3 averaged": (3, 1, 2)}


@st.composite
def configs(draw, form=None, input_to_output=None):
    """Config of a drawn form, or of the given one."""
    form = draw(st.sampled_from(sorted(FORMS)), label="form") if form is None else form
    input_to_output = draw(st.booleans(), label="input to output") if input_to_output is None else input_to_output
    subpixel, unshuffle, average = FORMS[form]
    features = draw(st.integers(3, 8), label="features")
    layers = draw(st.integers(0, 3), label="layers")
    return quicksrnet.Config(features, layers, subpixel, unshuffle, input_to_output, average)


def random_model(config, seed, dtype=np.float32):
    """Identity plus noise, so that the clips clip here and there and do not cut everything off."""
    rng = np.random.default_rng(seed)
    shapes = quicksrnet.parameter_shapes(config)
    noise = {name: rng.normal(0, 0.15 if len(shape) == 4 else 0.05, shape) for name, shape in shapes.items()}
    model = quicksrnet.identity(config, noise)
    return quicksrnet.Model(quicksrnet, config, {name: value.astype(dtype) for name, value in model.parameters.items()})


def random_picture(config, seed, blocks=(4, 5)):
    """A picture of ``blocks`` units of what the network's sides must be multiples of."""
    height, width = (n * config.multiple_of for n in blocks)
    return np.random.default_rng(seed).random((1, 3, height, width))
