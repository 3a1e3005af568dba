"""How long photographs will take: a small picture is computed and encoded, and the rest follows by proportion.

An estimate, and no more: caches, other work and what a picture shows change it.
"""

import io
import time
from functools import cache

import numpy as np

from ..bench.flops import count_flops
from ..photos.enlarge import runs_of
from ..photos.photo import Photo
from ..photos.write import encode
from .plan import Item

SIDE = 96  # pixels of the picture that the network computes, about
CODED = 192, 384  # and of two that are encoded: what an encoder takes to begin is not counted for each pixel

NANOSECONDS = {
    "JPEG": 5,
    "RAW": 5,
    "WebP": 200,
    "PNG": 230,
    "TIFF": 300,
    "AVIF": 700,
    "HEIC": 3700,
}  # to encode a pixel
WORTH_MEASURING = 10  # seconds: a measurement takes one at most
FLOPS = 1e11  # a second; both are for bars, which must not take time: about what 2 cores give


def network_share(fast, item: Item) -> float:
    """How much of the time of a photograph passes before it is encoded, about.

    Returns
    -------
    float
        In (0, 1): more than 0.9 for a JPEG and a third or less for a HEIC of QuickSRNet's.
    """
    computing = runs_of(fast, item.header.channels) * operations(fast, item.target, item.needs.reads) / FLOPS
    encoding = NANOSECONDS[item.format] * 1e-9 * item.target.width * item.target.height
    return (computing + encoding / 100) / (computing + encoding)


def network_speed(fast) -> float:
    """Floating-point operations a second of a compiled network, on a small picture."""
    step = getattr(fast.model.config, "multiple_of_window", fast.model.config.multiple_of)
    side = -(-SIDE // step) * step
    x = np.full((1, fast.model.config.channels, side, side), 0.5, np.float32)
    fast(x)  # memory is there from now on
    return sum(count_flops(fast.model, side, side).values()) / _seconds(lambda: fast(x))


def encoding_seconds(item: Item, options) -> float:
    """How long a photograph will be encoded, about: measured where that takes little of it."""
    pixels = item.target.width * item.target.height
    rough = NANOSECONDS[item.format] * 1e-9 * pixels
    return rough if rough < WORTH_MEASURING else pixels / encoding_speed(item.format, options)


@cache
def encoding_speed(format, options) -> float:
    """Pixels a second of a format."""
    _coding_seconds(16, format, options)  # libraries are loaded from now on
    small, large = (_coding_seconds(side, format, options) for side in CODED)
    pixels = CODED[1] ** 2 - CODED[0] ** 2
    return pixels / max(large - small, large * pixels / CODED[1] ** 2 / 10)  # other work may have slowed the small one


def _coding_seconds(side, format, options):
    """For a square of waves and noise."""
    down, across = np.mgrid[:side, :side]
    waves = 128 + 100 * np.sin(down / 9) * np.sin(across / 7)
    noise = np.random.default_rng(0).normal(0, 4, (side, side, 3))
    deep = format in ("RAW", "TIFF")
    pixels = (np.clip(waves[..., None] + noise, 0, 255) * (257 if deep else 1)).astype(np.uint16 if deep else np.uint8)
    photo = Photo(pixels, 16 if deep else 8, format)
    start = time.perf_counter()
    if format == "RAW":  # strips without compression
        io.BytesIO().write(pixels.tobytes())
    else:
        encode(photo, io.BytesIO(), format, options.quality)
    return time.perf_counter() - start


def operations(fast, target, tiled=1.0) -> float:
    """Of all passes to a target; ``tiled`` is how many pixels tiles read for each one of the picture."""
    return tiled * sum(sum(count_flops(fast.model, h, w).values()) for w, h in target.sizes[: target.passes])


def _seconds(work):
    """The least of two: the first one may load a library."""
    times = []
    for _ in range(2):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return max(min(times), 1e-9)


def predicted_seconds(plan, fast, options, jobs=1) -> list[float]:
    """Seconds for each item of a plan, about; 0 where nothing will be done."""
    speed = network_speed(fast)
    coding = {format: encoding_speed(format, options) for format in sorted({item.format for item in plan.items})}
    seconds = []
    for item in plan.entries:
        if not isinstance(item, Item):
            seconds.append(0.0)
            continue
        flops = runs_of(fast, item.header.channels) * operations(fast, item.target, item.needs.reads)
        pixels = item.target.width * item.target.height
        seconds.append((flops / speed + pixels / coding[item.format]) / jobs)
    return seconds
