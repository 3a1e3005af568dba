"""What the size of tiles costs: a picture of 12 megapixels with less and less memory for the last pass.

``python benchmarks/bands.py``: medians of interleaved runs, as ratios to the whole picture at once.
"""

import time
from statistics import median

import numpy as np

import karat
from karat.app.photos.enlarge import enlarge
from karat.app.photos.size import plan_size

SIZES = (4000, 3000)
BUDGETS = (None, 50, 100, 200, 400, 10_000)  # megabytes; None is what `karat upscale` takes, the last one is the whole

if __name__ == "__main__":
    fast = karat.compile("zoo:quicksrnet-small-x2")
    pixels = np.random.default_rng(0).integers(0, 256, (*SIZES[::-1], 3), np.uint8)
    seconds = {budget: [] for budget in BUDGETS}
    for _ in range(5):
        for budget, found in seconds.items():
            start = time.perf_counter()
            enlarge(fast, pixels, 255, plan_size(*SIZES, 2), max_memory=budget and budget * 10**6)
            found.append(time.perf_counter() - start)
    for budget, found in seconds.items():
        print(f"{budget or 'default':>8} MB: {median(found) / median(seconds[BUDGETS[-1]]):.2f}")
