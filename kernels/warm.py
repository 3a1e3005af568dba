"""All kernels, for those who compile them before anyone waits."""

from . import (
    block_rows,
    conv3x3,
    conv_rows,
    cpu,
    map_norm,
    net_rows,
    shuffle,
    shuffle_rows,
    squeeze_rows,
    swin_layer,
)
from .cache import KERNELS, Kernel

# that define kernels; a test compares them with the sources
MODULES = (block_rows, conv3x3, conv_rows, map_norm, net_rows, shuffle, shuffle_rows, squeeze_rows, swin_layer)


def all_kernels() -> list[Kernel]:
    """Those that this processor can run.

    Examples
    --------
    >>> "conv3x3.conv3x3_rows" in [kernel.name for kernel in all_kernels()]
    True
    """
    return [kernel for name, kernel in KERNELS.items() if cpu.target().bf16 or "bfloat16" not in name]
