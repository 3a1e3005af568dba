"""What tiles cost a SwinIR: differences from the whole picture near the lines where tiles meet, and elsewhere.

``python benchmarks/seams.py [--side 256] [--tile 64] [--json FILE] [NETWORK ...]``

The picture is scikit-image's astronaut. Differences are in levels of 255. *Work* is how many pixels are computed for
one of the picture.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from skimage.data import astronaut

import karat
from karat.kernels.pictures.seam import seam
from karat.kernels.pictures.tiling import halo_plan

NETWORKS = ["zoo:swinir-small-x2", "zoo:light-x2-test"]
HALOS = (0, 8, 16, 32, 48)


def main():
    """Print the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    parser.add_argument("--side", type=int, default=256, help="of the picture, in pixels")
    parser.add_argument("--tile", type=int, default=64, help="pixels a side that a tile keeps")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    pixels = astronaut()[: options.side, 100 : 100 + options.side]
    x = (pixels.transpose(2, 0, 1)[None] / np.float32(255)).astype(np.float32)  # (1, 3, H, W)
    rows = [row for network in options.networks for row in measure(network, x, options.tile)]
    print("| network | halo | work | largest at seams | rms at seams | largest elsewhere | rms elsewhere |")
    print("|---|---|---|---|---|---|---|")
    for name, halo, work, *levels in rows:
        print(f"| {name} | {halo} | {work:.2f} | " + " | ".join(f"{level:.2g}" for level in levels) + " |")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


def measure(network, x, tile):
    """Rows of the table for one network."""
    fast = karat.compile(network)
    whole = fast(x)
    for halo in HALOS:
        tiles = halo_plan(*x.shape[2:], (tile, tile), halo)
        work = sum((r.last - r.first) * (c.last - c.first) for r, c in tiles) / (x.shape[2] * x.shape[3])
        found = seam(fast, x, tile, halo, whole)
        levels = (found.largest, found.rms, found.elsewhere_largest, found.elsewhere_rms)
        yield network, halo, work, *(255 * level for level in levels)


if __name__ == "__main__":
    main()
