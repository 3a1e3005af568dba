"""The fused Swin layer alone: how near the peak the heart of the network comes, without convolutions and borders."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...refimpl.load import load
from .flops import count_flops
from .turns import take_turns

BLOCK = "layers.0.residual_group.blocks.1."  # the second of a group: its windows are shifted
SUBJECTS = {"zoo:light-x2-test": (256, 256), "zoo:classical-x2-test": (128, 128)}  # C = 60 and C = 180


@dataclass(frozen=True)
class FusedLayer:
    """A layer that is ready to run.

    Attributes
    ----------
    title, precision : str
    run : callable
        Computes the layer once.
    flops : int
        Operations of one run, counted as `count_flops` does.
    """

    title: str
    precision: str
    run: Callable[[], object]
    flops: int


def measure_layers(layers, peaks, repeat, gap=0.0):
    """Time layers in turns with the loops that are the peak: a processor's clock moves, and both move with it.

    Parameters
    ----------
    layers : sequence of FusedLayer
    peaks : dict of str to Peak
        By precision.
    repeat : int
    gap : float
        Seconds of rest before every run.

    Returns
    -------
    list of dict
        Title, precision, median seconds, GFLOP/s and percent of the peak of every layer.
    """
    runs = {("peak", precision): (peak.run, peak.flops) for precision, peak in peaks.items()}
    runs |= {(layer.title, layer.precision): (layer.run, layer.flops) for layer in layers}
    for run, _ in runs.values():
        run()
    times = take_turns({key: run for key, (run, _) in runs.items()}, repeat, gap)
    medians = {key: statistics.median(seconds) for key, seconds in times.items()}
    speeds = {key: flops / medians[key] / 1e9 for key, (_, flops) in runs.items()}
    found = []
    for layer in layers:
        key, peak = (layer.title, layer.precision), speeds.get(("peak", layer.precision))
        found.append(
            {
                "layer": layer.title,
                "precision": layer.precision,
                "median_seconds": medians[key],
                "gflops_per_second": speeds[key],
                "percent_of_peak": 100 * speeds[key] / peak if peak else None,
            }
        )
    return found


def fused_layers(precision):
    """One block of each of `SUBJECTS`, on one thread, over a map of random numbers.

    Parameters
    ----------
    precision : {"float32", "bfloat16"}

    Returns
    -------
    list of FusedLayer
    """
    return [_layer(network, *size, precision) for network, size in SUBJECTS.items()]


def _layer(network, height, width, precision):
    from ...kernels.swin.blocks import SwinBlocks
    from ...kernels.swin.pack import pack_swin_layer

    model = load(network)
    config, c = model.config, model.config.embed_dim
    parameters = {key.removeprefix(BLOCK): p for key, p in model.parameters.items() if key.startswith(BLOCK)}
    scale = (c // config.num_heads[0]) ** -0.5
    layer = pack_swin_layer(parameters, config.num_heads[0], config.window, config.window // 2, scale, precision)
    blocks = SwinBlocks([layer], precision, 1)
    scratch = blocks.scratch(height)
    values = np.random.default_rng(0).standard_normal((height // 4, width // 4, c, 16), np.float32)
    flops = sum(count_flops(model, height, width, BLOCK).values())
    title = f"fused Swin layer, C = {c}"
    return FusedLayer(title, precision, lambda: blocks(layer, values, (height, width), scratch), flops)
