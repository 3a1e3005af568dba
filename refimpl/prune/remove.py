"""A plan carried out: the same network with zeros, or a smaller one.

Masked, whatever computes a unit and whatever reads it is zero; removed, it is gone. A unit that nothing reads adds
nothing, so both compute the same picture, up to the order of sums.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..errors import BadInput
from ..models import Model, swinir
from ..models.swin_widths import Block
from .plan import Cut, Plan, check


@dataclass(frozen=True)
class Stays:
    """Which units of a block stay: booleans."""

    heads: np.ndarray  # (heads,)
    queries: np.ndarray  # (heads, qk width)
    values: np.ndarray  # (heads, v width)
    hidden: np.ndarray  # (hidden,)


def stays(cut: Cut, block: Block) -> Stays:
    """Which units of a block stay; no channel of a head does that goes.

    Examples
    --------
    >>> stays(Cut(heads=(1,), values=((0,), ())), Block(2, 3, 3, 4)).values
    array([[False,  True,  True],
           [False, False, False]])
    """
    heads = ~np.isin(np.arange(block.heads), cut.heads)

    def channels(gone, width):
        per_head = [~np.isin(np.arange(width), one) for one in gone] or np.ones((block.heads, width), bool)
        return np.array(per_head) & heads[:, None]

    queries, values = channels(cut.queries, block.qk_width), channels(cut.values, block.v_width)
    return Stays(heads, queries, values, ~np.isin(np.arange(block.hidden), cut.hidden))


def axes(path: str, units: Stays) -> Iterator[tuple[str, int, np.ndarray]]:
    """Everything in a block that belongs to a unit: (parameter, axis, which of that axis stay).

    Parameters
    ----------
    path : str
        Of the block.
    units : Stays

    Examples
    --------
    >>> units = stays(Cut(heads=(1,)), Block(2, 3, 3, 4))
    >>> {name: int((~stay).sum()) for name, _, stay in axes("b", units)}  # what the head takes along
    {'b.attn.qkv.weight': 9, 'b.attn.qkv.bias': 9, 'b.attn.relative_position_bias_table': 1, \
'b.attn.proj.weight': 3, 'b.mlp.fc1.weight': 0, 'b.mlp.fc1.bias': 0, 'b.mlp.fc2.weight': 0}
    """
    rows = np.concatenate([units.queries.ravel(), units.queries.ravel(), units.values.ravel()])  # queries, keys, values
    yield f"{path}.attn.qkv.weight", 0, rows
    yield f"{path}.attn.qkv.bias", 0, rows
    yield f"{path}.attn.relative_position_bias_table", 1, units.heads
    yield f"{path}.attn.proj.weight", 1, units.values.ravel()
    yield f"{path}.mlp.fc1.weight", 0, units.hidden
    yield f"{path}.mlp.fc1.bias", 0, units.hidden
    yield f"{path}.mlp.fc2.weight", 1, units.hidden


def swinir_blocks(model: Model) -> dict[str, Block]:
    """Widths of every Swin block by path; raises BadInput where the network has none."""
    if model.architecture is not swinir:
        raise BadInput(
            f"a {model.architecture.NAME} has no Swin blocks, which hold all that is pruned, expected a SwinIR; "
            "give one"
        )
    return model.config.paths


def masks(model: Model, plan: Plan) -> dict[str, np.ndarray]:
    """What the plan leaves of every parameter that it touches: what training multiplies by after each step.

    Parameters
    ----------
    model : Model
    plan : Plan
        Any that names units of the network; `masked` and `removed` refuse those that leave nothing.

    Returns
    -------
    dict of str to ndarray of bool
        False where a number goes; of the shape of the parameter.
    """
    blocks, found = swinir_blocks(model), {}
    for path, cut in plan.cuts.items():
        for name, axis, stay in axes(path, stays(cut, blocks[path])):
            if name in model.parameters and not stay.all():  # qkv may have no bias
                value = model.parameters[name]
                along = stay.reshape([-1 if i == axis else 1 for i in range(value.ndim)])
                found[name] = np.broadcast_to(along, value.shape)
    return found


def silenced(model: Model, mask: Mapping[str, np.ndarray]) -> Model:
    """The same network with zeros where a mask is False."""
    zeros = {name: np.where(stay, model.parameters[name], 0) for name, stay in mask.items()}
    typed = {name: value.astype(model.parameters[name].dtype) for name, value in zeros.items()}
    return replace(model, parameters={**model.parameters, **typed})


def masked(model: Model, plan: Plan) -> Model:
    """The same network with zeros wherever a unit of the plan is computed or read.

    Parameters
    ----------
    model : Model
        A SwinIR.
    plan : Plan

    Returns
    -------
    Model

    Raises
    ------
    BadInput
        When the network has no such unit (any more), or a block would keep none.

    Examples
    --------
    >>> from karat.refimpl.load import load
    >>> model = load("zoo:swinir-small-x2")
    >>> path = "layers.0.residual_group.blocks.0"
    >>> table = masked(model, Plan({path: Cut(heads=(0,))})).parameters[f"{path}.attn.relative_position_bias_table"]
    >>> table.any(axis=0)
    array([False,  True])
    """
    check(plan, swinir_blocks(model))
    return silenced(model, masks(model, plan))


def removed(model: Model, plan: Plan) -> Model:
    """The smaller network that computes what the masked one does.

    Parameters
    ----------
    model : Model
        A SwinIR, masked or not.
    plan : Plan
        For every block, the heads that stay lose as many query channels each, and as many value channels each.

    Returns
    -------
    Model
        Its structure is read off its shapes. Where the width of a head changed, the scale that queries were trained
        with is stored as ``...attn:query.value`` of every block.

    Raises
    ------
    BadInput
        As `masked`, and when heads of a block would differ in width.

    Examples
    --------
    >>> from karat.refimpl.load import load
    >>> model = load("zoo:swinir-small-x2")
    >>> path = "layers.0.residual_group.blocks.0"
    >>> removed(model, Plan({path: Cut(heads=(0,), hidden=(3, 4))})).config.paths[path]
    Block(heads=1, qk_width=16, v_width=16, hidden=62)
    """
    blocks = swinir_blocks(model)
    check(plan, blocks)
    parameters = dict(model.parameters)
    for path, cut in plan.cuts.items():
        units = stays(cut, blocks[path])
        _check_even(path, units)
        for name, axis, stay in axes(path, units):
            if name in parameters and not stay.all():
                parameters[name] = np.compress(stay, parameters[name], axis)
    if any(any(map(len, (*cut.queries, *cut.values))) for cut in plan.cuts.values()):
        for path in blocks:  # the widths no more tell it, of any block of the group
            scale = swinir.query_scale(model.config, model.parameters, path)
            parameters[f"{path}.attn:query.value"] = np.asarray(scale, np.float64)
    return replace(model, config=_derived(model.config, parameters), parameters=parameters)


def _derived(config, parameters):
    """The configuration read off the shapes, with what no shape tells taken from the network as it was."""
    shapes = {name: value.shape for name, value in parameters.items()}
    given = (config.img_range, config.qk_scale, config.multiple_of_window, config.shifted)
    return swinir.derive(shapes, *given)


def _check_even(path, units):
    for kind in ("queries", "values"):
        widths = getattr(units, kind).sum(1)[units.heads]
        if len(set(widths)) > 1:
            raise BadInput(
                f"the heads of {path} would keep {', '.join(map(str, widths))} channels of their {kind}, expected as "
                "many in each; cut as many from each head"
            )
