"""``karat bench``: what is compared by default, and what is printed and written."""

import json as jsonlib
import os
import shlex
import tempfile
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from ...refimpl.errors import BadInput
from ...refimpl.load import load
from ..outputs import check_outputs, write_bytes
from ..packages import parse_size
from ..progress import stages
from .case import Case, picture
from .chart import chart
from .engines import ENGINES, KARAT
from .findings import NOTES
from .fused import fused_layers, measure_layers
from .machine import describe
from .measure import STAGES, measure
from .roofline import peak_loops
from .table import header, layer_lines, markdown, print_work
from .turns import GAP

DEFAULT = {
    "zoo:light-x2-test": "256x256",
    "zoo:classical-x2-test": "128x128",
    "zoo:quicksrnet-small-x2": "512x512",
    "zoo:quicksrnet-medium-x2-test": "512x512",
}
OTHERWISE = "256x256"


@dataclass(frozen=True)
class Outputs:
    """Files that are also written."""

    json: Path | None = None
    markdown: Path | None = None
    svg: Path | None = None


def run_bench(console, networks, size, repeat, threads, engines, outputs=Outputs(), gap=GAP):
    """Compare engines and print what came out.

    Parameters
    ----------
    console : rich.console.Console
    networks : sequence of str
        What `karat.load` takes; none: those of `DEFAULT`.
    size : str or None
        Of the input: HEIGHTxWIDTH, or one number for a square.
    repeat, threads : int
    engines : str or None
        Names of `ENGINES`, with commas between them; all by default.
    outputs : Outputs
    gap : float
        Seconds of rest before every run.

    Returns
    -------
    int
        Exit code: 1 when an engine of karat's failed, or ran a layer on a slow path.

    Raises
    ------
    BadInput
    """
    names = _names(engines)
    _check(repeat, threads, outputs, networks)
    chosen = list(dict.fromkeys(networks)) or list(DEFAULT)
    pictures = {network: _picture(network, size or DEFAULT.get(network, OTHERWISE)) for network in chosen}
    loops = peak_loops()
    peaks = {name: loop.speed for name, loop in loops.items()}
    document = {
        "command": _command(networks, size, repeat, threads, engines),
        "machine": describe() | {"kernels": _kernels()},
        "threads": threads,
        "repeat": repeat,
        "gap_seconds": gap,
        "peak_gflops_per_second": peaks,
    }
    for line in [*header(document), ""]:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    works = []
    for network, x in pictures.items():
        shown = [f"{network}: {stage}" for stage in STAGES]
        with tempfile.TemporaryDirectory() as folder, stages(shown) as progress:
            case = Case(network, x, threads, Path(folder))

            def report(stage, share=0.0, network=network, progress=progress):
                progress(f"{network}: {stage}", share)

            works.append(measure(case, names, repeat, peaks, report, gap))
        print_work(console, works[-1])
    document["fused_layers"] = _layers(works, loops, repeat)
    for line in layer_lines(document["fused_layers"]):
        console.print(line, highlight=False, soft_wrap=True)
    for line in NOTES:
        console.print(line, style="dim", highlight=False, soft_wrap=True)
    _write(outputs, document | {"works": [asdict(work) | {"good": work.good} for work in works]}, works)
    return 0 if all(work.good for work in works) else 1


def _layers(works, loops, repeat):
    """The fused layer alone, in the precisions in which karat ran a SwinIR."""
    ran = {row.precision for work in works if work.flops["attention"] for row in work.rows if row.engine in KARAT}
    layers = [layer for precision in sorted(ran, reverse=True) for layer in fused_layers(precision)]
    return measure_layers(layers, loops, 4 * repeat)  # a layer takes milliseconds, and the medians of few jump


def _write(outputs, document, works):
    if outputs.json:
        write_bytes(outputs.json, (jsonlib.dumps(document, indent=1, allow_nan=False) + "\n").encode())
    if outputs.markdown:
        write_bytes(outputs.markdown, markdown(document, works).encode())
    if outputs.svg:
        write_bytes(outputs.svg, chart(works).encode())


def _names(engines):
    if engines is None:
        return list(ENGINES)
    names = list(dict.fromkeys(name.strip() for name in engines.split(",")))
    for name in names:
        if name not in ENGINES:
            raise BadInput(f"there is no engine {name!r}, expected some of {','.join(ENGINES)}; leave it out")
    return names


def _check(repeat, threads, outputs, networks):
    if repeat < 1:
        raise BadInput(f"--repeat is {repeat}, expected at least 1; give 5 for medians that can be trusted")
    available = os.cpu_count() or 1
    if not 1 <= threads <= available:
        raise BadInput(f"--threads is {threads}, expected 1 to {available}, the processor's; give such a number")
    files = [network for network in networks if not network.startswith("zoo:")]
    check_outputs([outputs.json, outputs.markdown, outputs.svg], *files)
    if outputs.svg and find_spec("matplotlib") is None:
        raise BadInput("--svg draws with matplotlib, which is not installed; run: pip install matplotlib")


def _picture(network, size):
    """The picture that a network is run on; it says before any work whether that is possible."""
    height, width = parse_size(size if "x" in size else f"{size}x{size}")
    config = load(network).config
    step = config.multiple_of
    if height % step or width % step:
        raise BadInput(f"the size is {size} and {network} needs multiples of {step}; give such a --size")
    return picture(height, width, config.channels)


def _kernels():
    from ...kernels import cpu

    return cpu.target().line


def _command(networks, size, repeat, threads, engines):
    """The command that gives these figures again."""
    options = [f"--size {size}"] if size else []
    options += [f"--repeat {repeat}", f"--threads {threads}", *([f"--engines {engines}"] if engines else [])]
    return " ".join(["karat bench", *map(shlex.quote, networks), *options])
