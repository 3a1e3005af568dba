"""Memory of ``karat upscale`` as it was predicted and as it was, for whole photographs.

``python benchmarks/photo_memory.py [--json FILE] [NAME ...]``

*Peak* is the most that the process and the child that decodes for it had resident together (sampled every 10 ms, pages
that they share counted twice), *alone* the most that the process had by itself, as the system counted it.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from processes import KARAT

MEGAPIXELS = {"12": (4000, 3000), "24": (6000, 4000)}
LIGHT = ["--model", "zoo:swinir-small-x2"]
CASES = {  # megapixels, suffix, kind, options
    "12_jpeg": ("12", "jpg", "RGB", []),
    "12_grey_jpeg": ("12", "jpg", "L", []),
    "12_png": ("12", "png", "RGB", []),
    "12_alpha_png": ("12", "png", "RGBA", []),
    "12_tiff_16": ("12", "tif", "16", []),
    "12_webp": ("12", "jpg", "RGB", ["--format", "webp"]),
    "12_avif": ("12", "jpg", "RGB", ["--format", "avif"]),
    "12_heic": ("12", "heic", "RGB", []),
    "12_heic_10": ("12", "heic", "10", []),
    "12_dng": ("12", "dng", "raw", []),
    "12_dng_tiff": ("12", "dng", "raw", ["--format", "tiff"]),
    "12_jpeg_long": ("12", "jpg", "RGB", ["--size", "long=7000"]),
    "12_jpeg_x4": ("12", "jpg", "RGB", ["--size", "long=11000"]),
    "24_jpeg": ("24", "jpg", "RGB", []),
    "24_heic": ("24", "heic", "RGB", []),
    "24_png": ("24", "png", "RGB", []),
    "24_jpeg_in_2GB": ("24", "jpg", "RGB", ["--max-memory", "2GB"]),
    "24_jpeg_webp_in_1500MB": ("24", "jpg", "RGB", ["--format", "webp", "--max-memory", "1500MB"]),
}
MAKE = """
import sys, numpy as np
from skimage.data import astronaut
from karat.app.photos.photo import Photo
from karat.app.photos.write import write_photo
width, height, path, kind = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
tile = astronaut()
pixels = np.tile(tile, (height // 512 + 1, width // 512 + 1, 1))[:height, :width]
pixels = (pixels.astype(int) + np.random.default_rng(0).integers(-6, 7, pixels.shape)).clip(0, 255).astype(np.uint8)
bits, camera = 8, {}
if kind == "L":
    pixels = pixels[..., 1:2].copy()
if kind == "RGBA":
    alpha = (np.hypot(*np.mgrid[-1:1:height*1j, -1:1:width*1j]) < 1) * np.uint8(255)
    pixels = np.dstack([pixels, alpha])
if kind in ("10", "16", "raw"):
    bits = 10 if kind == "10" else 16
    pixels = (pixels.astype(np.uint16) * (2**bits - 1) // 255).astype(np.uint16)
if kind == "raw":
    camera = {"model": "karat", "white_balance": (2.0, 1.0, 1.5, 1.0), "color_matrix": np.eye(3).tolist()}
write_photo(path, Photo(pixels, bits, "RAW" if kind == "raw" else "PNG", linear=kind == "raw", camera=camera))
"""


def resident(pid):
    """Bytes of a process and its children."""
    total = 0
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        total = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
    return total + sum(map(resident, children))


def measured(command):
    """(seconds, most resident bytes together, most of the process alone)."""
    start, most = time.perf_counter(), 0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return time.perf_counter() - start, most, usage.ru_maxrss * 1024
        most = max(most, resident(process.pid))
        time.sleep(0.01)


def one(name, folder):
    """A case's figures."""
    size, suffix, kind, options = CASES[name]
    source = folder / f"{size}_{kind}.{suffix}"
    if not source.exists():
        width, height = map(str, MEGAPIXELS[size])
        subprocess.run([KARAT.with_name("python"), "-c", MAKE, width, height, source, kind], check=True)
    command = [KARAT, "upscale", source, "-o", folder / "out", "--overwrite", *options]
    plan = folder / "plan.json"
    done = subprocess.run([*command, "--dry-run", "--json", plan], stdout=subprocess.DEVNULL)
    if done.returncode:
        return {"refused": True}
    planned = json.loads(plan.read_text())["images"][0]
    seconds, most, alone = measured([*command, "--json", folder / "end.json"])
    ratio = {
        "peak_to_predicted": round(most / planned["memory"], 2),
        "alone_to_predicted": round(alone / planned["memory"], 2),
    }
    times = {"predicted_seconds": planned["predicted_seconds"], "seconds": round(seconds, 1)}
    wrote = json.loads((folder / "end.json").read_text())["images"][0]
    made = Path(wrote["output"]).stat().st_size if wrote["error"] is None else wrote["error"]
    sizes = {"predicted_bytes": planned["bytes"], "bytes": made}
    return {"predicted_MB": planned["memory"] // 10**6, "peak_MB": most // 10**6, **ratio, **times, **sizes}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="of cases; all without one")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    asked = parser.parse_args()
    figures = {}
    with tempfile.TemporaryDirectory() as place:
        for case in asked.names or CASES:
            figures[case] = one(case, Path(place))
            print(case, figures[case], flush=True)
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=1) + "\n")
