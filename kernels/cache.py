"""Compiled kernels, kept between processes: compiling takes seconds, a photograph less than one.

A kernel is a module-level function over addresses and sizes, so that one compiled copy serves every network, picture
and thread. (numba keeps no closures over intrinsics: each process would write a new file.) Copies lie in a folder whose
name is a hash of everything they depend on: the sources of this folder and their place, numba's version and the
processor's features. numba itself looks only at the file that defines the function, and an edited emitter would leave
old code behind.
"""

import atexit
import hashlib
import inspect
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryFile, mkdtemp
from typing import Any

import numba
from filelock import FileLock
from numba import njit, types
from platformdirs import user_cache_path

from . import cpu

NAMED = re.compile(r"kernels-[0-9a-f]{16}")
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
        self._loaded = False
        KERNELS[self.name] = self

    def __call__(self, *arguments):
        if not self._loaded:
            ready([self])
        self.compiled(*arguments)

    def load(self) -> bool:
        """Have the kept copy in memory; False where there is none, or a damaged one."""
        try:
            if not self._loaded and (mark := self._mark().read_text()) and mark == self._hashes(mark.split()[::2]):
                self.compiled.compile(self.signature)
                self._loaded = True
        except Exception:  # no mark or file, and whatever pickle and LLVM say of what is no compiled code
            return False
        return self._loaded

    def make(self):
        """Compile, and keep the copy."""
        if not self.compiled.overloads:  # else it was compiled just now, for a kernel that calls it
            for path in [self._mark(), *self._files("nb?")]:
                path.unlink(missing_ok=True)
        self.compiled.compile(self.signature)
        self._mark().write_text(self._hashes(str(path.relative_to(folder())) for path in self._files("nbc")))
        self._loaded = True

    def _files(self, suffix):
        """What numba wrote: an index, .nbi, and the code for every set of types, .nbc."""
        return sorted(folder().glob(f"*/{self.name}-*.{suffix}"))

    def _mark(self):
        """Written last."""
        return folder() / f"{self.name}.done"

    def _hashes(self, names):
        """Lines of names and hashes."""
        return "".join(f"{name} {hashlib.sha256((folder() / name).read_bytes()).hexdigest()}\n" for name in names)


def kernel(function) -> Kernel:
    """Decorator of a kernel: its parameters are integers, it returns nothing, and holds no lock while it runs."""
    return Kernel(function)


@cache
def folder() -> Path:
    """Where compiled kernels of this version and processor lie; ``KARAT_CACHE`` moves it.

    Where nothing can be written, this is a folder that ends with the process, and a line on stderr says so.
    """
    place = Path(__file__).resolve().parent
    digest = hashlib.sha256(f"{cpu.target().key} {version('numba')} {version('llvmlite')} {place}".encode())
    for path in sorted(place.rglob("*.py")):
        digest.update(path.read_bytes())
    root = Path(os.environ.get("KARAT_CACHE") or user_cache_path("karat"))
    path = root / f"kernels-{digest.hexdigest()[:16]}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path):
            return path
    except OSError as error:
        print(
            f"karat cannot keep compiled kernels in {root} ({error.strerror}) and compiles them for this process only; "
            "set KARAT_CACHE to a folder that can be written to",
            file=sys.stderr,
        )
    path = Path(mkdtemp(prefix="karat-kernels-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def _make(kernel):
    """Compile; where numba stumbles over the damaged file of another kernel, forget them all and compile again."""
    try:
        kernel.make()
    except Exception:  # whatever pickle says of what is no pickle
        for path in folder().rglob("*.nb?"):
            path.unlink(missing_ok=True)
        kernel.make()


def others() -> list[Path]:
    """Folders beside ours that karat made: of other versions, places or processors."""
    if not NAMED.fullmatch(folder().name):
        return []  # ours ends with the process: what lies beside it is nobody's cache
    beside = folder().parent.glob("kernels-*")
    return sorted(p for p in beside if p != folder() and NAMED.fullmatch(p.name) and (p / "lock").is_file())


def ready(kernels: Iterable[Kernel], progress: Callable[[str, int, int], None] = lambda name, done, total: None) -> int:
    """Have kernels in memory, compiling those that this machine has not seen.

    Processes that start together wait for the first one: numba's files do not survive two writers. Files that cannot
    be loaded are compiled again.

    Parameters
    ----------
    kernels : iterable of Kernel
    progress : callable
        Called with a name, how many are compiled and how many there are to compile: before the first one, and after
        each.

    Returns
    -------
    int
        How many were compiled.
    """
    missing = [kernel for kernel in kernels if not kernel.load()]
    if not missing:
        return 0
    progress(missing[0].name, 0, len(missing))  # before the lock: waiting takes as long as compiling
    compiled = 0
    with FileLock(folder() / "lock"):
        for done, kernel in enumerate(missing, 1):
            if not kernel.load():  # by another process meanwhile
                _make(kernel)
                compiled += 1
            progress(kernel.name, done, len(missing))
    return compiled
