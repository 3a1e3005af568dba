"""Which units still compute something, and which are zero: masked already."""

import numpy as np

from ..models import Model
from .remove import swinir_blocks
from .scores import qkv_parts, unit_shape


def living(model: Model, kind: str = "heads") -> dict[str, np.ndarray]:
    """Units that are not masked: of heads, that proj reads with any weight; of channels, that have any number at all.

    Parameters
    ----------
    model : Model
    kind : {"heads", "queries", "values", "hidden"}

    Returns
    -------
    dict of str to ndarray of bool
        By block, of the shape of scores.

    Examples
    --------
    >>> from karat.refimpl.load import load
    >>> from karat.refimpl.prune import Cut, Plan, masked
    >>> path = "layers.0.residual_group.blocks.0"
    >>> living(masked(load("zoo:swinir-small-x2"), Plan({path: Cut(heads=(1,))})))[path]
    array([ True, False])
    """
    return {path: _of_block(model, kind, path, block) for path, block in swinir_blocks(model).items()}


def _of_block(model, kind, path, block):
    unit_shape(block, kind)  # refuses an unknown kind

    def rows(name):
        """Whether a row has anything, with its bias."""
        bias = model.parameters.get(f"{path}.{name}.bias", np.zeros(1))
        return np.any(model.parameters[f"{path}.{name}.weight"], 1) | (bias != 0)

    def columns(name):
        return np.any(model.parameters[f"{path}.{name}.weight"], 0)

    if kind == "hidden":
        return rows("mlp.fc1") | columns("mlp.fc2")
    if kind == "heads":
        return columns("attn.proj").reshape(block.heads, -1).any(1)
    queries, keys, values = qkv_parts(rows("attn.qkv"), block)
    return queries | keys if kind == "queries" else values | columns("attn.proj").reshape(values.shape)
