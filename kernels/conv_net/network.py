"""QuickSRNet, fast: Winograd convolutions, a row of tiles through all layers at a time, bands of rows on threads."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from ...refimpl.errors import BadInput
from ...refimpl.models.model import Model, check_picture
from .. import cache
from ..emit.lanes import TILE
from ..scratch import Results, needed
from ..threads import run
from .band import Band, Shape, band_sizes
from .conv_rows import convolve_row
from .layers import COLOURS, layers_of, parameters_of
from .net_rows import net_rows
from .records import CONVOLUTION
from .shuffle_rows import finish_row
from .squeeze_rows import squeeze_row


class ConvNet:
    """A QuickSRNet whose convolutions are compiled kernels; called like its model.

    Parameters
    ----------
    model : Model
        Of the architecture quicksrnet, of any form; layers may differ in width.
    threads : int

    Raises
    ------
    BadInput
        When the model is of another architecture.

    Examples
    --------
    >>> from karat.refimpl.models import quicksrnet
    >>> fast = ConvNet(quicksrnet.identity(quicksrnet.Config(features=3, layers=1, subpixel=2)))
    >>> fast(np.ones((1, 3, 2, 5), np.float32)).shape
    (1, 3, 4, 10)
    """

    precision = "float32"

    def __init__(self, model: Model, threads: int = 1):
        if model.architecture.NAME != "quicksrnet":
            raise BadInput(f"the model is {model.architecture.NAME}, expected quicksrnet; use karat.compile")
        if model.config.unshuffle > 2 or model.config.average > 2:
            raise BadInput("the model unshuffles or averages by more than 2, expected a published form; call the model")
        self.model, self.threads = model, threads
        self._layers = layers_of(model)
        self._parameters = parameters_of(self._layers)
        self._idle: list[tuple[Shape, list[Band]]] = []  # memory of the last picture, for the next one of its size
        self._results = Results()

    def needed(self) -> list[cache.Kernel]:
        """The kernels that it calls."""
        return [net_rows]

    def __call__(self, x: np.ndarray, progress: Callable[[int, int], None] = lambda done, total: None) -> np.ndarray:
        """Upscale x, (N, 3, H, W) in [0, 1], to (N, 3, sH, sW) of float32.

        ``progress`` is called with pictures done and pictures in all.
        """
        check_picture(x, self.model.config.channels, self.model.config.multiple_of)
        shape = self._shape(*x.shape[2:])
        bands = self._take(shape)
        x = np.ascontiguousarray(x, np.float32)
        y = self._results.take((*x.shape[:2], *shape.result))
        for i, (picture, result) in enumerate(zip(x, y, strict=True)):
            run(len(bands), [lambda thread, band=band, a=picture, b=result: band.run(a, b) for band in bands])
            progress(i + 1, len(x))
        self._idle = [(shape, bands)]
        return y

    def plan(self) -> list[tuple[str, str]]:
        """The kernel of every layer, by layer name, in execution order."""
        last = convolve_row if self._layers[-1].kind == CONVOLUTION else squeeze_row
        squeezed = {"conv_last", "anchor.net", "add_op", "clip_output", "space_to_depth"}
        end = {"depth_to_space", "average_pool"}
        return [
            (name, (last if name in squeezed else finish_row if name in end else convolve_row).name)
            for name in self.model.layers
        ]

    def memory(self, height: int, width: int) -> int:
        """Bytes that one picture takes beyond itself: its result and the bands' memory."""
        shape = self._shape(height, width)
        scratch = needed(band_sizes(self._layers, shape))
        return 4 * COLOURS * int(np.prod(shape.result)) + scratch * len(self._cuts(shape))

    def forget(self) -> None:
        """Give memory back that is kept for the next picture."""
        self._idle, self._results = [], Results()

    def _shape(self, height, width):
        config = self.model.config
        return Shape(height, width, TILE // config.unshuffle, config.subpixel, config.average)

    def _cuts(self, shape):
        """First and last row of tiles of every band; a band computes its neighbours' edges again, so none is narrow."""
        count = max(1, min(self.threads, shape.rows // (2 * len(self._layers))))
        cuts = [shape.rows * i // count for i in range(count + 1)]
        return list(pairwise(cuts))

    def _take(self, shape):
        try:
            known, bands = self._idle.pop()  # one step, so that two callers never share memory
        except IndexError:
            known, bands = None, []
        if known == shape:
            return bands
        return [Band(self._layers, self._parameters, shape, *cut) for cut in self._cuts(shape)]
