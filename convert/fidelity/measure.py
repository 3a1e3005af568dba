"""How far it is off: errors of the package's typed run, layer by layer and for the picture."""

from dataclasses import dataclass

import numpy as np

from ...refimpl.metrics import decibels, psnr, relative_rms, rms
from .arithmetic import amplified, figures
from .structure import difference, lockstep


@dataclass(frozen=True)
class Measured:
    """Figures of one layer, all in float64 over the flattened tensor.

    Attributes
    ----------
    max_abs, relative_rms, sqnr : float
        Of the typed run against the golden model (weights and arithmetic together).
    structure : float
        Relative difference of the float64 run from the golden model that carries the package's constants.
    largest : float
        max |x| of the typed run; infinity where it overflowed.
    error_rms, error_max : float
        Of the typed run against the package's own float64 run (arithmetic alone).
    """

    structure: float
    max_abs: float
    relative_rms: float
    sqnr: float
    largest: float
    error_rms: float
    error_max: float


def measure(model, carrying, program, pairs, graph, x, profile):
    """Compare the package in its own types with the golden model and with its own float64 run.

    Parameters
    ----------
    model, carrying : Model
        With the checkpoint's own parameters; with the package's constants.
    program : Program
    pairs : dict of str to Pair
    graph : Graph
    x : ndarray, (N, C, H, W)
    profile : str
        Arithmetic of the typed run.

    Returns
    -------
    rows : dict of str to Measured or None
        By layer, ":output" included; None where the shapes differ, or the package holds no floating numbers.
    operators : dict of str to OperatorFigures
        By variable, of everything floating that was executed.
    pictures : tuple of ndarray
        Golden output; that of the package in float64, and in its own types.
    """
    rows, operators, layer_of = {}, {}, owners(pairs, graph)
    for layer, values, record in lockstep((model, carrying), program, pairs, x, profile):
        if layer != ":output" and record.name in graph.operation:
            found = figures(record, layer_of.get(record.name, ""))
            operators |= {record.name: found} if found else {}
        if layer:
            golden, carried = values
            alike = golden.shape == record.value.shape and record.value.dtype.kind == "f"
            rows[layer] = _figures(golden, carried, record) if alike else None
    relative = {program.inputs[0].name: relative_rms(x, x.astype(program.inputs[0].dtype))}
    return rows, amplified(operators, relative), (golden, record.shadow, record.value)  # of ":output"


def owners(pairs, graph):
    """Layer of every operation: the one whose variable it helps to compute."""
    boundary = {pair.output for pair in pairs.values() if pair.output}
    layers = {}
    for layer, pair in pairs.items():
        for op in graph.group(pair.output, boundary) if pair.output else ():
            layers |= {out.name: layer for out in op.outputs if out.name not in layers}
    return layers


def _figures(golden, carried, record):
    """Measured figures of one layer, from its golden values, with and without the package's constants."""
    exact, value = record.shadow, record.wide
    structure = difference(carried, exact)
    largest = float(np.max(np.abs(value)))
    if not np.isfinite(largest):
        return Measured(structure, np.inf, np.inf, -np.inf, np.inf, np.inf, np.inf)
    off, error, size = np.abs(value - golden), np.abs(value - exact), rms(golden)
    relative = rms(off) / size if size else rms(off)
    return Measured(structure, float(off.max()), relative, decibels(relative), largest, rms(error), float(error.max()))


def shares(golden, exact, exact_of_rounded, typed):
    """Where the picture's loss comes from: mean squared error of each cause, in dB against the golden picture.

    Parameters
    ----------
    golden, exact, exact_of_rounded, typed : ndarray, (N, C, H, W)
        Golden picture; the package in float64; the same from the rounded input; the package in its own types.

    Returns
    -------
    dict of str to float
        PSNR in dB of "total", "weights", "input" and "arithmetic", each switched on alone.
    """
    return {
        "total": psnr(golden, typed),
        "weights": psnr(golden, exact),
        "input": psnr(exact, exact_of_rounded),
        "arithmetic": psnr(exact_of_rounded, typed),
    }
