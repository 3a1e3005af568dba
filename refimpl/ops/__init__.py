"""The operators, one per file, each named as in the papers."""

from .attention_mask import attention_mask
from .average_pool import average_pool
from .conv2d import conv2d
from .cyclic_shift import cyclic_shift
from .gelu import gelu
from .layer_norm import layer_norm
from .leaky_relu import leaky_relu
from .linear import linear
from .pixel_shuffle import pixel_shuffle, pixel_unshuffle
from .reflect_pad import reflect_pad
from .relative_position_bias import relative_position_bias, relative_position_index
from .relu1 import relu1
from .resize_bicubic import resize_bicubic
from .softmax import softmax
from .space_to_depth import crd_to_dcr, depth_to_space, space_to_depth
from .upsample_nearest import upsample_nearest
from .window_attention import window_attention
from .window_partition import window_partition, window_reverse

__all__ = [
    "attention_mask",
    "average_pool",
    "conv2d",
    "crd_to_dcr",
    "cyclic_shift",
    "depth_to_space",
    "gelu",
    "layer_norm",
    "leaky_relu",
    "linear",
    "pixel_shuffle",
    "pixel_unshuffle",
    "reflect_pad",
    "relative_position_bias",
    "relative_position_index",
    "relu1",
    "resize_bicubic",
    "softmax",
    "space_to_depth",
    "upsample_nearest",
    "window_attention",
    "window_partition",
    "window_reverse",
]
