"""The memory of one band of rows of a net of convolutions, and the records that lead the kernels through it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..emit.lanes import GROUP_BYTES, PIXELS, TILE
from ..emit.simd import LANES, VECTOR_BYTES
from ..emit.winograd import PAD, PLACES, ROWS, VECTORS
from ..scratch import Scratch
from .layers import COLOURS, Layer
from .net_rows import net_rows
from .records import (
    AVERAGE,
    BIAS,
    CHANNELS,
    CONVOLUTION,
    END,
    EXTRA,
    EXTRA_CHANNELS,
    EXTRA_SLOTS,
    FACTOR,
    FIRST,
    GROUPS,
    HEIGHT,
    IMAGE,
    KIND,
    LAG,
    LAST,
    LAYER_WORDS,
    LAYERS,
    LIMITS,
    LINE,
    LINES,
    MASKS,
    NET_WORDS,
    OUTPUTS,
    PLACES_LEFT,
    RECORDS,
    RESULT,
    RESULT_HEIGHT,
    RESULT_WIDTH,
    SLOTS,
    SOURCE,
    TARGET,
    TARGET_SLOTS,
    TILE_ROWS,
    WEIGHTS,
    WIDTH,
    WORD,
    ZERO,
    M,
    V,
    write,
)

SLOPE, HIGH = 0.0, 1.0  # a clip to [0, 1] ends every layer


@dataclass(frozen=True)
class Shape:
    """Of one picture and the end of its net.

    Attributes
    ----------
    height, width : int
        Of the picture.
    places, factor, average : int
        Pixels of a tile's side that the last layer leaves, of the pixel shuffle, of the average after it.
    """

    height: int
    width: int
    places: int
    factor: int
    average: int

    @property
    def rows(self) -> int:
        """Of tiles."""
        return -(-self.height // TILE)

    @property
    def groups(self) -> int:
        """Of 16 tiles, along a line."""
        return -(-self.width // PIXELS)

    @property
    def result(self) -> tuple[int, int]:
        """Height and width of the result."""
        height, width = (side * self.places // TILE * self.factor // self.average for side in (self.height, self.width))
        return height, width


def band_sizes(layers: Sequence[Layer], shape: Shape) -> dict[str, int]:
    """Bytes of every buffer of a band."""
    row = (shape.groups + 2) * GROUP_BYTES
    inputs = max(layer.channels + layer.extra for layer in layers)
    squeezed = max(4 * layer.channels + 9 * layer.extra for layer in layers)
    side = shape.places * shape.factor
    sizes = {
        "net": NET_WORDS * WORD,
        "records": (len(layers) + 1) * LAYER_WORDS * WORD,
        "limits": 8,
        "masks": 4 * GROUP_BYTES,
        "line": 4 * PIXELS * shape.groups,
        "end": 4 * PIXELS * shape.factor,
        "zero": 3 * GROUP_BYTES * inputs,
        "v": max(PLACES * (VECTOR_BYTES * VECTORS * inputs + PAD), 4 * VECTOR_BYTES * squeezed),
        "m": PLACES * ROWS * VECTORS * VECTOR_BYTES,
        "lines": 4 * COLOURS * side * shape.groups * LANES * side * (shape.average > 1),
        "ring0": (len(layers) + 2) * row * COLOURS,  # the picture, which the last layer may read again
    }
    for i, layer in enumerate(layers):
        sizes[f"ring{i + 1}"] = (3 if i < len(layers) - 1 else 1) * row * layer.outputs
    return sizes


def inside(shape: Shape) -> np.ndarray:
    """Masks of a group's vectors, all bits set inside the picture: anywhere, last group, last row, both."""
    masks = np.full((2, 2, TILE, TILE, LANES), -1, np.int32)
    y = TILE * (shape.rows - 1) + np.arange(TILE)
    x = PIXELS * (shape.groups - 1) + TILE * np.arange(LANES) + np.arange(TILE)[:, None]
    masks[1, :] *= (y < shape.height)[:, None, None]
    masks[:, 1] *= x < shape.width
    return masks


class Band:
    """One band of rows of tiles with memory of its own.

    Parameters
    ----------
    layers : sequence of Layer
    parameters : Scratch
        Their weights, from `parameters_of`.
    shape : Shape
    first, last : int
        Rows of tiles of the result.
    """

    def __init__(self, layers: Sequence[Layer], parameters: Scratch, shape: Shape, first: int, last: int):
        self.scratch = Scratch(band_sizes(layers, shape))
        place = self.scratch.address
        self.scratch.view("limits", 2)[:] = SLOPE, HIGH
        self.scratch.view("masks", (2, 2, TILE, TILE, LANES), np.int32)[:] = inside(shape)
        self._net = self.scratch.view("net", NET_WORDS, np.int64)
        records = self.scratch.view("records", (len(layers) + 1, LAYER_WORDS), np.int64)
        height, width = shape.result
        net = {HEIGHT: shape.height, WIDTH: shape.width, TILE_ROWS: shape.rows, GROUPS: shape.groups}
        net |= {LAYERS: len(layers), RECORDS: place["records"], LINE: place["line"], ZERO: place["zero"]}
        net |= {V: place["v"], M: place["m"], LINES: place["lines"], END: place["end"], AVERAGE: shape.average}
        net |= {PLACES_LEFT: shape.places, FACTOR: shape.factor, RESULT_HEIGHT: height, RESULT_WIDTH: width}
        net[MASKS] = place["masks"] if shape.height % TILE or shape.width % PIXELS else 0
        write(self._net, net)
        halo = sum(layer.kind == CONVOLUTION for layer in layers)  # rows of tiles that the result sees beyond the band
        picture = {TARGET: place["ring0"], TARGET_SLOTS: len(layers) + 2, OUTPUTS: COLOURS}
        self._span(records[0], picture, first - halo, last + halo, shape.rows)
        for i, layer in enumerate(layers):
            lag = i + (layer.kind == CONVOLUTION)  # a 1x1 layer needs no row below
            halo -= layer.kind == CONVOLUTION
            words = {KIND: layer.kind, SOURCE: place[f"ring{i}"], SLOTS: records[i, TARGET_SLOTS // WORD]}
            words |= {CHANNELS: layer.channels, EXTRA: place["ring0"], EXTRA_SLOTS: len(layers) + 2}
            words |= {EXTRA_CHANNELS: layer.extra, OUTPUTS: layer.outputs, LAG: lag, LIMITS: place["limits"]}
            words |= {WEIGHTS: parameters.address[f"weights{i}"], BIAS: parameters.address[f"bias{i}"]}
            words |= {TARGET: place[f"ring{i + 1}"], TARGET_SLOTS: 3 if i < len(layers) - 1 else 1}
            self._span(records[i + 1], words, first - halo, last + halo, shape.rows)
        self._steps = int(records[0, FIRST // WORD]), last + int(records[-1, LAG // WORD])

    @staticmethod
    def _span(record, words, first, last, rows):
        write(record, {**words, FIRST: max(first, 0), LAST: min(last, rows)})

    def run(self, picture: np.ndarray, result: np.ndarray) -> None:
        """Compute the band of one picture, (3, H, W), into its place of the result, (3, sH, sW)."""
        write(self._net, {IMAGE: picture.ctypes.data, RESULT: result.ctypes.data})
        net_rows(self._net.ctypes.data, *self._steps)
