"""Floating-point operations of a network, counted from the shapes of its parameters.

A multiplication and an addition are two. Linear layers, convolutions and the two products of attention are counted;
the rest (norms, softmax, GELU, sums) is a few percent. Convolutions count as direct ones, whatever an engine does.
"""

from math import prod

from ...refimpl.models import Model

KINDS = {"linear": "linear", "matmul": "attention", "conv2d": "convolution"}


def count_flops(model: Model, height, width, within=""):
    """Operations for one picture.

    Parameters
    ----------
    model : Model
        Layers may differ in width: every layer's own shape counts.
    height, width : int
        Of the input; a padded network computes on the padded picture, and that is counted.
    within : str
        Count only layers whose names begin so.

    Returns
    -------
    dict of str to int
        By kind: ``"linear"``, ``"attention"``, ``"convolution"``.

    Examples
    --------
    >>> from karat.refimpl.models import quicksrnet
    >>> model = quicksrnet.identity(quicksrnet.Config(features=32, layers=2, subpixel=2))
    >>> count_flops(model, 1, 1)["convolution"] == 2 * 9 * (3 * 32 + 2 * 32 * 32 + 32 * 12)
    True
    """
    shapes = {name: value.shape for name, value in model.parameters.items()}
    step = getattr(model.config, "multiple_of_window", 1)
    pixels = (height + -height % step) * (width + -width % step)
    totals = dict.fromkeys(KINDS.values(), 0)
    channels = model.config.channels
    for layer, operator in model.layers.items():
        counted, weight = layer.startswith(within), f"{layer}.weight"
        if operator == "upsample_nearest":
            pixels *= 4
        elif operator == "matmul":
            totals["attention"] += counted * 2 * pixels * model.config.window**2 * _inner_width(layer, shapes)
        elif operator == "linear":
            totals["linear"] += counted * 2 * pixels * prod(shapes[weight])
        elif operator == "conv2d":
            if layer != "anchor.net":  # it reads the picture and gives what the layer before it gives
                pixels = pixels * channels // shapes[weight][1]  # a pixel shuffle before it kept the number of values
            totals["convolution"] += counted * 2 * pixels * prod(shapes[weight])
            channels = shapes[weight][0]
    return totals


def _inner_width(layer, shapes):
    """Of all heads together that are left: of the queries for the scores, of the values for their weighted sum."""
    attention, _, step = layer.partition(":")
    values = shapes[f"{attention}.proj.weight"][1]
    return (shapes[f"{attention}.qkv.weight"][0] - values) // 2 if step == "scores" else values
