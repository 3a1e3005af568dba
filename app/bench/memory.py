"""How much memory an inference takes: measured in a fresh child process for each engine.

Growth is the largest resident set while the first picture is computed, less the resident set just before: libraries,
weights and compiled code are there already. Linux keeps that mark per process (VmHWM of /proc/self/status) and can set
it back (/proc/self/clear_refs), so that neither the export nor the memory of the parent is counted.
"""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
PROGRAM = "from karat.app.bench.memory import child; child()"


class ChildEndedError(Exception):
    """A child could not do its work; the message says how it ended."""


def memory_growth(engine, case):
    """Bytes that an engine's first inference adds.

    Parameters
    ----------
    engine : str
    case : Case

    Returns
    -------
    int or None
        None where the system does not tell (no Linux).

    Raises
    ------
    ChildEndedError
        The engine does not run, or takes more memory than there is.
    """
    if not CLEAR.exists():
        return None
    picture = case.folder / "picture.npy"
    np.save(picture, case.x)
    work = {"engine": engine, "network": str(case.network), "threads": case.threads, "folder": str(case.folder)}
    command = [sys.executable, "-c", PROGRAM, json.dumps(work)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode == -signal.SIGKILL:
        raise ChildEndedError("its process was killed, as a system does that runs out of memory")
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"its process ended with {done.returncode}"]
        raise ChildEndedError(lines[-1])
    return int(done.stdout.splitlines()[-1])


def child():
    """What the child runs: prepare the engine, then measure its first picture; prints bytes."""
    from .case import Case
    from .engines import ENGINES

    work = json.loads(sys.argv[1])
    folder = Path(work["folder"])
    case = Case(work["network"], np.load(folder / "picture.npy"), work["threads"], folder)
    prepared = ENGINES[work["engine"]].prepare(case)
    print(growth(prepared.run))


def growth(run):
    """Bytes by which the largest resident set while ``run()`` computes exceeds the one before.

    Examples
    --------
    >>> growth(lambda: (bytearray(b"x") * 50_000_000).count(1)) > 40_000_000
    True
    """
    CLEAR.write_text("5")  # sets the mark back to what is resident now
    before = _resident("VmRSS")
    run()
    return max(0, _resident("VmHWM") - before)


def _resident(name):
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024  # the kernel writes kB and means KiB
