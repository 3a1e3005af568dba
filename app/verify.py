"""``karat verify``: from what a person typed to a verdict on the terminal."""

import math
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.measure import Measurement

from ..refimpl.errors import BadInput
from ..refimpl.load import load
from ..refimpl.metrics import luma, psnr
from .example import low_resolution, photograph
from .picture import read_picture
from .progress import bar, stages
from .verify_outputs import Wanted

EMBEDDED = "zoo:quicksrnet-small-x2"


def run_verify(console, package=None, weights=None, picture=None, average=1, wanted=None):
    """Verify a package, or a network that is exported to Core ML FP16 first.

    Parameters
    ----------
    console : rich.console.Console
    package : Path or None
        ``.mlpackage``; None exports ``weights``.
    weights : str or None
        What `karat.load` takes; the embedded network by default, but needed for a package.
    picture : Path or None
        The network's input; the embedded photograph's bicubic half by default.
    average : int
        See `karat.refimpl.models.quicksrnet.Config`.
    wanted : Wanted, optional
        What to write, and whether to bound the range for all images.

    Returns
    -------
    int
        Exit code: 0 faithful, 1 not, 2 could not be judged.
    """
    from ..convert.fidelity.budget import error_budget
    from ..convert.fidelity.ranges.certificate import certify
    from ..convert.fidelity.verify import STAGES, verify
    from ..convert.mil import open_package

    wanted = wanted or Wanted()
    if package is not None and weights is None:
        raise BadInput(f"{package} came without its checkpoint; name it with --weights")
    wanted.check(picture, weights, package)
    explicit = {"average": average} if average != 1 else {}
    model = load(weights or EMBEDDED, **explicit)
    wanted.check_plan(model)
    x = read_picture(picture) if picture else low_resolution(model.scale)
    with tempfile.TemporaryDirectory() as folder, stages(("exporting", *STAGES)) as progress:
        if package is None:
            progress("exporting")
            x = _multiple(x, model.config.multiple_of)
            package = _export(model, Path(folder), x.shape)
            origin = "exported to Core ML FP16 just now"
        else:
            origin = str(package)
        program = open_package(package)
        x, note = fit(x, program.inputs[0].shape, program.inputs[0])
        verdict = verify(model, program, x, progress=progress)
    if wanted.certificate:
        with bar("range for all images") as progress:
            layers = {found.name: found.layer for found in verdict.operators}
            verdict = replace(verdict, certificate=certify(program, layers, progress=progress))
    if wanted.budget or wanted.report:
        with bar("error budget") as progress:
            verdict = replace(verdict, budget=error_budget(verdict, model, program, x, progress))
    name = picture.name if picture else "the astronaut photograph's bicubic half"
    title = f"{weights or EMBEDDED}, {origin}, on {name}{note}: {x.shape[2]} x {x.shape[3]} pixels"
    _print(console, _lines(title, verdict, model.scale, picture, console))
    _print(console, wanted.write(verdict, model, program, x, title))
    return {True: 0, False: 1, None: 2}[verdict.faithful]


def _print(console, lines):
    """Text is printed as it is, whatever brackets a file name has."""
    for line in lines:
        text = isinstance(line, str)
        console.print(line, highlight=False, markup=not text, emoji=False, soft_wrap=text)


def _lines(title, verdict, scale, picture, console):
    """What is printed, from title to answer; the table is a rich table."""
    endless = console.options.update(width=1000)
    narrow = Measurement.get(console, endless, verdict.table()).maximum > console.width
    yield from (title, "", verdict.table(compact=narrow), "", *verdict.summary())
    truth = photograph()
    if picture is None and verdict.golden.shape[1:] == truth.shape:
        yield _against(truth, verdict, int(scale))


def _export(model, folder, shape):
    from ..convert.export.coreml import export

    return export(model, folder / "network.mlpackage", input_shape=shape)


def _multiple(x, step):
    """Crop to sides that the network takes."""
    return x[:, :, : x.shape[2] // step * step, : x.shape[3] // step * step]


def fit(x, shape, feature=None):
    """Crop a picture's centre to the size of a package's input.

    Parameters
    ----------
    x : ndarray, (1, C, H, W)
    shape : tuple of int or None
        (1, C, H, W) as the package declares it; None takes any size.
    feature : Feature, optional
        The input, where it may allow some sizes only: the largest one that the picture holds is taken.

    Returns
    -------
    x : ndarray, (1, C, H', W')
    note : str
        What was done, for a title; empty when nothing was.

    Raises
    ------
    BadInput
        When the picture is too small, or the package takes no picture.
    """
    if len(shape) != 4:
        raise BadInput(f"the package takes an input of shape {shape}, expected (1, 3, H, W); export the network again")
    want = _allowed(x.shape[2:], feature) or [size or have for size, have in zip(shape[2:], x.shape[2:], strict=True)]
    if any(have < size for have, size in zip(x.shape[2:], want, strict=True)):
        raise BadInput(
            f"the picture is {x.shape[2]} x {x.shape[3]} pixels and the package takes {want[0]} x {want[1]}; "
            "give a larger picture with --input"
        )
    top, left = ((have - size) // 2 for have, size in zip(x.shape[2:], want, strict=True))
    cropped = x[:, :, top : top + want[0], left : left + want[1]]
    return cropped, "" if cropped.shape == x.shape else ", its centre cut to the package's size"


def _allowed(have, feature):
    """The largest (H, W) that an input allows within a picture's; None where it lists none, or none fits."""
    if feature is None or len(feature.shape) != 4:
        return None
    if feature.ranges:
        return [min(high or size, size) for size, (_, high) in zip(have, feature.ranges[2:], strict=True)]
    fitting = [size[2:] for size in feature.sizes if size[2] <= have[0] and size[3] <= have[1]]
    return max(fitting, key=math.prod, default=None)


def _against(truth, verdict, border):
    """How near each picture comes to the photograph that the input was made from."""
    golden, package = (
        psnr(luma(np.clip(image[0].astype(np.float64), 0, 1)), luma(truth / 255), border=border)
        for image in (verdict.golden, verdict.output)
    )
    return f"against the photograph itself (Y): golden {golden:.3f} dB, package {package:.3f} dB"
