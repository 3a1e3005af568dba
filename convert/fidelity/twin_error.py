"""How large rounding may be: the same network in PyTorch with the package's storage types and fp32 accumulation."""

from contextlib import contextmanager
from functools import partial
from queue import Queue
from threading import Thread

import numpy as np
import torch
from torch.nn import functional

from ..torch_models import twin
from ..torch_models.swin_blocks import Stepping
from .pair import MOVES

ENOUGH = 2**13  # different values that make a statistic: a smaller or flatter picture is helped by others
NEARBY = 16  # pictures that help it, at most; at least two do
AHEAD = 8  # values that the typed twin may be ahead of the exact one
NOT_EXPANSIVE = MOVES | {"relu1", "leaky_relu", "pixel_shuffle", "pixel_unshuffle", "average_pool", "add"}
_TORCH = {"float16": torch.float16, "float32": torch.float32}


def twin_errors(model, storage, x, entry):
    """Rounding error of a plain twin of the package, layer by layer.

    Every layer reads its input and weights rounded to its storage type, computes in float32 and rounds its output to
    the storage type: "fp16 storage, fp32 accumulation". The error is taken against the same module in float64 with the
    same (rounded) weights.

    In a float32 layer the error is that of one summation order out of many, and on a small or flat picture any layer's
    is a handful of numbers. There the largest error over a few pictures is taken that differ from ``x`` by at most
    2^-12.

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
        A layer without weights that makes no error larger has the floor of the layer before, others have none.
    """
    typed = _lowered(twin(model), storage)
    exact, floors = twin(model, torch.float64), {}
    hooks = _hook_floors(exact, storage, floors)
    largest = _errors(typed, exact, storage, storage, x, entry)
    for hook in hooks:
        hook.remove()
    count = _different(x)
    few = [layer for layer, dtype in storage.items() if dtype == "float32" or count < ENOUGH]
    rng = np.random.default_rng(0)
    for _ in range(min(max(ENOUGH // count, 2), NEARBY) if few else 0):
        near = x + rng.uniform(-(2.0**-12), 2.0**-12, x.shape)
        for layer, error in _errors(typed, exact, storage, few, near, entry).items():
            largest[layer] = tuple(map(max, largest[layer], error))
    floor, operators = (0.0, 0.0), model.layers
    for layer in storage:
        floor = floors.get(layer, floor if operators[layer] in NOT_EXPANSIVE else (0.0, 0.0))
        largest[layer] += floor
    return largest


def _different(x):
    """How many different values a layer may have: the different places of a picture, each seen with two neighbours."""
    places = np.concatenate([x[0, :, :-1, :-1], x[0, :, 1:, :-1], x[0, :, :-1, 1:]]).reshape(3 * x.shape[1], -1)
    return max(1, x.shape[1] * np.unique(places, axis=1).shape[1])


def _hook_floors(module, layers, floors):
    """Have the accumulation floor of every convolution and linear layer entered into ``floors``."""

    def enter(layer, m, inputs, output):
        size, weight, bias = inputs[0].abs(), m.weight.abs(), None if m.bias is None else m.bias.abs()
        if isinstance(m, torch.nn.Linear):
            sums = functional.linear(size, weight, bias)
        else:
            sums = functional.conv2d(size, weight, bias, m.stride, m.padding)
        sums *= (weight[0].numel() + 1) ** 0.5 * 2.0**-24
        floors[layer] = (float(sums.square().mean().sqrt()), float(sums.max()))

    modules = {layer: module.get_submodule(layer) for layer in layers if ":" not in layer}
    summing = {layer: m for layer, m in modules.items() if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear))}
    return [m.register_forward_hook(partial(enter, layer)) for layer, m in summing.items()]


def _errors(typed, exact, storage, wanted, x, entry):
    """(root mean square, maximum) of the difference of two twins, by wanted layer.

    They run side by side, the typed one a few layers ahead: all its values would not fit into the memory of a laptop.
    """
    picture = torch.from_numpy(np.array(x, np.float64))
    handed, errors, wanted = Queue(maxsize=AHEAD), {}, set(wanted)

    def store(layer, value):
        value = value.to(_TORCH[storage[layer]])
        if layer in wanted:
            handed.put((layer, value))
        return value.float()

    def run_typed():
        torch.set_num_threads(threads)
        try:
            with torch.no_grad(), _observed(typed, storage, store):
                typed(picture.to(_TORCH[entry]).float())
        finally:
            handed.put((None, None))  # nobody waits for what will not come

    def compare(layer, value):
        if layer in wanted:
            name, rounded = handed.get()
            if name != layer:
                raise RuntimeError(f"the twins went different ways: {name} and {layer}")
            error = (rounded - value).abs_()
            largest = float(error.max())
            finite = largest < torch.inf
            errors[layer] = (float(error.norm()) / error.numel() ** 0.5, largest) if finite else (torch.inf,) * 2
        return value

    before = torch.get_num_threads()
    threads = max(1, before // 2)  # for each: idle threads of one would spin in the way of the other's
    torch.set_num_threads(threads)
    try:
        Thread(target=run_typed, daemon=True).start()
        with torch.no_grad(), _observed(exact, storage, compare):
            exact(picture)
        handed.get()  # the other has ended
    finally:
        torch.set_num_threads(before)
    return errors


@torch.no_grad()
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


@contextmanager
def _observed(module, layers, see):
    """Call ``see(layer, value)`` with the value of every module and step; what it returns is used instead."""
    hooks = [
        module.get_submodule(layer).register_forward_hook(partial(_hook, see, layer))
        for layer in layers
        if ":" not in layer
    ]
    steppers = [child for child in module.modules() if isinstance(child, Stepping)]
    for child in steppers:
        child.recorder = see
    yield
    for child in steppers:
        child.recorder = None
    for hook in hooks:
        hook.remove()


def _hook(see, layer, module, inputs, output):
    return see(layer, output)
