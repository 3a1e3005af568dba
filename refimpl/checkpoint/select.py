"""Finds the weights in what a checkpoint holds: bare, or wrapped beside an epoch and an optimizer."""

from collections.abc import Mapping

from ..errors import BadInput
from .messages import save_again, shown

# Who comes first wins. BasicSR (SwinIR, Real-ESRGAN, RLFN) stores `params_ema`, the average it was evaluated with.
WRAPPERS = ("params_ema", "params", "state_dict", "model_state_dict", "model", "network", "net", "generator")
_PARALLEL = "module."  # torch.nn.DataParallel puts it before every name


def _tensors(value, is_tensor):
    return {name: item for name, item in value.items() if is_tensor(item)} if isinstance(value, Mapping) else {}


def _by_key(value, key, is_tensor):
    """The wrapper that the caller named."""
    found = _tensors(value.get(key), is_tensor)
    if not found:
        known = [name for name in value if isinstance(name, str) and _tensors(value[name], is_tensor)]
        names = ", ".join(map(shown, known[:5])) or "none"
        raise BadInput(f"no tensors lie under {shown(key)}, expected a key that holds some ({names}); choose one")
    return found


def _derived(value, is_tensor):
    """The first known wrapper, else the top level, else the only entry that holds tensors."""
    for name in WRAPPERS:
        if found := _tensors(value.get(name), is_tensor):
            return found
    if found := _tensors(value, is_tensor):
        return found
    candidates = {name: found for name in value if (found := _tensors(value[name], is_tensor))}
    if len(candidates) > 1:
        names = ", ".join(shown(name) for name in list(candidates)[:5])
        raise BadInput(f"tensors lie under {names}, expected one set of weights; choose with key=")
    if not candidates:
        keys = ", ".join(shown(name) for name in list(value)[:5]) or "no key at all"
        raise save_again(f"there are no tensors in it, only {keys}", "named tensors")
    return next(iter(candidates.values()))


def select_weights(value, is_tensor, key=None):
    """The named tensors of a checkpoint, in file order.

    Parameters
    ----------
    value : object
        What the file holds.
    is_tensor : function of an object
    key : str, optional
        The wrapper to read. By default the first of `WRAPPERS` that holds tensors, then the top level itself, then the
        only entry that holds any.

    Returns
    -------
    dict of str to tensor
        Anything else beside them is left out, and a ``module.`` that all names begin with is removed.

    Raises
    ------
    BadInput
        No tensors, or several sets to choose from.

    Examples
    --------
    >>> select_weights({"params": {"module.w": 1.5}, "epoch": 3}, lambda item: isinstance(item, float))
    {'w': 1.5}
    """
    if not isinstance(value, Mapping):
        raise save_again(f"it holds {shown(value)}", "a dict of named tensors")
    found = _derived(value, is_tensor) if key is None else _by_key(value, key, is_tensor)
    for name in found:
        if not isinstance(name, str):
            raise save_again(f"a tensor is named {shown(name)}", "text")
    if all(name.startswith(_PARALLEL) for name in found):
        return {name.removeprefix(_PARALLEL): tensor for name, tensor in found.items()}
    return found
