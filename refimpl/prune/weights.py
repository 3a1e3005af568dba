"""Single weights that go, of all linear layers: unstructured, by magnitude, at once or in rounds.

The shapes stay: the gain is in what a compressor stores, not in what is computed.
"""

from collections.abc import Iterator

import numpy as np

from ..errors import BadInput
from ..models import Model
from .choose import check_rate
from .plan import Plan
from .remove import masks, silenced, swinir_blocks


def linear_weights(model: Model) -> list[str]:
    """Names of the weights of every linear layer, in execution order; biases are not pruned.

    Raises
    ------
    BadInput
        When the network is no SwinIR.
    """
    layers = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")
    return [f"{path}.{layer}.weight" for path in swinir_blocks(model) for layer in layers]


def weight_masks(model: Model, rate: float, plan: Plan | None = None) -> dict[str, np.ndarray]:
    """Which weights stay when the smallest share of all linear layers together goes (L1).

    Parameters
    ----------
    model : Model
    rate : float
        Of all n weights round(rate n) go; of equal ones the first. Zeros are the smallest: what an earlier round took
        stays away and counts.
    plan : Plan, optional
        What is masked in the network: weights of its units go too and are not among the n, so that the same weights of
        the other units go as in the network from which it was removed.

    Returns
    -------
    dict of str to ndarray of bool
        By parameter; multiply by it after each training step.

    References
    ----------
    S. Han et al., "Learning both Weights and Connections for Efficient Neural Networks", NeurIPS 2015. arXiv:1506.02626

    Examples
    --------
    >>> from karat.refimpl.load import load
    >>> masks = weight_masks(load("zoo:swinir-small-x2"), 0.25)
    >>> sum((~mask).sum() for mask in masks.values()) / sum(mask.size for mask in masks.values())
    np.float64(0.25)
    """
    check_rate(rate)
    names = linear_weights(model)
    sizes = np.concatenate([np.abs(np.asarray(model.parameters[name])).ravel() for name in names])
    units = masks(model, plan) if plan else {}
    stay = np.concatenate([np.ravel(units.get(name, np.ones(model.parameters[name].shape, bool))) for name in names])
    left = np.flatnonzero(stay)
    stay[left[np.argsort(sizes[left], kind="stable")[: round(rate * len(left))]]] = False
    parts = np.split(stay, np.cumsum([model.parameters[name].size for name in names])[:-1])
    return {name: part.reshape(model.parameters[name].shape) for name, part in zip(names, parts, strict=True)}


def pruned(model: Model, rate: float, plan: Plan | None = None) -> Model:
    """The network with zeros instead of the smallest share of its linear weights, a masked plan's apart.

    Goes with everything else: removed heads and channels before or after, rounding to 16 bits afterwards.

    Examples
    --------
    >>> from karat.refimpl.load import load
    >>> model = pruned(load("zoo:swinir-small-x2"), 0.33)
    >>> bool(np.all(model.parameters["layers.0.residual_group.blocks.0.mlp.fc1.weight"]))
    False
    """
    return silenced(model, weight_masks(model, rate, plan))


def rounds(rate: float, count: int) -> Iterator[float]:
    """Iterative magnitude pruning: rates after each round, each taking the same share of the weights that are left.

    Between two rounds the network is trained with `weight_masks` held; without that, the last round alone gives the
    same network.

    Parameters
    ----------
    rate : float
        After the last round.
    count : int

    Yields
    ------
    float
        1 - (1 - rate)^(k / count) for round k = 1 .. count.

    References
    ----------
    J. Frankle, M. Carbin, "The Lottery Ticket Hypothesis", ICLR 2019, section 1. arXiv:1803.03635

    Examples
    --------
    >>> [round(rate, 4) for rate in rounds(0.75, 2)]
    [0.5, 0.75]
    """
    check_rate(rate)
    if count < 1:
        raise BadInput(f"{count} rounds were asked for, expected at least 1; ask for more")
    yield from (1 - (1 - rate) ** (k / count) for k in range(1, count))
    yield rate
