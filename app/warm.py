"""``karat warm``: the kernels, compiled before a picture waits for them."""

import shutil
import time

from ..kernels import cpu
from ..kernels.cache import folder, others, ready
from ..kernels.warm import all_kernels
from .progress import named_bar


def run_warm(say, clean=False):
    """Compile what this machine has not compiled yet, and say where it lies."""
    kernels = all_kernels()
    say(f"{cpu.target().line}, {len(kernels)} kernels")
    start = time.perf_counter()
    with named_bar("compiling") as progress:
        compiled = ready(kernels, progress)
    seconds = time.perf_counter() - start
    say(f"{compiled} kernels compiled in {seconds:.1f} s" if compiled else "nothing to do: all are compiled")
    say(f"{folder()} holds {_size(folder()) / 1e6:.1f} MB")
    if old := others():
        size = sum(map(_size, old)) / 1e6
        if clean:
            for other in old:
                shutil.rmtree(other)
        end = "removed" if clean else "`karat warm --clean` removes them"
        folders = f"{len(old)} folder{'s' if len(old) > 1 else ''}"
        say(f"{folders} of other versions, places or processors, {size:.1f} MB: {end}")


def _size(path):
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
