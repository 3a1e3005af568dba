"""Wall time and peak memory of ``karat verify`` on a picture of 512 x 512 pixels.

``python benchmarks/verify_512.py [--repeat 3] [--json FILE]``

Every figure comes from a child process of its own. This parent imports the standard library only: Linux counts the
memory of a parent at the time of the fork as a child's, so a parent with torch loaded would be measured instead.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

WEIGHTS, SIDE = "zoo:quicksrnet-small-x2", 512
KARAT = Path(sys.executable).with_name("karat")
PICTURE = "from PIL import Image; from skimage.data import astronaut; Image.fromarray(astronaut()).save('photo.png')"
EAGER = """
import sys, time
import karat, torch
from karat.convert.torch_models import twin

module, times = twin(karat.load(sys.argv[1])), []
x = torch.rand(1, 3, int(sys.argv[2]), int(sys.argv[2]))
with torch.no_grad():
    module(x)
    for _ in range(int(sys.argv[3])):
        start = time.perf_counter()
        module(x)
        times.append(time.perf_counter() - start)
print(sorted(times)[len(times) // 2])
"""


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


def cpu_name():
    """The processor as its maker calls it, and how many of its threads are there."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or platform.machine()}, {os.cpu_count()} threads"


def benchmark(repeat):
    """Figures by name."""
    load = os.getloadavg()[0]  # before anything of ours runs: how busy the machine is with other work
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", PICTURE], cwd=folder, check=True)
        export = [KARAT, "export", "-w", WEIGHTS, "--size", f"{SIDE}x{SIDE}", "-o", "network.mlpackage"]
        exporting, _, _ = measured(export, folder)
        verify = [KARAT, "verify", "network.mlpackage", "-w", WEIGHTS, "-i", "photo.png"]
        runs = [measured(verify, folder) for _ in range(repeat)]
        eager = [sys.executable, "-c", EAGER, WEIGHTS, str(SIDE), str(max(repeat, 3))]
        forward = subprocess.run(eager, cwd=folder, check=True, capture_output=True, text=True)
    seconds, processor, peak = map(statistics.median, zip(*runs, strict=True))
    return {
        "date": date.today().isoformat(),
        "cpu": cpu_name(),
        "python": platform.python_version(),
        "torch": version("torch"),
        "numpy": version("numpy"),
        "network": f"{WEIGHTS}, {SIDE} x {SIDE} to {2 * SIDE} x {2 * SIDE}",
        "runs": repeat,
        "load_average": round(load, 1),
        "verify_seconds": round(seconds, 2),
        "verify_cpu_seconds": round(processor, 2),
        "verify_peak_mib": round(peak / 2**20),
        "export_seconds": round(exporting, 2),
        "torch_eager_seconds": round(float(forward.stdout), 4),
        "verify_in_eager_passes": round(seconds / float(forward.stdout), 1),
    }


def main():
    """Measure, print a table, and write the figures with --json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=3, help="runs of karat verify; the median counts")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    figures = benchmark(options.repeat)
    for name, value in figures.items():
        print(f"{name:<24} {value}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
