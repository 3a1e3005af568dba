"""``karat table``: the study's table for a network, on the terminal, in files and drawn."""

import json as jsonlib
import os
import shlex
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ...refimpl.errors import BadInput
from ...refimpl.load import file_of
from ..amounts import parse_size
from ..outputs import check_outputs, write_bytes
from ..progress import stages
from .document import document_of
from .rows import label_of, rows, seeded_name, subject
from .text import markdown, print_table

DRAWINGS = (".svg", ".png")
POWERS, BUDGETS = (0.001, 100_000.0), (0.001, 1_000_000.0)  # watts, watt hours: a sensor to a rack, for days


@dataclass(frozen=True)
class Wanted:
    """Options of the command.

    Attributes
    ----------
    counts_only : bool
    also : tuple of (str or Path)
        Networks that the user trained, or zoo:NAME.
    images : Path or None
        Folder of high-resolution pictures.
    size, package_size : str
        HEIGHTxWIDTH of the picture that is timed and of the package.
    repeat, threads : int
    power, budget : float
        Watts and watt hours.
    json, markdown : Path or None
    drawings : tuple of Path
        NAME.svg or NAME.png.
    """

    counts_only: bool = False
    also: tuple[str | Path, ...] = ()
    images: Path | None = None
    size: str = "256x256"
    package_size: str = "64x64"
    repeat: int = 5
    threads: int = 1
    power: float = 15.0
    budget: float = 10.0
    json: Path | None = None
    markdown: Path | None = None
    drawings: tuple[Path, ...] = ()

    def check(self, source):
        """Raise BadInput unless the options make sense and the files can be written."""
        for name, value, (least, most), unit in (
            ("--power", self.power, POWERS, "watts"),
            ("--budget", self.budget, BUDGETS, "watt hours"),
        ):
            if not least <= value <= most:  # NaN too
                raise BadInput(f"{name} is {value:g}, expected {least:g} to {most:,.0f} {unit}; give such a number")
        if self.repeat < 1:
            raise BadInput(f"--repeat is {self.repeat}, expected at least 1; give 5 for medians that can be trusted")
        most = os.cpu_count() or 1
        if not 1 <= self.threads <= most:
            raise BadInput(f"--threads is {self.threads}, expected 1 to {most}, the processor's; give such a number")
        for path in self.drawings:
            if path.suffix not in DRAWINGS:
                raise BadInput(f"the drawing is {path.name}, expected a name that ends in .svg or .png; rename it")
        if self.counts_only and (self.drawings or self.images):
            raise BadInput("--counts-only measures nothing, expected it without --images, --svg and --png; drop one")
        if self.drawings and find_spec("matplotlib") is None:
            raise BadInput("drawings need matplotlib, which is not installed; run: pip install matplotlib")
        networks = map(file_of, (source, *self.also))
        check_outputs([self.json, self.markdown, *self.drawings], *networks)
        labels = [label_of(path) for path in self.also]
        for label in labels:
            if labels.count(label) > 1:
                raise BadInput(f"two networks of --also are called {label}, expected names that differ; rename one")


def run_table(console, source, wanted=Wanted()):
    """Count, measure, print and write.

    Parameters
    ----------
    console : rich.console.Console
    source : str
        A name of `STUDY`, or what `karat.load` takes.
    wanted : Wanted

    Raises
    ------
    BadInput
        Before any work.
    """
    wanted.check(source)
    size, package_size = parse_size(wanted.size), parse_size(wanted.package_size)
    model = subject(source, structure=wanted.counts_only)
    lines = rows(model, size, wanted.also)
    about = {"command": _command(source, wanted), "model": source, "scale": model.scale, "size": size}
    if wanted.counts_only:
        document = document_of(about, lines)
    else:
        about |= {"package_size": package_size, "threads": wanted.threads, "repeat": wanted.repeat}
        document = _measured(source, lines, about, wanted)
    print_table(console, document)
    if wanted.json:
        write_bytes(wanted.json, (jsonlib.dumps(document, indent=1, allow_nan=False) + "\n").encode())
    if wanted.markdown:
        write_bytes(wanted.markdown, markdown(document).encode())
    for path in wanted.drawings:
        from .chart import chart

        write_bytes(path, chart(document, path.suffix[1:]))


def _measured(source, lines, about, wanted):
    from ...kernels import cpu
    from ..bench.machine import describe
    from ..images import BUILT_IN, high_resolution
    from .measure import STAGES, Conditions, measure

    machine, pictures = describe(), high_resolution(wanted.images)
    named = f"mean over the {len(pictures)} pictures of {wanted.images.name}" if wanted.images else BUILT_IN
    about |= {"machine": machine, "kernels": cpu.target().line, "images": named, "pictures": list(pictures)}
    trained = seeded_name(source) is None
    conditions = Conditions(
        about["size"], about["package_size"], pictures, wanted.threads, wanted.repeat, trained=trained
    )
    with stages(STAGES) as progress:
        measured = measure(lines, conditions, progress)
    return document_of(about, lines, measured, wanted.power, wanted.budget)


def _command(source, wanted):
    """The command that gives these figures again."""
    words = ["karat", "table", source]
    for path in wanted.also:
        words += ["--also", str(path)]
    if wanted.counts_only:
        return shlex.join([*words, "--counts-only", "--size", wanted.size])
    words += ["--images", str(wanted.images)] if wanted.images else []
    for name in ("size", "package_size", "repeat", "threads", "power", "budget"):
        words += [f"--{name.replace('_', '-')}", str(getattr(wanted, name))]
    return shlex.join(words)
