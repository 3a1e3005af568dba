"""SwinIR at 64 x 64: executing its packages against eager PyTorch, and ``karat verify``.

``python benchmarks/swinir.py [--repeat 5] [--json FILE]``

A package and PyTorch take turns in one process with one thread; their medians make the ratio. ``karat verify`` runs as
a user runs it, on a package that exists. Every figure comes from a child process of its own.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile

from processes import KARAT, machine, measured, report

PACKAGES = {
    "light_fp32": ("zoo:light-x2-test", "float32"),
    "light_fp16": ("zoo:light-x2-test", "float16"),
    "classical_fp16": ("zoo:classical-x2-test", "float16"),
}
PICTURE = "from PIL import Image; from skimage.data import astronaut; "
PICTURE += "Image.fromarray(astronaut()[100:164, 200:264]).save('photo.png')"
TURNS = """
import json, sys, time
import karat, torch
from karat.convert.torch_models import twin

torch.set_num_threads(1)
program, module = karat.open_package(sys.argv[1]), twin(karat.load(sys.argv[2]))
x = torch.rand(1, 3, 64, 64)
times = {"eager": [], "package": []}
runs = {"eager": lambda: module(x), "package": lambda: program.predict({"x": x.numpy()})}
with torch.no_grad():
    for turn in range(int(sys.argv[3]) + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name] += [time.perf_counter() - start] if turn else []  # the first turn warms up
print(json.dumps(times))
"""


def benchmark(repeat):
    """Figures by name."""
    figures = machine(os.getloadavg()[0])
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", PICTURE], cwd=folder, check=True)
        for name, (weights, precision) in PACKAGES.items():
            package = f"{name}.mlpackage"
            measured([KARAT, "export", "-w", weights, "--precision", precision, "-o", package], folder)
            figures |= executing(name, [package, weights, str(repeat)], folder)
            if name.startswith("light"):
                verify = [KARAT, "verify", package, "-w", weights, "-i", "photo.png"]
                runs = [measured(verify, folder) for _ in range(max(1, repeat // 2))]
                seconds, processor, peak = map(statistics.median, zip(*runs, strict=True))
                figures[f"verify_{name}_seconds"] = round(seconds, 1)
                figures[f"verify_{name}_cpu_seconds"] = round(processor, 1)
                figures[f"verify_{name}_peak_mib"] = round(peak / 2**20)
    return figures


def executing(name, arguments, folder):
    """Medians of a package and of PyTorch in turns, and their ratio."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, "-c", TURNS, *arguments]
    child = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, env=os.environ | one)
    times = {who: statistics.median(seconds) for who, seconds in json.loads(child.stdout).items()}
    return {
        f"{name}_eager_seconds": round(times["eager"], 3),
        f"{name}_package_seconds": round(times["package"], 3),
        f"{name}_ratio": round(times["package"] / times["eager"], 2),
    }


if __name__ == "__main__":
    report(__doc__, benchmark, repeat=5)
