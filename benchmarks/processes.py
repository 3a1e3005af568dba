"""What the benchmarks share: a command's time and memory, the machine's description, and the report.

Whoever imports this imports the standard library only: Linux counts the memory of a parent at the time of the fork as a
child's, so a parent with torch loaded would be measured instead.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

from karat.app.bench.machine import cpu_name

KARAT = Path(sys.executable).with_name("karat")


def measured(command, folder):
    """Run a command in a folder: (seconds, seconds of processor time, peak resident bytes)."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} ended with {process.returncode}")
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)  # Linux counts in KiB
    return seconds, usage.ru_utime + usage.ru_stime, peak


def machine(load):
    """Where and when the figures were taken; ``load`` is the load average before anything of ours ran."""
    return {
        "date": date.today().isoformat(),
        "cpu": cpu_name(),
        "python": platform.python_version(),
        "torch": version("torch"),
        "numpy": version("numpy"),
        "load_average": round(load, 1),
    }


def report(description, benchmark, repeat):
    """Take ``benchmark(repeat)``'s figures by name, print them, and write them with --json."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=repeat, help="runs of everything; medians count")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    figures = benchmark(options.repeat)
    for name, value in figures.items():
        print(f"{name:<36} {value}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
