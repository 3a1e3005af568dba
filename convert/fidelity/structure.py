"""Is it the same network? The package in float64 against the golden model in float64, layer by layer."""

from collections.abc import Iterator

import numpy as np

from ..mil.record import OpRecord

TOLERANCE = 1e-10  # float64 roundoff 1e-16 times the condition of a network; a wrong constant or axis is far above


def lockstep(models, program, pairs, x, profile="float64") -> Iterator[tuple[str, tuple[np.ndarray, ...], OpRecord]]:
    """Run golden models and the package together, so that a layer is held until its partner has come.

    Parameters
    ----------
    models : sequence of Model
        The same network with different parameters.
    program : Program
    pairs : dict of str to Pair
    x : ndarray, (N, C, H, W)
    profile : str
        Arithmetic that the package runs in.

    Yields
    ------
    (str, tuple of ndarray, OpRecord)
        For every record of the package: the layer it is paired with and that layer's golden values, or "" and ().
        The record of the program's output comes once more in the end, as ":output".
    """
    layer_of = {pair.output: layer for layer, pair in pairs.items() if pair.output}
    golden = zip(*(model.trace(np.asarray(x, np.float64)) for model in models), strict=True)
    waiting: dict[str, tuple[np.ndarray, ...]] = {"": ()}
    last: tuple[np.ndarray, ...] = ()
    for record in program.trace({program.inputs[0].name: x}, profile=profile):
        layer = layer_of.get(record.name, "")
        while layer not in waiting:
            traced, last = _next(golden)
            waiting[traced] = last
        values = waiting[layer]
        if layer:
            del waiting[layer]  # nobody else asks
        yield layer, values, record
        if record.name == program.outputs[0].name:
            result = record
    for traced in golden:
        last = tuple(value for _, value in traced)
    yield ":output", last, result


def _next(golden):
    """One layer of all golden models: (name, values)."""
    traced = next(golden)
    return traced[0][0], tuple(value for _, value in traced)


def difference(golden, value):
    """Largest difference over the largest golden magnitude; infinity for another shape or for NaN.

    Never reshapes one side to match the other.

    Examples
    --------
    >>> difference(np.array([2.0, -4.0]), np.array([2.0, -4.4])).round(3)
    np.float64(0.1)
    >>> difference(np.zeros((1, 2)), np.zeros((2, 1)))
    inf
    """
    if golden.shape != value.shape:
        return float("inf")
    size = max(np.max(golden), -np.min(golden))
    off = golden - value.astype(np.float64, copy=False)
    worst = max(np.max(off), -np.min(off))  # NaN stays NaN
    worst = worst / size if size > 0 else worst
    return worst if np.isfinite(worst) else float("inf")


def stress(shape):
    """A second input, beyond the range of pictures, so that every clip is active and no layer is idle: in [-0.5, 1.5].

    A pairing is fixed on the user's picture and confirmed on this one.

    Examples
    --------
    >>> stress((1, 3, 4, 4)).shape
    (1, 3, 4, 4)
    """
    return np.random.default_rng(shape).uniform(-0.5, 1.5, shape)


def structure(carrying, program, pairs, x):
    """Relative difference of every paired layer in float64: {layer: difference}, ":output" included."""
    steps = lockstep((carrying,), program, pairs, x)
    return {layer: difference(golden[0], record.value) for layer, golden, record in steps if layer}
