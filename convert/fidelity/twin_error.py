"""How large rounding may be: the same network in PyTorch with the package's storage types and fp32 accumulation."""

from functools import partial

import numpy as np
import torch

from ..torch_models import twin
from ..torch_models.swin_blocks import Stepping

NEARBY = 16  # pictures
LARGE = 30_000  # values; a picture of so many is statistics enough by itself
_TORCH = {"float16": torch.float16, "float32": torch.float32}


def twin_errors(model, storage, x, entry):
    """Rounding error of a plain twin of the package, layer by layer.

    Every layer reads its input and weights rounded to its storage type, computes in float32 and rounds its output to
    the storage type: "fp16 storage, fp32 accumulation". The error is taken against the same module in float64 with the
    same (rounded) weights.

    In a float32 layer the error is that of one summation order out of many, and on a small or flat picture it is a
    handful of numbers. There the largest error over a few pictures is taken that differ from ``x`` by at most 2^-12.

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
    dict of str to (float, float, float, float)
        By layer: root mean square and maximum of the error, infinite where the twin overflowed; and of the accumulation
        floor, ``sqrt(n) u (|W| |x| + |b|)`` with n terms and u of float32, which holds for any order of summation with
        high probability (N. Higham, T. Mary, SIAM J. Sci. Comput. 41(5), 2019, theorem 3.1. doi:10.1137/18M1226312).
        Layers without a sum have that of the layer before: none of them makes an error larger.
    """
    largest = _errors(model, storage, x, entry)
    if "float32" in storage.values():
        rng = np.random.default_rng(0)
        for _ in range(NEARBY if x.size < LARGE else 2):
            near = x + rng.uniform(-(2.0**-12), 2.0**-12, x.shape)
            for layer, error in _errors(model, storage, near, entry).items():
                largest[layer] = tuple(map(max, largest[layer], error))
    floors, floor = _accumulation(model, storage, x), (0.0, 0.0)
    for layer in storage:
        floor = floors.get(layer, floor)
        largest[layer] += floor
    return largest


def _accumulation(model, storage, x):
    """Root mean square and maximum of the accumulation floor of every convolution."""
    floors = {}

    def bound(layer, module, inputs, output):
        weight, bias = module.weight.abs(), module.bias.abs()
        sums = torch.nn.functional.conv2d(inputs[0].abs(), weight, bias, module.stride, module.padding)
        sums *= (weight[0].numel() + 1) ** 0.5 * 2.0**-24
        floors[layer] = (float(sums.square().mean().sqrt()), float(sums.max()))

    exact = twin(model, torch.float64)
    for layer in storage:
        if ":" not in layer and isinstance(exact.get_submodule(layer), torch.nn.Conv2d):
            exact.get_submodule(layer).register_forward_hook(partial(bound, layer))
    with torch.no_grad():
        exact(torch.from_numpy(np.array(x, np.float64)))
    return floors


def _errors(model, storage, x, entry):
    picture = torch.from_numpy(np.array(x, np.float64))
    rounded, errors = {}, {}

    def store(layer, value):
        rounded[layer] = value.to(_TORCH[storage[layer]])
        return rounded[layer].float()

    def compare(layer, value):
        error = (rounded.pop(layer).double() - value).abs().nan_to_num(nan=torch.inf)
        errors[layer] = (float(error.square().mean().sqrt()), float(error.max()))
        return value

    with torch.no_grad():
        _observe(_lowered(twin(model), storage), storage, store)(picture.to(_TORCH[entry]).float())
        _observe(twin(model, torch.float64), storage, compare)(picture)
    return errors


def _lowered(module, storage):
    """Round the parameters and the inputs of every layer that is a module to its storage type."""
    for layer in [layer for layer in storage if ":" not in layer]:
        to = _TORCH[storage[layer]]

        def read(m, inputs, to=to):
            return tuple(value.to(to).float() if isinstance(value, torch.Tensor) else value for value in inputs)

        module.get_submodule(layer).register_forward_pre_hook(read)
        for parameter in module.get_submodule(layer).parameters(recurse=False):
            parameter.copy_(parameter.to(to))
    return module


def _observe(module, layers, see):
    """Call ``see(layer, value)`` with the value of every module and step; what it returns is used instead."""
    for layer in [layer for layer in layers if ":" not in layer]:
        hook = partial(_hook, see, layer)
        module.get_submodule(layer).register_forward_hook(hook)
    for child in module.modules():
        if isinstance(child, Stepping):
            child.recorder = see
    return module


def _hook(see, layer, module, inputs, output):
    return see(layer, output)
