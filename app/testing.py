"""``assert_faithful``: the whole comparison as one line of a test."""

import json
from collections import Counter
from pathlib import Path

import numpy as np

from ..refimpl.errors import BadInput
from ..refimpl.load import load
from .example import low_resolution
from .outputs import write_bytes
from .picture import read_picture
from .verify import fit

FORMAT = 1  # of a baseline


def assert_faithful(
    model, package, images=None, profile="fp32-accumulate", baseline=None, allowed_drop=0.5, update=False
):
    """Fail unless a Core ML package is the network that it was converted from, up to proven rounding.

    Parameters
    ----------
    model : Model, path_like, str or mapping
        The golden model, or what `karat.load` takes.
    package : Program or path_like
    images : sequence of (path_like or ndarray), optional
        Pictures (their centres are cut to the package's size), or arrays (1, C, H, W) in [0, 1]. The embedded
        photograph's bicubic reduction by default.
    profile : str
        Arithmetic to run the package in.
    baseline : path_like, optional
        JSON file of the quality that was once accepted: the package's PSNR in dB against the golden picture.
    allowed_drop : float
        How many dB below the baseline are still accepted.
    update : bool
        Write the baseline instead of comparing with it.

    Returns
    -------
    list of Verdict
        One per image.

    Raises
    ------
    AssertionError
        Names the layer, the operator, the kind of the defect, its size, and the next command, in at most 15 lines.
    BadInput
        When the two cannot be compared at all.

    Examples
    --------
    >>> assert_faithful("net.pth", "m.mlpackage", images=["photo.png"])  # doctest: +SKIP
    """
    from ..convert.fidelity import verify
    from ..convert.mil import open_package
    from ..convert.mil.program import Program

    weights = model if isinstance(model, (str, Path)) else "WEIGHTS"
    model = model if hasattr(model, "trace") else load(model)
    program = package if isinstance(package, Program) else open_package(package)
    verdicts = []
    for name, x in _pictures(images, model, program.inputs[0]):
        verdict = verify(model, program, x, profile=profile)
        if verdict.faithful is not True:
            raise AssertionError(_message(verdict, program.path, weights, name))
        verdicts.append((name, verdict))
    if baseline is not None:
        _hold_against(Path(baseline), dict(verdicts), allowed_drop, update)
    return [verdict for _, verdict in verdicts]


def _pictures(images, model, feature):
    """(name, array of the package's size) of every image."""
    if images is None:
        yield "the astronaut photograph", fit(low_resolution(model.scale), feature.shape, feature)[0]
        return
    images = [images] if isinstance(images, (str, Path, np.ndarray)) else list(images)
    if not images:
        raise BadInput("there is no image to judge on, expected at least one; leave images out for the built-in one")
    for number, image in enumerate(images):
        if isinstance(image, np.ndarray):
            yield f"image {number}", image
        else:
            yield str(image), fit(read_picture(image), feature.shape, feature)[0]


def _message(verdict, package, weights, picture):
    """What a person needs to know of a failed comparison, in at most 15 lines."""
    culprit = verdict.culprit
    counts = Counter(row.verdict for row in verdict.rows)
    others = [entry.note for entry in verdict.ledger.entries if entry.wrong and entry.note != culprit.note]
    answer = "is NOT the network of" if verdict.faithful is False else "could not be judged against"
    lines = [
        f"{package} {answer} {weights}, on {picture} ({verdict.profile})",
        f"  layer:    {culprit.layer}",
        f"  operator: {culprit.operator}, variable {culprit.variable or 'not found'}",
        f"  kind:     {culprit.kind or culprit.verdict}",
        f"  size:     {culprit.note}",
        f"  layers:   {', '.join(f'{count} {kind}' for kind, count in counts.items())}",
    ]
    if culprit.measured:
        m = culprit.measured
        lines.append(
            f"  there:    {m.max_abs:.2g} at most off the golden layer, SQNR {m.sqnr:.1f} dB, max|x| {m.largest:.3g}"
        )
    if verdict.shares:
        lines.append(f"  picture:  {verdict.shares['total']:.1f} dB against the golden one")
    lines += [f"  constant: {note}" for note in others[:3]]
    given = f" --input {picture}" if Path(picture).is_file() else ""
    lines.append(f"  next:     karat verify {package} --weights {weights}{given} --culprit culprit --report page.html")
    return "\n".join(lines)


def _hold_against(path, verdicts, allowed_drop, update):
    """Compare the pictures' PSNR with the baseline, or write it."""
    found = {name: round(verdict.shares["total"], 2) for name, verdict in verdicts.items()}
    if update:
        content = {"format": FORMAT, "psnr": {name: str(v) if np.isinf(v) else v for name, v in found.items()}}
        return write_bytes(path, json.dumps(content, indent=1).encode() + b"\n")
    try:
        content = json.loads(path.read_text())
        known = {name: float(value) for name, value in content["psnr"].items()}
        sound = content["format"] == FORMAT
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        sound, known = False, {}
    if not sound:
        raise BadInput(f"{path} is no baseline of format {FORMAT}; write one with update=True (pytest --karat-update)")
    for name, decibel in found.items():
        if name not in known:
            raise AssertionError(
                f"{path} has no baseline for {name} ({decibel} dB now); write it with pytest --karat-update"
            )
        if decibel < known[name] - allowed_drop:
            raise AssertionError(
                f"{name}: the package is {decibel} dB from the golden picture, {known[name]} dB in {path}\n"
                f"  it may drop by {allowed_drop} dB; look for the layer with `karat verify`, or accept it with "
                "pytest --karat-update"
            )
    return None
