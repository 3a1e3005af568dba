"""The command line. Exit codes: 0 yes, 1 no, 2 could not be judged or bad input."""

import os
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ..refimpl.errors import BadInput
from .json_out import json_place

# where a shell has closed a stream (`>&-`) nothing is written, and no file of ours takes its number
sys.stdout, sys.stderr = (stream or open(os.devnull, "w") for stream in (sys.stdout, sys.stderr))  # noqa: SIM115
app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
PIPED = 160  # columns where nobody looks: no layer's name is broken, and grep finds it
console = Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPED)
CONVERT_EXTRA = {"torch", "coremltools", "jinja2"}

Weights = Annotated[str | None, typer.Option("--weights", "-w", help="zoo:NAME, .pth or .safetensors")]
Json = Annotated[Path | None, typer.Option("--json", help="also here; - is stdout", callback=json_place(console))]
Average = Annotated[int, typer.Option(help="2: a x3 QuickSRNet followed by 2x2 averaging")]

Package = Annotated[Path, typer.Argument(help=".mlpackage")]
Function = Annotated[str | None, typer.Option(help="which function of the package; default: its default one")]
Range = Annotated[bool, typer.Option("--range", help="also bound every value for all images in [0, 1]")]


@app.callback()
def options(debug: Annotated[bool, typer.Option("--debug", help="show a traceback when something fails")] = False):
    """Assay converted super-resolution networks against a golden reference."""


@app.command()
def verify(
    package: Annotated[Path | None, typer.Argument(help=".mlpackage; default: a fresh export of the network")] = None,
    weights: Weights = None,
    input: Annotated[Path | None, typer.Option("--input", "-i", help="picture to run; default: a photograph")] = None,
    json: Json = None,
    average: Average = 1,
    range: Range = False,
    budget: Annotated[bool, typer.Option("--budget", help="measure what every cause of error alone costs")] = False,
    culprit: Annotated[
        Path | None, typer.Option("--culprit", help="new folder for the smallest part that shows the defect")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="also write a page to look at, NAME.html")] = None,
    plan: Annotated[Path | None, typer.Option(help="of `karat plan --json`, for the page")] = None,
):
    """Compare a converted network with its golden reference, layer by layer."""
    from .verify import run_verify
    from .verify_outputs import Wanted

    wanted = Wanted(json, report, plan, culprit, range, budget)
    raise typer.Exit(run_verify(console, package, weights, input, average, wanted))


@app.command()
def export(
    output: Annotated[Path, typer.Option("--output", "-o", help="NAME.mlpackage")],
    weights: Annotated[
        str, typer.Option("--weights", "-w", help="zoo:NAME, .pth or .safetensors")
    ] = "zoo:quicksrnet-small-x2",
    size: Annotated[str, typer.Option(help="input size, HEIGHTxWIDTH")] = "64x64",
    precision: Annotated[str, typer.Option(help="float16 or float32: what operators compute in")] = "float16",
    storage: Annotated[str | None, typer.Option(help="float16 or float32: what weights are stored in")] = None,
    target: Annotated[str, typer.Option(help="iOS16, iOS17 or iOS18")] = "iOS17",
    io: Annotated[str, typer.Option(help="float32 or float16: type of the input and the output")] = "float32",
    keep_float32: Annotated[list[str] | None, typer.Option(help="layer or operator type that stays in float32")] = None,
    average: Average = 1,
):
    """Convert a trained network to a Core ML package."""
    from .packages import run_export

    run_export(console, weights, output, size, precision, storage, target, io, keep_float32 or (), average)


@app.command()
def run(
    package: Package,
    input: Annotated[Path, typer.Option("--input", "-i", help="picture, or .npz with one array per input")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="picture, or .npz")] = None,
    profile: Annotated[str, typer.Option(help="fp32-accumulate, float32 or float64")] = "fp32-accumulate",
    against: Annotated[
        Path | None, typer.Option(help=".npz of expected outputs; exit 1 when rounding does not explain the difference")
    ] = None,
    function: Function = None,
):
    """Execute a Core ML package on this machine."""
    from .packages import run_package

    raise typer.Exit(run_package(console, package, input, output, profile, against, function))


@app.command()
def plan(
    target_psnr: Annotated[float, typer.Option(help="dB that the package has to reach against the golden picture")],
    weights: Annotated[
        str, typer.Option("--weights", "-w", help="zoo:NAME, .pth or .safetensors")
    ] = "zoo:swinir-small-x2",
    input: Annotated[Path | None, typer.Option("--input", "-i", help="picture; default: a photograph")] = None,
    size: Annotated[str, typer.Option(help="input size, HEIGHTxWIDTH: the picture's centre")] = "64x64",
    json: Json = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="also export: NAME.mlpackage")] = None,
    selector: Annotated[Path | None, typer.Option(help="also write op_selector code here: NAME.py")] = None,
    average: Average = 1,
):
    """Find the few operators to keep in float32 so that a package reaches a PSNR."""
    from .plan import run_plan

    raise typer.Exit(run_plan(console, weights, target_psnr, input, size, json, output, selector, average))


@app.command()
def inspect(package: Package, json: Json = None, range: Range = False, function: Function = None):
    """Say what a Core ML package holds; with --range: 0 it cannot overflow, 1 an image does it, 2 not known."""
    if range:
        from .ranges import run_range

        raise typer.Exit(run_range(console, package, json, function))
    from .packages import run_inspect

    run_inspect(console, package, json, function)


@app.command()
def zoo(name: Annotated[str | None, typer.Argument(help="show this network's card")] = None, json: Json = None):
    """List the embedded networks."""
    from .zoo import run_zoo

    run_zoo(console, name, json)


@app.command()
def upscale(
    inputs: Annotated[list[str], typer.Argument(help="photographs, folders, or patterns such as 'holiday/*.heic'")],
    output: Annotated[str, typer.Option("--output", "-o", help="file for one photograph, else a folder")],
    model: Annotated[str, typer.Option(help="zoo:NAME, .pth or .safetensors")] = "zoo:quicksrnet-small-x2",
    scale: Annotated[float | None, typer.Option(help="of the results; default: the network's")] = None,
    size: Annotated[str | None, typer.Option(help="instead: 4000x3000 (inside it), long=4000 or short=3000")] = None,
    format: Annotated[
        str | None, typer.Option(help="jpeg, png, tiff, webp, avif, heic or dng; default: the input's")
    ] = None,
    quality: Annotated[int | None, typer.Option(help="1 to 100, of formats that lose something")] = None,
    bits: Annotated[str, typer.Option(help="auto, 8, 10, 12 or 16 a channel")] = "auto",
    metadata: Annotated[str, typer.Option(help="keep or strip")] = "keep",
    color: Annotated[str, typer.Option(help="keep (numbers and profile) or srgb")] = "keep",
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="folders inside folders too")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace results that are there")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="go on: leave out what the manifest proves done")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="print the plan, and write nothing")] = False,
    json: Json = None,
    compare: Annotated[Path | None, typer.Option(help="also write a page of before and after, NAME.html")] = None,
    truth: Annotated[Path | None, typer.Option(help="with --compare: what it was made smaller from")] = None,
    shard: Annotated[str | None, typer.Option(help="such as 2/8: this machine's part of the job")] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "--workers", help="processes of one thread, for many small pictures")
    ] = 1,
    precision: Annotated[str, typer.Option(help="float32 or bfloat16: what products are computed in")] = "float32",
    threads: Annotated[int | None, typer.Option(help="default: all there are")] = None,
    max_memory: Annotated[
        str | None, typer.Option(help="of everything, such as 2GB: in tiles where that needs it")
    ] = None,
    halo: Annotated[int | None, typer.Option(help="pixels that such a tile of a SwinIR reads around it")] = None,
    tile: Annotated[str | None, typer.Option(help="HEIGHTxWIDTH: as a package of this input size would")] = None,
    overlap: Annotated[
        int | None, typer.Option(help="pixels that neighbouring --tile tiles share at least; default: 16")
    ] = None,
):
    """Upscale photographs on the compiled kernels."""
    from .quick import quick_start

    wanted = {"scale": scale, "size": size, "precision": precision, "threads": threads, "max_memory": max_memory}
    wanted |= {"halo": halo, "overlap": overlap, "format": format, "quality": quality, "bits": bits}
    wanted |= {"metadata": metadata, "color": color, "tile": tile}
    ways = {"recursive": recursive, "overwrite": overwrite, "resume": resume, "shard": shard, "jobs": jobs}
    ways |= {"dry_run": dry_run, "json": json, "compare": compare, "truth": truth}
    with quick_start():
        from .batch.command import run_upscale

        code = run_upscale(_tell, _say, inputs, output, model, wanted, ways, console)
    raise typer.Exit(code)


@app.command()
def prune(
    model: Annotated[str, typer.Argument(help="zoo:NAME, .pth or .safetensors of a SwinIR")],
    output: Annotated[Path, typer.Option("--output", "-o", help="NAME.safetensors")],
    heads: Annotated[int | None, typer.Option(help="so many of every layer; with --globally of the network")] = None,
    hidden: Annotated[float | None, typer.Option(help="share of the hidden channels of every layer")] = None,
    queries: Annotated[float | None, typer.Option(help="share of every head's queries and keys")] = None,
    values: Annotated[float | None, typer.Option(help="share of every head's values")] = None,
    unstructured: Annotated[
        float | None, typer.Option(help="share of the weights of all linear layers, set to zero, the smallest first")
    ] = None,
    cut: Annotated[list[str] | None, typer.Option(help="these heads: layers.0.residual_group.blocks.1:0,2")] = None,
    by: Annotated[str, typer.Option(help="l1, taylor, sensitivity, or a file of learnt importances")] = "l1",
    images: Annotated[Path | None, typer.Option(help="folder of pictures to score on; default: a photograph")] = None,
    globally: Annotated[bool, typer.Option("--globally", help="rank over the whole network")] = False,
    masked: Annotated[bool, typer.Option("--masked", help="keep the shapes and write zeros")] = False,
    from_plan: Annotated[Path | None, typer.Option(help="what goes, as --plan wrote it")] = None,
    plan: Annotated[Path | None, typer.Option(help="also write down here what goes")] = None,
    size: Annotated[str, typer.Option(help="input size, HEIGHTxWIDTH, that FLOPs are counted for")] = "256x256",
    json: Json = None,
):
    """Take heads, channels and weights out of a SwinIR."""
    from .prune.run import run_prune
    from .prune.wanted import Wanted

    chosen = (heads, hidden, queries, values, unstructured, tuple(cut or ()), by, images, globally, masked)
    run_prune(console, model, output, Wanted(*chosen, from_plan, plan, json), size)


@app.command()
def table(
    model: Annotated[str, typer.Argument(help="classical, lightweight, real-world, zoo:NAME, .pth or .safetensors")],
    counts_only: Annotated[bool, typer.Option("--counts-only", help="count parameters and FLOPs only")] = False,
    also: Annotated[list[str] | None, typer.Option(help="a further network, fine-tuned or distilled")] = None,
    images: Annotated[Path | None, typer.Option(help="folder of large pictures; default: a photograph")] = None,
    size: Annotated[str, typer.Option(help="input size that is timed, HEIGHTxWIDTH")] = "256x256",
    package_size: Annotated[str, typer.Option(help="input size of the Core ML packages")] = "64x64",
    repeat: Annotated[int, typer.Option(help="rounds; medians count")] = 5,
    threads: Annotated[int, typer.Option(help="of the kernels")] = 1,
    power: Annotated[float, typer.Option(help="watts while it runs: stated, not measured")] = 15.0,
    budget: Annotated[float, typer.Option(help="watt hours that inferences are counted for")] = 10.0,
    json: Json = None,
    markdown: Annotated[Path | None, typer.Option(help="also write the table here, below the command")] = None,
    drawings: Annotated[
        list[Path] | None, typer.Option("--svg", "--png", help="also draw it; the suffix decides")
    ] = None,
):
    """Compare what pruning does to a SwinIR: size, quality, time and energy."""
    from .table.run import Wanted, run_table

    chosen = (counts_only, tuple(also or ()), images, size, package_size, repeat, threads, power, budget)
    run_table(console, model, Wanted(*chosen, json, markdown, tuple(drawings or ())))


@app.command()
def warm(
    clean: Annotated[bool, typer.Option("--clean", help="remove the kernels of other versions and processors")] = False,
):
    """Compile all kernels, so that no picture has to wait for them."""
    from .warm import run_warm

    run_warm(_tell, clean)


def _tell(sentence):
    """One line on stdout, whatever its length."""
    console.print(sentence, markup=False, highlight=False, soft_wrap=True)


@app.command()
def bench(
    networks: Annotated[list[str] | None, typer.Argument(help="zoo:NAME, .pth or .safetensors; default: four")] = None,
    size: Annotated[str | None, typer.Option(help="input size: HEIGHTxWIDTH, or one number for a square")] = None,
    repeat: Annotated[int, typer.Option(help="rounds; medians count")] = 5,
    threads: Annotated[int, typer.Option(help="of every engine")] = 1,
    engines: Annotated[str | None, typer.Option(help="names with commas between them; default: all")] = None,
    json: Json = None,
    markdown: Annotated[Path | None, typer.Option(help="also write the tables here, below the command")] = None,
    svg: Annotated[Path | None, typer.Option(help="also draw the times here")] = None,
):
    """Run engines side by side: times, errors, memory, and how near the processor's peak they come."""
    from .bench.run import Outputs, run_bench

    outputs = Outputs(json, markdown, svg)
    raise typer.Exit(run_bench(console, networks or (), size, repeat, threads, engines, outputs))


def _say(sentence):
    """One sentence on stderr, never wrapped, so that it can be found by grep."""
    Console(stderr=True).print(f"karat: {sentence}", markup=False, highlight=False, soft_wrap=True)


def _sentence(error):
    """What to say of an exception: found, expected, what to do next."""
    if isinstance(error, BadInput):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and error.name in CONVERT_EXTRA:
        return f"this command needs {error.name}, which is not installed; run: pip install 'karat[convert]'"
    reason = str(error).splitlines()[0] if str(error) else "no reason given"
    return f"stopped by {type(error).__name__}: {reason}; run `karat --debug ...` for the traceback"


def main():
    """Entry point of the ``karat`` command."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1  # wherever it stands
    try:
        app(arguments)
    except Exception as error:
        if debug:
            traceback.print_exc()
        else:
            _say(_sentence(error))
        sys.exit(2)
