"""All kernels, for those who compile them before anyone waits."""

from . import cpu
from .cache import KERNELS, Kernel
from .conv_net import conv_rows, net_rows, shuffle_rows, squeeze_rows
from .maps import direct, layer_norm, shuffle, winograd_rows
from .swin import block

# that define kernels; a test compares them with the sources
MODULES = (block, conv_rows, direct, layer_norm, net_rows, shuffle, shuffle_rows, squeeze_rows, winograd_rows)


def all_kernels() -> list[Kernel]:
    """Those that this processor can run.

    Examples
    --------
    >>> "direct.conv3x3_rows" in [kernel.name for kernel in all_kernels()]
    True
    """
    return [kernel for name, kernel in KERNELS.items() if cpu.target().bf16 or "bfloat16" not in name]
