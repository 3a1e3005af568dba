"""All kernels, compiled before anyone waits for them."""

from . import conv3x3, cpu, map_norm, shuffle, swin_layer
from .cache import KERNELS, Kernel, ready

MODULES = (conv3x3, map_norm, shuffle, swin_layer)  # that define kernels; a test compares them with the sources


def all_kernels() -> list[Kernel]:
    """Those that this processor can run.

    Examples
    --------
    >>> "conv3x3.conv3x3_rows" in [kernel.name for kernel in all_kernels()]
    True
    """
    return [kernel for name, kernel in KERNELS.items() if cpu.target().bf16 or "bfloat16" not in name]


def warm(progress=lambda name, done, total: None) -> int:
    """Compile what is missing; returns how many kernels were. ``progress`` is that of `ready`."""
    return ready(all_kernels(), progress)
