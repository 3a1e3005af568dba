"""What the rows' networks take and give: bytes, packages, quality, and time in turns."""

import statistics
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...kernels.compile import compile
from ...refimpl.checkpoint import write_safetensors
from ...refimpl.errors import BadInput
from ...refimpl.protocol import score
from ..bench.case import picture
from ..bench.turns import GAP, take_turns
from .rows import Row

STAGES = ("pruning", "compiling", "quality", "timing", "Core ML")
NO_ATTENTION = "no layer has attention left: counted, not built"
UNTRAINED = "the weights are a formula and untrained"
EXTRA = "torch and coremltools are not installed; run: pip install 'karat[convert]'"


@dataclass
class Measured:
    """A row with what was measured of it; None where nothing was, and ``blank`` says why.

    Attributes
    ----------
    row : Row
    bytes, coreml_bytes : int or None
        Of the safetensors file and of all files of the package.
    psnr, ssim : float or None
        Means over the pictures.
    seconds : list of float
        Of every run.
    blank : dict of str to str
        Reason by column: "bytes", "coreml_bytes", "psnr", "seconds".
    """

    row: Row
    bytes: int | None = None
    coreml_bytes: int | None = None
    psnr: float | None = None
    ssim: float | None = None
    seconds: list[float] = field(default_factory=list)
    blank: dict[str, str] = field(default_factory=dict)

    @property
    def median_seconds(self) -> float | None:
        """Latency."""
        return statistics.median(self.seconds) if self.seconds else None


def joules(seconds: float, power: float) -> float:
    """Energy of one inference at a stated power in watts.

    Examples
    --------
    >>> joules(0.5, 15)
    7.5
    """
    return seconds * power


def inferences(seconds: float, power: float, budget: float) -> int:
    """Whole inferences that a budget in watt hours pays for.

    Examples
    --------
    >>> inferences(0.5, 15, 10)  # 36,000 J
    4800
    """
    return int(3600 * budget / joules(seconds, power))


@dataclass(frozen=True)
class Conditions:
    """Under which all rows are measured.

    Attributes
    ----------
    size, package_size : (int, int)
        (H, W) of the picture that is timed, and of the package's input.
    pictures : mapping of str to ndarray of uint8, (3, H, W)
        That quality is measured on.
    threads, repeat : int
    gap : float
        Seconds of rest before every run.
    trained : bool
        Whether the quality of the network and of what was pruned of it says anything.
    """

    size: tuple[int, int]
    package_size: tuple[int, int]
    pictures: Mapping[str, np.ndarray]
    threads: int = 1
    repeat: int = 5
    gap: float = GAP
    trained: bool = True


def measure(rows: list[Row], conditions: Conditions, progress=lambda stage, share=0.0: None) -> list[Measured]:
    """Build and measure every row.

    Parameters
    ----------
    rows : list of Row
    conditions : Conditions
    progress : callable
        Called with one of `STAGES` and the share of it that is done.

    Returns
    -------
    list of Measured
        In the order of the rows.
    """
    found = [Measured(row) for row in rows]
    built = {}
    for index, one in enumerate(found):
        progress("pruning", index / len(found))
        if one.row.build is None:
            one.blank = dict.fromkeys(("bytes", "coreml_bytes", "psnr", "seconds"), NO_ATTENTION)
        else:
            built[index] = one.row.build()
    fast = _compiled(found, built, conditions, progress)
    for done, (index, upscaler) in enumerate(fast.items()):
        progress("quality", done / len(fast))
        _quality(found[index], upscaler, conditions)
    _time(found, fast, conditions, progress)
    with tempfile.TemporaryDirectory() as folder:
        for done, (index, network) in enumerate(built.items()):
            progress("Core ML", done / len(built))
            _sizes(found[index], network, Path(folder), conditions.package_size)
    return found


def _compiled(found, built, conditions, progress):
    """Upscalers that have run once: nothing is compiled or allocated for the first time when it is timed."""
    fast, x = {}, _input(built, conditions)
    for done, (index, network) in enumerate(built.items()):
        progress("compiling", done / len(built))
        try:
            upscaler = compile(network, threads=conditions.threads)
            upscaler(x)
        except BadInput as error:
            found[index].blank |= dict.fromkeys(("psnr", "seconds"), str(error))
        else:
            fast[index] = upscaler
    return fast


def _input(built, conditions):
    height, width = conditions.size
    return picture(height, width, next(iter(built.values())).config.channels)


def _quality(one, upscaler, conditions):
    model = upscaler.model
    if not (one.row.trained if one.row.technique == "also" else conditions.trained):
        one.blank["psnr"] = UNTRAINED
    elif model.scale == 1 or model.config.channels != 3:
        one.blank["psnr"] = "the test protocol is that of networks that upscale colour pictures"
    else:
        scores = [score(upscaler, hr, model.scale) for hr in conditions.pictures.values()]
        one.psnr, one.ssim = (float(value) for value in np.mean(scores, axis=0))
        if np.isinf(one.psnr):
            one.psnr, one.blank["psnr"] = None, "it is infinite: a result is the picture itself, byte for byte"


def _time(found, fast, conditions, progress):
    if not fast:
        return
    x = _input({index: upscaler.model for index, upscaler in fast.items()}, conditions)
    runs = {index: lambda upscaler=upscaler: upscaler(x) for index, upscaler in fast.items()}
    times = take_turns(runs, conditions.repeat, conditions.gap, lambda share: progress("timing", share))
    for index, seconds in times.items():
        found[index].seconds = seconds


def _sizes(one, network, folder, size):
    """Of the file and of the package, both really written."""
    file = folder / "network.safetensors"
    write_safetensors(file, network.parameters)
    one.bytes = file.stat().st_size
    try:
        from ...convert.export.coreml import export

        package = export(network, folder / "network.mlpackage", (1, network.config.channels, *size))
        one.coreml_bytes = sum(path.stat().st_size for path in package.rglob("*") if path.is_file())
    except ModuleNotFoundError:
        one.blank["coreml_bytes"] = EXTRA
    except BadInput as error:
        one.blank["coreml_bytes"] = str(error)
    except Exception as error:  # a converter may raise anything: it is said, and the other columns stay
        one.blank["coreml_bytes"] = f"the export failed: {type(error).__name__}: {error}".splitlines()[0]
