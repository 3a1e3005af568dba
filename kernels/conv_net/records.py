"""Records of 64-bit integers, by which kernels know a net: byte offsets of their words."""

from collections.abc import Mapping

import numpy as np

WORD = 8

# of a net
HEIGHT, WIDTH, TILE_ROWS, GROUPS, LAYERS, RECORDS = (WORD * i for i in range(6))
IMAGE, LINE, ZERO, V, M, MASKS = (WORD * i for i in range(6, 12))
# of its end: the places of a tile that the last layer fills, the pixel shuffle's factor, the result and its sides
PLACES_LEFT, FACTOR, RESULT, RESULT_HEIGHT, RESULT_WIDTH, AVERAGE, LINES, END = (WORD * i for i in range(12, 20))
NET_WORDS = 20

# of a layer; the first record describes the picture, of which only the target's words matter
KIND, SOURCE, SLOTS, CHANNELS, EXTRA, EXTRA_SLOTS, EXTRA_CHANNELS = (WORD * i for i in range(7))
WEIGHTS, BIAS, LIMITS, TARGET, TARGET_SLOTS, OUTPUTS, LAG, FIRST, LAST = (WORD * i for i in range(7, 16))
LAYER_WORDS = 16
CONVOLUTION, SQUEEZE = 0, 1  # kinds: 3x3, and 1x1 over 2x2 pixels


def write(record: np.ndarray, words: Mapping[int, int]) -> None:
    """Set words of a record."""
    for offset, value in words.items():
        record[offset // WORD] = value
