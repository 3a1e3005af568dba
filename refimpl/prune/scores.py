"""How much every unit of a network matters: higher is more. One interface: (model, kind, ...) -> {block: scores}.

Kinds of units and shapes of their scores: ``heads`` (heads,), ``queries`` (heads, qk width; a query channel and its key
channel are one unit), ``values`` (heads, v width), ``hidden`` (hidden,).
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import count
from math import prod

import numpy as np

from ..errors import BadInput
from ..metrics import psnr
from ..models import Model
from ..models.swin_widths import Block
from .plan import UNITS, Cut, Plan
from .remove import masks, silenced, swinir_blocks

KINDS = ("heads", "queries", "values", "hidden")


def unit_shape(block: Block, kind: str) -> tuple[int, ...]:
    """Shape of the scores of a block's units.

    Examples
    --------
    >>> unit_shape(Block(6, 10, 8, 120), "values")
    (6, 8)
    """
    if kind not in KINDS:
        raise BadInput(f"there are no units called {kind!r}, expected one of {', '.join(KINDS)}; name one of them")
    heads = block.heads
    return {
        "heads": (heads,),
        "queries": (heads, block.qk_width),
        "values": (heads, block.v_width),
        "hidden": (block.hidden,),
    }[kind]


def check_scores(model: Model, kind: str, scores: Mapping[str, np.ndarray]) -> None:
    """Raise BadInput unless there is a number for every unit of every block."""
    for path, block in swinir_blocks(model).items():
        shape = unit_shape(block, kind)
        found = np.asarray(scores[path]).shape if path in scores else "nothing"
        if found != shape or np.isnan(scores[path]).any():
            reason = f"hold {found}" if found != shape else "are not numbers everywhere"
            raise BadInput(f"scores of {UNITS[kind]}s of {path} {reason}, expected shape {shape}; score this network")


def qkv_parts(value: np.ndarray, block: Block) -> list[np.ndarray]:
    """Rows of qkv as queries, keys and values of every head: three of (heads, width, ...).

    Examples
    --------
    >>> [part.tolist() for part in qkv_parts(np.arange(8), Block(2, 1, 2, 1))]
    [[[0], [1]], [[2], [3]], [[4, 5], [6, 7]]]
    """
    width = block.heads * block.qk_width
    return [part.reshape(block.heads, -1, *value.shape[1:]) for part in np.split(value, [width, 2 * width])]


def l1(model: Model, kind: str) -> dict[str, np.ndarray]:
    """Sum of the absolute weights in the rows that compute a unit: of a head its qkv rows, as in the study.

    Parameters
    ----------
    model : Model
    kind : str
        One of `KINDS`.

    Returns
    -------
    dict of str to ndarray of float64
        By block; raw, so that layers compare as their weights do. A unit of zeros has 0.

    References
    ----------
    H. Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017, section 3.1. arXiv:1608.08710

    Examples
    --------
    >>> from karat.refimpl.load import load
    >>> l1(load("zoo:swinir-small-x2"), "heads")["layers.0.residual_group.blocks.0"].shape
    (2,)
    """

    def of(path, block):
        def size(name):
            return np.abs(np.asarray(model.parameters[f"{path}.{name}.weight"], np.float64))

        if kind == "hidden":
            return size("mlp.fc1").sum(-1)
        q, k, v = (part.sum(-1) for part in qkv_parts(size("attn.qkv"), block))  # (heads, width)
        return {"heads": q.sum(-1) + k.sum(-1) + v.sum(-1), "queries": q + k, "values": v}[kind]

    return _scored(model, kind, of)


def taylor(model: Model, kind: str, gradients: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """How much the loss would change without a unit, to first order: |sum of gradient x weight where it is read|.

    A unit scaled by t enters the loss through the weights that read it, all scaled by t: the derivative at t = 1 is
    their sum of gradient x weight. Queries are scaled where they are computed, which is linear as well.

    Parameters
    ----------
    model : Model
    kind : str
        One of `KINDS`.
    gradients : mapping of str to ndarray
        Of the loss, by parameter: proj weights for heads and values, fc2 weights for hidden, qkv for queries.

    Returns
    -------
    dict of str to ndarray of float64

    References
    ----------
    P. Molchanov et al., "Importance Estimation for Neural Network Pruning", CVPR 2019, eq. 8. arXiv:1906.10771
    P. Michel et al., "Are Sixteen Heads Really Better than One?", NeurIPS 2019, eq. 2. arXiv:1905.10650

    Examples
    --------
    >>> from karat.refimpl.load import load
    >>> model = load("zoo:swinir-small-x2")
    >>> scores = taylor(model, "hidden", {name: np.ones_like(value) for name, value in model.parameters.items()})
    >>> scores["layers.0.residual_group.blocks.0"].shape
    (64,)
    """

    def of(path, block):
        def first_order(name):
            weight = np.asarray(model.parameters[f"{path}.{name}"], np.float64)
            gradient = gradients.get(f"{path}.{name}")
            if gradient is None or np.shape(gradient) != weight.shape:
                found = "nothing" if gradient is None else f"shape {np.shape(gradient)}"
                raise BadInput(
                    f"the gradients hold {found} for {path}.{name}, expected shape {weight.shape}; "
                    "differentiate the loss with respect to every parameter"
                )
            return np.asarray(gradient, np.float64) * weight

        if kind == "hidden":
            return np.abs(first_order("mlp.fc2.weight").sum(0))
        if kind == "queries":
            change = qkv_parts(first_order("attn.qkv.weight").sum(1), block)[0]
            biased = f"{path}.attn.qkv.bias" in model.parameters
            return np.abs(change + qkv_parts(first_order("attn.qkv.bias"), block)[0] if biased else change)
        change = first_order("attn.proj.weight").sum(0).reshape(block.heads, -1)  # (heads, v width)
        return np.abs(change if kind == "values" else change.sum(-1))

    return _scored(model, kind, of)


def sensitivity(
    model: Model, kind: str, pairs: Iterable[tuple[np.ndarray, np.ndarray]], progress=lambda done, total: None
) -> dict[str, np.ndarray]:
    """PSNR that is lost when the unit alone is masked, in dB: one run of the network per unit and picture.

    Parameters
    ----------
    model : Model
    kind : str
        One of `KINDS`.
    pairs : iterable of (ndarray, ndarray)
        Small and large pictures, (N, channels, H, W) and (N, channels, sH, sW) in [0, 1]; a border of s pixels does not
        count, and what the network gives is clipped to [0, 1].
    progress : callable
        Called with units done and units in all.

    Returns
    -------
    dict of str to ndarray of float64
        Mean over the pairs. Negative where the picture is better without the unit.

    Examples
    --------
    >>> from karat.refimpl.load import load
    >>> model = load("zoo:swinir-small-x2")
    >>> pairs = [(np.zeros((1, 3, 8, 8)), np.zeros((1, 3, 16, 16)))]
    >>> sensitivity(model, "heads", pairs)["layers.0.residual_group.blocks.0"].shape
    (2,)
    """
    pairs = list(pairs)
    if not pairs:
        raise BadInput("no pictures were given, expected pairs of a small and a large one; give at least one")

    def quality(network):
        border = int(network.scale)
        return np.mean([psnr(np.clip(network(small), 0, 1), large, border=border) for small, large in pairs])

    whole, done = quality(model), count()
    total = sum(prod(unit_shape(block, kind)) for block in swinir_blocks(model).values())

    def quality_without(path, unit):
        progress(next(done), total)
        return quality(silenced(model, masks(model, Plan({path: unit}))))

    def of(path, block):
        shape = unit_shape(block, kind)
        qualities = np.array([quality_without(path, unit) for unit in single_cuts(kind, shape)])
        lost = np.subtract(whole, qualities, out=np.zeros(len(qualities)), where=qualities != whole)  # inf - inf: none
        return lost.reshape(shape)

    return _scored(model, kind, of)


def single_cuts(kind: str, shape: tuple[int, ...]) -> list[Cut]:
    """One cut per unit, in the order of the scores' elements.

    Examples
    --------
    >>> single_cuts("values", (2, 1))
    [Cut(heads=(), queries=(), values=((0,), ()), hidden=()), Cut(heads=(), queries=(), values=((), (0,)), hidden=())]
    """
    if len(shape) == 1:
        return [replace(Cut(), **{kind: (unit,)}) for unit in range(shape[0])]
    heads, width = shape
    places = ((head, channel) for head in range(heads) for channel in range(width))
    return [replace(Cut(), **{kind: tuple((c,) if h == head else () for h in range(heads))}) for head, c in places]


def _scored(model, kind, of):
    blocks = swinir_blocks(model)
    for block in blocks.values():
        unit_shape(block, kind)  # refuses an unknown kind
    return {path: of(path, block) for path, block in blocks.items()}
