"""How large rounding may be: the same network in PyTorch with the package's storage types and fp32 accumulation."""

import numpy as np
import torch

from ..torch_models import twin

NEARBY = 8  # pictures
_TORCH = {"float16": torch.float16, "float32": torch.float32}


def twin_errors(model, storage, x, entry):
    """Rounding error of a plain twin of the package, layer by layer.

    Every layer reads its input and weights rounded to its storage type, computes in float32 and rounds its output to
    the storage type: "fp16 storage, fp32 accumulation". The error is taken against the same module in float64 with the
    same (rounded) weights.

    In a float32 layer the error is that of one summation order out of many, and on a small or flat picture it is a
    handful of numbers. There the largest error over a few pictures is taken that differ from ``x`` in the last bits.

    Parameters
    ----------
    model : Model
        Carrying the package's constants.
    storage : dict of str to str
        Declared type of every layer's output, "float16" or "float32".
    x : ndarray, (N, C, H, W)
    entry : str
        Declared type of the package's input.

    Returns
    -------
    dict of str to (float, float)
        By layer: root mean square and maximum of the error; infinite where the twin overflowed.
    """
    largest = _errors(model, storage, x, entry)
    if "float32" in storage.values():
        rng = np.random.default_rng(0)
        for _ in range(NEARBY):
            near = x * (1 + rng.uniform(-(2.0**-20), 2.0**-20, x.shape))
            for layer, error in _errors(model, storage, near, entry).items():
                largest[layer] = tuple(map(max, largest[layer], error))
    return largest


def _errors(model, storage, x, entry):
    picture = torch.from_numpy(np.array(x, np.float64))
    with torch.no_grad():
        rounded = _record(_rounding(twin(model), storage), picture.to(_TORCH[entry]).float())
        errors = {}

        def against(layer, value):
            error = (rounded.pop(layer).double() - value).abs()
            error = error.nan_to_num(nan=torch.inf)
            errors[layer] = (float(error.square().mean().sqrt()), float(error.max()))

        exact = twin(model, torch.float64)
        for layer in storage:
            exact.get_submodule(layer).register_forward_hook(lambda m, i, out, layer=layer: against(layer, out))
        exact(picture)
    return errors


def _rounding(module, storage):
    """Round inputs and outputs of every layer to its storage type."""
    for layer, dtype in storage.items():
        to = _TORCH[dtype]

        def read(m, inputs, to=to):
            return tuple(value.to(to).float() for value in inputs)

        def store(m, inputs, output, to=to):
            return output.to(to).float()

        module.get_submodule(layer).register_forward_pre_hook(read)
        module.get_submodule(layer).register_forward_hook(store)
        for parameter in module.get_submodule(layer).parameters(recurse=False):
            parameter.copy_(parameter.to(to))
    return module


def _record(module, x):
    """Outputs of every module that has hooks, by module path."""
    outputs = {}
    for name, child in module.named_modules():
        if child._forward_hooks:
            child.register_forward_hook(lambda m, i, out, name=name: outputs.__setitem__(name, out))
    module(x)
    return outputs
