"""Compiled kernels, kept between processes: compiling takes seconds, a photograph less than one.

A kernel is a module-level function over addresses and sizes, so that one compiled copy serves every network, picture
and thread. (numba keeps no closures over intrinsics: each process would write a new file.) Copies lie in a folder whose
name is a hash of everything they depend on: the sources of this folder, numba's version and the processor's features.
numba itself looks only at the file that defines the function, and an edited emitter would leave old code behind.
"""

import hashlib
import inspect
import os
from collections.abc import Callable, Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numba
from filelock import FileLock
from numba import njit, types
from platformdirs import user_cache_path

from . import cpu

KERNELS: dict[str, "Kernel"] = {}  # all that were defined, by name, callees first


class Kernel:
    """A compiled function; made by `kernel`, called with integers: addresses, sizes and numbers.

    Attributes
    ----------
    name : str
        Module and function.
    compiled : numba dispatcher
        For calls from other kernels.
    """

    def __init__(self, function):
        self.name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        self.__doc__ = function.__doc__
        self.signature = types.void(*[types.intp] * len(inspect.signature(function).parameters))
        given, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(folder())  # pyright: ignore
        try:
            # no fastmath: its flags would also let LLVM reorder what the emitters wrote, and fold (t + magic) - magic
            self.compiled: Any = njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")(function)
        finally:
            numba.config.CACHE_DIR = given  # pyright: ignore
        KERNELS[self.name] = self

    def __call__(self, *arguments):
        self.compiled(*arguments)

    @property
    def mark(self) -> Path:
        """Exists when a compiled copy does."""
        return folder() / f"{self.name}.done"

    def make(self):
        """Compile, or load what was compiled before."""
        self.compiled.compile(self.signature)


def kernel(function) -> Kernel:
    """Decorator of a kernel: its parameters are integers, it returns nothing, and holds no lock while it runs."""
    return Kernel(function)


@cache
def folder() -> Path:
    """Where compiled kernels of this version and processor lie; ``KARAT_CACHE`` moves it."""
    digest = hashlib.sha256(f"{cpu.target().key} {version('numba')} {version('llvmlite')}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    root = Path(os.environ.get("KARAT_CACHE") or user_cache_path("karat"))
    path = root / f"kernels-{digest.hexdigest()[:16]}"
    path.mkdir(parents=True, exist_ok=True)
    return path


def ready(kernels: Iterable[Kernel], progress: Callable[[str, int, int], None] = lambda name, done, total: None) -> int:
    """Have kernels in memory, compiling those that this machine has not seen.

    Processes that start together wait for the first one: numba's files do not survive two writers.

    Parameters
    ----------
    kernels : iterable of Kernel
    progress : callable
        Called with a name, how many are compiled and how many there are to compile, before each one that is compiled.

    Returns
    -------
    int
        How many were compiled.
    """
    kernels = list(kernels)
    missing = [kernel for kernel in kernels if not kernel.mark.exists()]
    if missing:
        with FileLock(folder() / "lock"):
            missing = [kernel for kernel in kernels if not kernel.mark.exists()]
            for done, kernel in enumerate(missing):
                progress(kernel.name, done, len(missing))
                kernel.make()
                kernel.mark.touch()
    for kernel in kernels:
        kernel.make()
    return len(missing)
