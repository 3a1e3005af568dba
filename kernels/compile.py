"""`karat.compile`: a network on the fast kernels."""

import os
import sys

import numpy as np

from ..refimpl.errors import BadInput
from ..refimpl.load import load
from ..refimpl.models import Model
from ..refimpl.models.model import check_picture
from . import cpu
from .cache import folder, ready

PRECISIONS = ("float32", "bfloat16")


class Upscaler:
    """A compiled network; made by `compile`, called like the model.

    Attributes
    ----------
    model : Model
    precision : str
        "float32" where the network has nothing that would run in bfloat16.
    threads : int
    """

    def __init__(self, model, network):
        self.model, self.precision, self.threads = model, network.precision, network.threads
        self._network = network

    @property
    def scale(self) -> float:
        """Output pixels per input pixel along one axis."""
        return self.model.scale

    @property
    def line(self) -> str:
        """What it runs on, for people."""
        return f"{cpu.target().line}, {self.precision}, {self.threads} thread{'s' if self.threads > 1 else ''}"

    def __call__(self, x: np.ndarray, progress=lambda done, total: None) -> np.ndarray:
        """Upscale x, (N, channels, H, W) in [0, 1], to (N, channels, sH, sW) in float32.

        Parameters
        ----------
        x : ndarray
            Floating; computed in float32, or in bfloat16 where the precision says so.
        progress : callable
            Called with parts done and parts in all.

        Raises
        ------
        BadInput
            When ``x`` is no such picture, or its sides do not suit the network.
        """
        check_picture(x, self.model.config.channels, self.model.config.multiple_of)
        return self._network(np.ascontiguousarray(x, np.float32), progress)

    def plan(self) -> list[tuple[str, str]]:
        """Name and kernel of every layer, in execution order; what runs on no kernel of ours begins with "slow"."""
        return self._network.plan()

    def memory(self, height: int, width: int) -> int:
        """Bytes that a picture of this size needs beside itself, the result included."""
        return self._network.memory(height, width)

    def forget(self) -> None:
        """Give memory back that is kept for the next picture of the last one's size."""
        if hasattr(self._network, "forget"):
            self._network.forget()


def compile(model, precision="float32", threads=None, progress=None) -> Upscaler:
    """Put a network on the fast kernels.

    Parameters
    ----------
    model : str, Path, mapping or Model
        What `karat.load` takes, or its result.
    precision : {"float32", "bfloat16"}
        bfloat16 halves the time of SwinIR's linear layers on processors that multiply it; sums stay float32.
    threads : int, optional
        As many as this process may use by default. The result does not depend on it.
    progress : callable, optional
        Called with a kernel's name, how many are compiled and how many there are to compile, when a machine meets them
        for the first time (some seconds): before the first one, and after each. By default one line on stderr says so.

    Returns
    -------
    Upscaler

    Raises
    ------
    BadInput
        When the model cannot be loaded, or the precision or the number of threads is not to be had.

    Examples
    --------
    >>> fast = compile("zoo:quicksrnet-small-x2", threads=1)
    >>> fast(np.full((1, 3, 5, 7), 0.5)).shape
    (1, 3, 10, 14)
    """
    network = model if isinstance(model, Model) else load(model)
    threads = _processors() if threads is None else threads
    if precision not in PRECISIONS:
        raise BadInput(f"the precision is {precision!r}, expected one of {', '.join(PRECISIONS)}; choose one")
    if precision == "bfloat16" and not cpu.target().bf16:
        raise BadInput(f"bfloat16 was asked for and there are {cpu.target().line}; take float32")
    if not isinstance(threads, int) or threads < 1:
        raise BadInput(f"{threads} threads were asked for, expected 1 or more; leave it out for all there are")
    _check_nothing_is_carried(network.parameters)
    built = _NETWORKS[network.architecture.NAME](network, precision, threads)
    ready(built.needed(), progress or _say)
    return Upscaler(network, built)


def first_use(kernels: int) -> str:
    """What people are told when kernels are compiled."""
    count = f"{kernels} kernel{'s' if kernels > 1 else ''}"
    return f"karat compiles {count} once: {cpu.target().line}, kept in {folder().parent}"


def _processors():
    """That this process may use; not every system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_nothing_is_carried(parameters):
    """Raise BadInput for `Model.carrying`: kernels fold constants in, and would pass over a package's own."""
    for name in parameters:
        if (":" in name and not name.endswith(":query.value")) or name.endswith((".eps", ".slope")):
            raise BadInput(f"the model carries a package's {name}, expected a trained network; compile that one")


def _say(name, done, total):
    if done == 0:
        print(first_use(total), file=sys.stderr)


def _swinir(model, precision, threads):
    from .swin.swinir import SwinIR

    return SwinIR(model, precision, threads)


def _quicksrnet(model, precision, threads):
    from .conv_net.network import ConvNet

    return ConvNet(model, threads)  # its convolutions are float32 in either precision


_NETWORKS = {"swinir": _swinir, "quicksrnet": _quicksrnet}
