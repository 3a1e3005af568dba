"""How much memory a photograph takes on its way: of the whole process and of the child that decodes for it.

The way has three stages, and the largest one counts. Sizes follow from the shapes of what is alive; what libraries
take beside is measured (``python benchmarks/photo_memory.py``), in bytes for each pixel.
"""

from dataclasses import dataclass
from math import ceil

from ...kernels.pictures.tile_plan import plan_tiles
from ...refimpl.errors import BadInput
from ..amounts import spoken_bytes
from ..photos.bands import HELD
from ..photos.decoder_child import EACH
from ..photos.photo import Header, colours_of
from ..photos.size import Target

BASE = 150_000_000  # Python, NumPy, numba and the kernels
CHILD = 60_000_000  # the child that decodes, and its libraries, between two pictures
LIBRARY = {"HEIC": 40_000_000, "AVIF": 20_000_000, "RAW": 20_000_000, "TIFF": 20_000_000}  # loaded with the format
# for each RGB pixel while it is encoded, at 8 bits and at more: copies, the encoder's own, and the file's bytes
ENCODING = {"JPEG": (5, 5), "PNG": (6, 6), "WebP": (17, 17), "AVIF": (28, 39), "HEIC": (16, 30)}
ENCODER = {"HEIC": 140_000_000}  # whatever the picture's size
ENCODING |= {"TIFF": (0.2, 0.2), "RAW": (0.2, 0.2)}  # strip by strip
DECODING = 0.5  # of what the child may take for each pixel: its limits are twice what was measured
PACKED = 3  # a network's numbers: as read, and as kernels want them
FLOAT = 4
LIGHT = 5  # arrays in between where light becomes numbers
ALPHA = 6  # and where colours are continued below what is transparent
STRIP = 64  # rows that become floats of 8 bytes at a time


@dataclass(frozen=True)
class Needs:
    """Bytes, all things together.

    Attributes
    ----------
    decode, beside, encode : int
        While a photograph is decoded, is computed but for the network and its result, and is encoded.
    network : int
        That the network may take, its result included.
    reads : float
        Pixels that tiles read for each one of the picture.
    line : str
        How the network computes it, for people.
    budget : int or None
        What ``network`` was held below.
    """

    decode: int
    beside: int
    encode: int
    network: int
    reads: float
    line: str
    budget: int | None

    @property
    def most(self) -> int:
        """At the worst moment."""
        return max(self.decode, self.beside + self.network, self.encode)


def predict(fast, header: Header, target: Target, format: str, bits: int, options, size=0) -> Needs:
    """What a photograph will need.

    Parameters
    ----------
    fast : Upscaler
    header : Header
    target : Target
    format : str
        Of the result.
    bits : int
        Of the result's file.
    options : Options
    size : int
        Bytes of the file.

    Raises
    ------
    BadInput
        When it cannot be done in ``options.max_memory``.
    """
    pixels, enlarged = header.width * header.height, target.width * target.height
    here = pixels * header.channels * (1 if header.bits == 8 else 2)
    result = enlarged * header.channels * (1 if header.bits == 8 else 2)
    weights = sum(value.nbytes for value in fast.model.parameters.values())
    still = BASE + PACKED * weights + CHILD + LIBRARY.get(header.format, 0)
    decode = still + here + int(DECODING * EACH[header.format] * pixels) + 2 * size
    still += here  # the child keeps its last picture until it is asked for the next
    encode = still + LIBRARY.get(format, 0) + result + _encoding(header, enlarged, format, bits)
    before, storing = _before(fast, header, target), result + _storing(fast, header, target)
    if target.passes and not target.resampled:  # the picture is filled beside the last input of the network
        storing += FLOAT * fast.model.config.channels * target.sizes[-2][0] * target.sizes[-2][1]
    beside = still + here + max(before, storing)
    limit = options.max_memory
    if limit is not None and max(decode, beside, encode) > limit:
        least = beside if options.tile else beside + _least(fast, target, 1, options)
        raise BadInput(_too_little(limit, max(decode, least, encode)))
    budget = None if limit is None else limit - beside
    needs = Needs(decode, beside, encode, *_network(fast, target, options, budget, beside), budget)
    if limit is not None and needs.most > limit:  # tiles of a given size
        raise BadInput(_too_little(limit, needs.most))
    return needs


def _too_little(limit, needed):
    needs = ceil(1.01 * needed / 1e6)  # the search for the least ends at 1 %
    return f"max_memory leaves {spoken_bytes(limit)} and {needs} MB are needed; raise it or choose a smaller size"


def _network(fast, target, options, budget, beside):
    """Bytes of the largest pass, how often its tiles read a pixel, and a line about it."""
    if options.tile is not None:
        height, width = options.tile
        result = FLOAT * fast.model.config.channels * int(target.sizes[-1][0] * target.sizes[-1][1])
        shape = f"tiles of {height} x {width} pixels that overlap by {options.overlap}"
        return fast.memory(height, width) + result, 1.0, shape
    try:
        plans = _plans(fast, target, budget, options)
    except BadInput as error:
        if budget is None or "max_memory" not in str(error):
            raise
        raise BadInput(_too_little(options.max_memory, beside + _least(fast, target, budget, options))) from None
    if not plans:
        return 0, 1.0, "resampled only"
    plan = max(plans, key=lambda plan: plan.memory)
    read = sum((rows.last - rows.first) * (columns.last - columns.first) for rows, columns in plan.tiles)
    kept = sum((rows.stop - rows.start) * (columns.stop - columns.start) for rows, columns in plan.tiles)
    return plan.memory, read / kept, plan.line.partition(", about ")[0] + ("" if plan.exact else "; seams are possible")


def _plans(fast, target, budget, options):
    """Of every pass; of the last one only bands are held where they go straight into the picture."""
    held = [None] * target.passes
    if held and not target.resampled:
        held[-1] = HELD
    sizes = zip(target.sizes, held, strict=False)
    return [plan_tiles(fast, height, width, budget, options.halo, count) for (width, height), count in sizes]


def _least(fast, target, budget, options):
    """The smallest budget, rounded up to 1 % of it, for which there are tiles."""
    low = high = max(1, budget)

    def fits(bytes_):
        try:
            return _plans(fast, target, bytes_, options)
        except BadInput:
            return []

    while not fits(high):
        low, high = high, 2 * high
    while high - low > low // 100 + 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def _before(fast, header, target):
    """Bytes of the network's input of the largest pass, or of the arrays that become it."""
    channels = fast.model.config.channels
    passes = [FLOAT * channels * width * height for width, height in target.sizes[: target.passes]] or [0]
    first = FLOAT * channels * header.width * header.height
    ways = (LIGHT if header.format == "RAW" else 1, ALPHA if header.channels in (2, 4) else 1)
    return max(*passes, first * max(ways), key=int) + (first // 3 if header.channels == 1 else 0)


def _storing(fast, header, target):
    """Bytes beside the network's result while it is rounded into the picture."""
    colours = colours_of(header.channels)
    strip = 8 * 3 * colours * STRIP * target.width
    last = target.sizes[-1][0] * target.sizes[-1][1]
    strip += FLOAT * last if colours == 1 < fast.model.config.channels else 0  # the mean of three colours
    return strip + (FLOAT * (2 * colours * target.width * target.height + last) if target.resampled else 0)


def _encoding(header, enlarged, format, bits):
    """Bytes beside the picture while it is encoded."""
    changed = header.channels * (1 if bits == 8 else 2) if bits != header.bits else 0
    channels = {1: 0.5, 2: 1}.get(header.channels, header.channels / 3)
    return ENCODER.get(format, 0) + int(enlarged * (ENCODING[format][bits > 8] * channels + changed))
