"""Counting: parameters, zeros, bytes and FLOPs of a network, and what pruning takes of them.

Heads are counted in two ways. The study takes off the rows of qkv.weight that compute the head, and nothing else. As it
is, a head takes along its rows of qkv.weight and qkv.bias, its columns of proj.weight and of the bias table.

The study's real-world x2 table starts at 11,678,631 parameters; its first two pruned rows are misprints, the
architecture gives 11,095,431 and 10,512,231. Its last step of six leaves a network of six heads without attention: it
is counted here and marked, and is not built.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from ..models import Model, swinir
from ..models.swinir_config import factors
from .choose import check_rate, share
from .plan import Plan, check
from .remove import swinir_blocks
from .weights import linear_weights


@dataclass(frozen=True)
class Counts:
    """What a network is made of.

    Attributes
    ----------
    parameters, zeros : int
        Numbers in its parameters, buffers and stored scales apart, and how many of them are zero.
    bytes : int
        That the parameters take as they are stored.
    flops : int
        Of one picture; see `multiply_adds`.
    """

    parameters: int
    zeros: int
    bytes: int
    flops: int

    @property
    def sparsity(self) -> float:
        """Zeros in percent of all parameters."""
        return 100 * self.zeros / self.parameters


@dataclass(frozen=True)
class Pruned:
    """Parameters left by a step of pruning, as the study counts them and as it is.

    Attributes
    ----------
    step : int
    as_studied, as_is, whole : int
        Parameters left, and those of the network before.
    built : bool
        Whether such a network can be built: every layer keeps a head.
    """

    step: int
    as_studied: int
    as_is: int
    whole: int
    built: bool = True

    @property
    def sparsity_as_studied(self) -> float:
        """In percent of the network before."""
        return 100 * (1 - self.as_studied / self.whole)

    @property
    def sparsity_as_is(self) -> float:
        """In percent of the network before."""
        return 100 * (1 - self.as_is / self.whole)


def parameters(model: Model) -> int:
    """Numbers in all parameters, from the configuration alone.

    Examples
    --------
    >>> from karat.refimpl.models import swinir
    >>> from karat.refimpl.models.seeded import CONFIGS
    >>> parameters(Model(swinir, CONFIGS["light-x2-test"], {}))
    910152
    """
    return sum(map(prod, model.architecture.parameter_shapes(model.config).values()))


def counts(model: Model, size: tuple[int, int]) -> Counts:
    """All counts of a network for a picture of (H, W).

    Examples
    --------
    >>> from karat.refimpl.load import load
    >>> counts(load("zoo:quicksrnet-small-x2"), (64, 64))
    Counts(parameters=22860, zeros=0, bytes=91440, flops=186384384)
    """
    stored = sum(model.parameters[name].nbytes for name in model.architecture.parameter_shapes(model.config))
    return Counts(parameters(model), zeros(model), stored, 2 * sum(multiply_adds(model, size).values()))


def zeros(model: Model) -> int:
    """How many numbers in all parameters are zero."""
    values = [model.parameters[name] for name in model.architecture.parameter_shapes(model.config)]
    return sum(value.size - int(np.count_nonzero(value)) for value in values)


def multiply_adds(model: Model, size: tuple[int, int]) -> dict[str, int]:
    """Multiplications of weights or of attention, each with its addition, by layer; FLOPs are twice as many.

    Biases, norms, activations, softmax and other additions are left out, as the field does. Padding counts: the network
    computes it.

    Parameters
    ----------
    model : Model
        Its configuration is read only.
    size : tuple of int
        (H, W) of the picture.

    Returns
    -------
    dict of str to int
        For one picture; layers that multiply nothing are left out.

    Examples
    --------
    >>> from karat.refimpl.models import swinir
    >>> from karat.refimpl.models.seeded import CONFIGS
    >>> layers = multiply_adds(Model(swinir, CONFIGS["light-x2-test"], {}), (8, 8))
    >>> layers["conv_first"] == 64 * 3 * 60 * 9
    True
    """
    config, shapes = model.config, model.architecture.parameter_shapes(model.config)
    pixels, found = size[0] * size[1], {}
    for layer, operator in _layers(model).items():
        if operator in ("conv2d", "linear"):
            found[layer] = pixels * prod(shapes[f"{layer}.weight"])
        elif operator == "matmul":
            path, step = layer.split(".attn:")
            block = config.paths[path]
            width = block.qk_width if step == "scores" else block.v_width
            found[layer] = pixels * config.window**2 * block.heads * width
        elif operator == "reflect_pad":
            pixels = prod(n + -n % config.multiple_of_window for n in size)
        elif operator == "upsample_nearest":
            pixels *= 4
        elif operator == "pixel_unshuffle":
            pixels //= config.unshuffle**2
        elif operator == "pixel_shuffle" and layer.startswith("upsample.") and config.upsampler == "pixelshuffle":
            pixels *= factors(config.upscale)[int(layer.split(".")[1]) // 2] ** 2  # other shuffles close the network
    return found


def _layers(model):
    """Operators by layer, in execution order, of a thin network of the same build: they do not depend on widths."""
    if model.architecture is not swinir:
        return model.layers
    ones = (1,) * len(model.config.depths)
    return swinir.layers(replace(model.config, embed_dim=4, num_heads=ones, hidden=1, uneven=(), tail=()))


def without_heads(model: Model, gone: Mapping[str, int]) -> Model:
    """The network with so many heads less in the blocks given by path, for counting: it has no parameters.

    Where no head stays it can be counted and not run.
    """
    blocks = swinir_blocks(model).items()
    return _with_blocks(model, [replace(block, heads=block.heads - gone.get(path, 0)) for path, block in blocks])


def without_hidden(model: Model, rate: float) -> Model:
    """The network with this share of the hidden channels of every layer less, for counting: it has no parameters.

    Examples
    --------
    >>> from karat.refimpl.models import swinir
    >>> from karat.refimpl.models.seeded import CONFIGS
    >>> light = Model(swinir, CONFIGS["light-x2-test"], {})
    >>> parameters(light) - parameters(without_hidden(light, 0.5)) == 24 * 60 * (60 + 1 + 60)  # fc1, its bias, fc2
    True
    """
    check_rate(rate)
    blocks = swinir_blocks(model).values()
    return _with_blocks(model, [replace(block, hidden=block.hidden - share(rate, block.hidden)) for block in blocks])


def after_heads(model: Model, plan: Plan) -> Pruned:
    """Parameters left when the heads of a plan go; its channels are not looked at.

    Examples
    --------
    >>> from karat.refimpl.models import swinir
    >>> from karat.refimpl.models.seeded import CONFIGS
    >>> from karat.refimpl.prune import Cut, Plan
    >>> light = Model(swinir, CONFIGS["light-x2-test"], {})
    >>> left = after_heads(light, Plan({"layers.0.residual_group.blocks.0": Cut(heads=(3,))}))
    >>> left.whole - left.as_studied, left.whole - left.as_is  # 30 more of qkv.bias, 600 of proj, 225 of the table
    (1800, 2655)
    """
    check(plan, swinir_blocks(model))
    return _left(model, {path: len(cut.heads) for path, cut in plan.cuts.items()}, 1)


def head_steps(model: Model) -> list[Pruned]:
    """The study's table: one head of every layer at each step, from none to all of the layer that has fewest.

    Returns
    -------
    list of Pruned
        Step 0 is the whole network; the last leaves no attention and is not built.

    Examples
    --------
    >>> from karat.refimpl.models import swinir
    >>> from karat.refimpl.models.seeded import CONFIGS
    >>> rows = head_steps(Model(swinir, CONFIGS["light-x2-test"], {}))
    >>> [(row.as_studied, round(row.sparsity_as_studied, 2), row.built) for row in rows[::3]]
    [(910152, 0.0, True), (780552, 14.24, True), (650952, 28.48, False)]
    """
    blocks = swinir_blocks(model)
    fewest = min(block.heads for block in blocks.values())
    return [_left(model, dict.fromkeys(blocks, step), step) for step in range(fewest + 1)]


def unstructured(model: Model, rate: float) -> Pruned:
    """Parameters that are not zero after unstructured pruning of the linear layers.

    The study prunes linear layers only, and takes the rate off all parameters: round((1 - rate) parameters). As it is,
    round(rate n) of the n linear weights are zero.

    Examples
    --------
    >>> from karat.refimpl.models import swinir
    >>> from karat.refimpl.models.seeded import CONFIGS
    >>> left = unstructured(Model(swinir, CONFIGS["light-x2-test"], {}), 0.33)
    >>> left.as_studied, left.as_is
    (609802, 682056)
    """
    check_rate(rate)
    whole, shapes = parameters(model), model.architecture.parameter_shapes(model.config)
    linear = sum(prod(shapes[name]) for name in linear_weights(model))
    return Pruned(1, round((1 - rate) * whole), whole - round(rate * linear), whole)


def _with_blocks(model, blocks):
    rest = iter(blocks)
    uneven = tuple(tuple(next(rest) for _ in range(depth)) for depth in model.config.depths)
    return Model(model.architecture, replace(model.config, uneven=uneven), {})


def _left(model, gone, step):
    """Parameters left when so many heads of every block go."""
    blocks, whole = swinir_blocks(model), parameters(model)
    rows = (gone.get(path, 0) * block.qkv_rows // block.heads for path, block in blocks.items())
    studied = whole - sum(rows) * model.config.embed_dim
    built = all(gone.get(path, 0) < block.heads for path, block in blocks.items())
    return Pruned(step, studied, parameters(without_heads(model, gone)), whole, built)
