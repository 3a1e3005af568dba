"""What lets a command begin sooner that has one picture to compute."""

import gc
import sys
from contextlib import contextmanager

BLAS = "scipy.linalg.cython_blas"  # numba looks for it when it loads a kernel, and no kernel of ours calls it


@contextmanager
def quick_start():
    """Leave out 0.1 s of SciPy and 0.1 s of looking for garbage among modules. For a process of our own only."""
    hidden = BLAS not in sys.modules
    if hidden:
        sys.modules[BLAS] = None  # pyright: ignore
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
        if hidden:
            del sys.modules[BLAS]
