"""The operators, one per file, each named as in the papers."""

from .average_pool import average_pool
from .conv2d import conv2d
from .pixel_shuffle import pixel_shuffle, pixel_unshuffle
from .relu1 import relu1
from .resize_bicubic import resize_bicubic
from .space_to_depth import crd_to_dcr, depth_to_space, space_to_depth

__all__ = [
    "average_pool",
    "conv2d",
    "crd_to_dcr",
    "depth_to_space",
    "pixel_shuffle",
    "pixel_unshuffle",
    "relu1",
    "resize_bicubic",
    "space_to_depth",
]
