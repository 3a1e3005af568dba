"""Which units still compute something, and which are zero: masked already."""

import numpy as np

from ..models import Model
from .remove import swinir_blocks
from .scores import qkv_parts, unit_shape


def living(model: Model, kind: str = "heads") -> dict[str, np.ndarray]:
    """Units that are computed and read: what is masked is neither, and a unit without one of both adds nothing.

    A hidden channel needs a row of fc1 or its bias and a column of fc2, a value channel a row of qkv and a column of
    proj, a head one such value channel; a query channel itself, weights of its key channel, and a head that lives. (The
    bias of a key adds the same to the scores of all tokens, which softmax takes out again.)

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


def marked(scores: np.ndarray, alive: np.ndarray) -> np.ndarray:
    """Scores with infinity for the units that are gone, and for no others.

    Examples
    --------
    >>> np.isinf(marked(np.array([1.0, np.inf, 2.0]), np.array([True, True, False])))
    array([False, False,  True])
    """
    return np.where(alive, np.minimum(scores, np.finfo(np.float64).max), np.inf)


def _of_block(model, kind, path, block):
    unit_shape(block, kind)  # refuses an unknown kind

    def rows(name):
        """Whether a row has anything, with its bias."""
        bias = model.parameters.get(f"{path}.{name}.bias", np.zeros(1))
        return np.any(model.parameters[f"{path}.{name}.weight"], 1) | (bias != 0)

    def columns(name):
        return np.any(model.parameters[f"{path}.{name}.weight"], 0)

    if kind == "hidden":
        return rows("mlp.fc1") & columns("mlp.fc2")
    queries, _, values = qkv_parts(rows("attn.qkv"), block)
    _, keys, _ = qkv_parts(np.any(model.parameters[f"{path}.attn.qkv.weight"], 1), block)
    values = values & columns("attn.proj").reshape(values.shape)
    heads = values.any(1)
    return {"heads": heads, "values": values, "queries": queries & keys & heads[:, None]}[kind]
