"""``--json FILE`` of every command; ``-`` is standard output, with nothing else on it."""

import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import typer

STANDARD = "-"


def json_place(console):
    """A callback for the option.

    Parameters
    ----------
    console : rich.console.Console
        What commands print on: standard error takes its place for ``-``.

    Returns
    -------
    callable
        Gives the path that was asked for; for ``-`` one of a temporary file, which follows when the command ends.
    """

    def place(context: typer.Context, path: Path | None):
        if path is None or os.fspath(path) != STANDARD:
            return path
        return context.with_resource(_standard_output(console))

    return place


@contextmanager
def _standard_output(console):
    """A path for the result: commands write whole files, and what fails half-way leaves nothing on the way."""
    folder, width = tempfile.mkdtemp(prefix="karat-"), console.width
    console.stderr = True
    if sys.stderr.isatty():
        console.width = os.get_terminal_size(sys.stderr.fileno()).columns
    path = Path(folder) / "standard-output.json"
    try:
        yield path
    finally:  # an exit code comes as an exception
        console.stderr, console.width = False, width
        if path.exists():
            sys.stdout.write(path.read_text("utf-8").rstrip("\n") + "\n")
            sys.stdout.flush()
        shutil.rmtree(folder, ignore_errors=True)
