"""Feature maps ``A[H/4][W/4][C][16]``: a vector is the 4 x 4 patch of pixels of one channel."""

import numpy as np

from ..emit.simd import LANES
from ..memory import aligned
from ..threads import run_each


def to_map(pixels):
    """(C, H, W) as a (H/4, W/4, C, 16) map; what fills the last blocks is zero."""
    channels, height, width = pixels.shape
    rows, columns = -(-height // 4), -(-width // 4)
    target = aligned((rows, columns, channels, LANES))
    padded = np.pad(pixels, ((0, 0), (0, -height % 4), (0, -width % 4)))
    blocks = target.reshape(rows, columns, channels, 4, 4)
    blocks[...] = padded.reshape(channels, rows, 4, columns, 4).transpose(1, 3, 0, 2, 4)
    return target


def clear_outside(feature_map, height, width):
    """Zero what lies below row ``height`` and right of column ``width``, for a convolution that pads with zeros."""
    lanes = feature_map.reshape(*feature_map.shape[:3], 4, 4)
    lanes[height // 4 : -(-height // 4), :, :, height % 4 :] = 0  # the block that the last row is in, if it is cut
    lanes[:, width // 4 : -(-width // 4), :, :, width % 4 :] = 0
    feature_map[-(-height // 4) :] = 0  # whole blocks: behind an upsampling there may be some
    feature_map[:, -(-width // 4) :] = 0


def copy_map(source, target, threads):
    """Row by row, by all threads: one alone does not fill the memory bus."""
    run_each(threads, len(source), lambda row, thread: np.copyto(target[row], source[row]))
