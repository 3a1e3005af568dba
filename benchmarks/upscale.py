"""``karat upscale`` as a person runs it: whole processes, warm and cold.

``python benchmarks/upscale.py [--repeat 9] [--json FILE]``

*Warm* processes find compiled kernels, *cold* ones an empty cache. Memory is what the system counted at most.
"""

import os
import statistics
import subprocess
import sys
import tempfile

from processes import KARAT, machine, measured, report

PICTURES = "from PIL import Image; from skimage.data import astronaut; photo = Image.fromarray(astronaut()); "
PICTURES += "photo.save('512.png'); photo.crop((200, 100, 264, 164)).save('64.png'); "
PICTURES += "photo.resize((1536, 1536)).save('1536.png')"
LIGHT, SMALL = "zoo:light-x2-test", "zoo:swinir-small-x2"
WARM = {
    "quicksrnet_512": ["512.png"],
    "light_64": ["64.png", "--model", LIGHT],
    "swinir_small_1536": ["1536.png", "--model", SMALL],
    "swinir_small_1536_in_500MB": ["1536.png", "--model", SMALL, "--max-memory", "500MB"],
}
COLD = ("quicksrnet_512", "light_64")


def upscale(arguments, folder):
    """(seconds, seconds of processor time, peak resident bytes)."""
    return measured([KARAT, "upscale", *arguments, "-o", "out.png", "--overwrite"], folder)


def benchmark(repeat):
    """Figures by name."""
    figures = machine(os.getloadavg()[0])
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", PICTURES], cwd=folder, check=True)
        for name in COLD:
            os.environ["KARAT_CACHE"] = f"{folder}/{name}"
            figures[f"{name}_cold_seconds"] = round(upscale(WARM[name], folder)[0], 2)
        os.environ["KARAT_CACHE"] = f"{folder}/warm"
        for name, arguments in WARM.items():
            runs = [upscale(arguments, folder) for _ in range(repeat + 1)][1:]  # the first one warms up
            seconds, processor, peak = map(statistics.median, zip(*runs, strict=True))
            figures[f"{name}_seconds"] = round(seconds, 2)
            figures[f"{name}_cpu_seconds"] = round(processor, 2)
            figures[f"{name}_peak_mib"] = round(peak / 2**20)
    return figures


if __name__ == "__main__":
    report(__doc__, benchmark, repeat=9)
