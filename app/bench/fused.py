"""The fused Swin layer alone: how near the peak the heart of the network comes, without convolutions and borders."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

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
    """Time layers in turns.

    Parameters
    ----------
    layers : sequence of FusedLayer
    peaks : dict of str to float
        GFLOP/s of one thread by precision.
    repeat : int
    gap : float
        Seconds of rest before every run.

    Returns
    -------
    list of dict
        Title, precision, median seconds, GFLOP/s and percent of the peak of every layer.
    """
    for layer in layers:
        layer.run()
    times = take_turns({f"{layer.title} {layer.precision}": layer.run for layer in layers}, repeat, gap)
    found = []
    for layer, seconds in zip(layers, times.values(), strict=True):
        median = statistics.median(seconds)
        speed, peak = layer.flops / median / 1e9, peaks.get(layer.precision)
        found.append(
            {
                "layer": layer.title,
                "precision": layer.precision,
                "median_seconds": median,
                "gflops_per_second": speed,
                "percent_of_peak": 100 * speed / peak if peak else None,
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
    from ...kernels.swin import SwinBlocks
    from ...kernels.swin_pack import pack_swin_layer

    model = load(network)
    config, c = model.config, model.config.embed_dim
    parameters = {key.removeprefix(BLOCK): p for key, p in model.parameters.items() if key.startswith(BLOCK)}
    scale = (c // config.num_heads[0]) ** -0.5
    layer = pack_swin_layer(parameters, config.num_heads[0], config.window, config.window // 2, scale, precision)
    blocks = SwinBlocks([layer], precision, 1)
    values = np.random.default_rng(0).standard_normal((height // 4, width // 4, c, 16), np.float32)
    flops = sum(count_flops(model, height, width, BLOCK).values())
    run = partial(blocks, layer, values, height, width, blocks.scratch())
    return FusedLayer(f"fused Swin layer, C = {c}", precision, run, flops)
