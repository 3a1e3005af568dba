"""How long photographs will take: a small picture is computed and encoded, and the rest follows by proportion.

An estimate, and no more: caches, other work and what a picture shows change it.
"""

import io
import time

import numpy as np

from ..bench.flops import count_flops
from ..photos.photo import Photo
from ..photos.write import encode
from .plan import Item

SIDE = 96  # pixels of the picture that the network computes, about
CODED = 256  # and of the one that is encoded


def network_speed(fast) -> float:
    """Floating-point operations a second of a compiled network, on a small picture."""
    step = getattr(fast.model.config, "multiple_of_window", fast.model.config.multiple_of)
    side = -(-SIDE // step) * step
    x = np.full((1, fast.model.config.channels, side, side), 0.5, np.float32)
    fast(x)  # memory is there from now on
    return sum(count_flops(fast.model, side, side).values()) / _seconds(lambda: fast(x))


def encoding_speed(format, options) -> float:
    """Pixels a second of a format."""
    down, across = np.mgrid[:CODED, :CODED]
    waves = 128 + 100 * np.sin(down / 9) * np.sin(across / 7)
    noise = np.random.default_rng(0).normal(0, 4, (CODED, CODED, 3))
    pixels = np.clip(waves[..., None] + noise, 0, 255)
    deep = format in ("RAW", "TIFF")
    kind = np.uint16 if deep else np.uint8
    photo = Photo((pixels * (257 if deep else 1)).astype(kind), 16 if deep else 8, format, linear=format == "RAW")
    if format == "RAW":  # strips without compression: about what an uncompressed write takes
        return CODED**2 / _seconds(lambda: io.BytesIO().write(photo.pixels.tobytes()))
    return CODED**2 / _seconds(lambda: encode(photo, io.BytesIO(), format, options.quality, "auto"))


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
        colours = item.header.channels - (item.header.channels % 2 == 0)
        runs = (3 if fast.model.config.channels == 1 and colours == 3 else 1) + (item.header.channels % 2 == 0)
        flops = runs * operations(fast, item.target, item.needs.reads)
        pixels = item.target.width * item.target.height
        seconds.append((flops / speed + pixels / coding[item.format]) / jobs)
    return seconds
