"""Wall time and peak memory of ``karat verify`` on a picture of 512 x 512 pixels.

``python benchmarks/verify_512.py [--repeat 3] [--json FILE]``

Every figure comes from a child process of its own.
"""

import os
import statistics
import subprocess
import sys
import tempfile

from processes import KARAT, machine, measured, report

WEIGHTS, SIDE = "zoo:quicksrnet-small-x2", 512
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
    return machine(load) | {
        "network": f"{WEIGHTS}, {SIDE} x {SIDE} to {2 * SIDE} x {2 * SIDE}",
        "runs": repeat,
        "verify_seconds": round(seconds, 2),
        "verify_cpu_seconds": round(processor, 2),
        "verify_peak_mib": round(peak / 2**20),
        "export_seconds": round(exporting, 2),
        "torch_eager_seconds": round(float(forward.stdout), 4),
        "verify_in_eager_passes": round(seconds / float(forward.stdout), 1),
    }


if __name__ == "__main__":
    report(__doc__, benchmark, repeat=3)
