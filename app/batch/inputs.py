"""What is to be upscaled: files, folders and patterns, as the photographs that they stand for."""

import glob
import os
import stat
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ...refimpl.errors import BadInput
from ..photos.limits import SUFFIXES
from ..photos.read import printable

RAW = (
    "3fr ari arw bay cap cr2 cr3 crw dcr dcs dng drf eip erf fff gpr iiq k25 kdc mdc mef mos mrw nef nrw orf pef ptx "
    "r3d raf raw rw2 rwl rwz sr2 srf srw x3f"
)
KNOWN = {*SUFFIXES, *(f".{suffix}" for suffix in RAW.split()), ".jfif", ".jpe", ".avifs", ".heics"}


@dataclass(frozen=True)
class Source:
    """One photograph.

    Attributes
    ----------
    path : Path
        To be opened.
    relative : Path
        Its place below the output folder, as far as the input's name goes.
    """

    path: Path
    relative: Path


@dataclass
class Found:
    """What arguments stand for.

    Attributes
    ----------
    sources : list of Source
        In the order of their relative names.
    lone : bool
        Whether a person named one file, and nothing else.
    left : Counter of str
        What was left alone in folders, by kind.
    """

    sources: list[Source] = field(default_factory=list)
    lone: bool = False
    left: Counter[str] = field(default_factory=Counter)

    @property
    def line(self) -> str:
        """What was left alone, for people; empty where nothing was."""
        return ", ".join(f"{number} {kind}{'s' * (number > 1)}" for kind, number in sorted(self.left.items()))


def find_inputs(arguments, recursive=False, output=None) -> Found:
    """The photographs that arguments stand for.

    In folders, files count by their suffix; others, hidden ones and linked folders are left alone and counted.

    Parameters
    ----------
    arguments : sequence of path_like
        Files, folders, and patterns with ``*``, ``?``, ``[`` or ``**`` that no file is called like.
    recursive : bool
        Whether folders inside folders count too.
    output : path_like, optional
        The folder for results; it is not searched.

    Raises
    ------
    BadInput
        When an argument is nothing, or all together hold no photograph.
    """
    found = Found()
    for argument in map(Path, map(os.fsdecode, arguments)):
        for path, relative in _expanded(argument):
            if path.is_dir():
                _check_outside(path, output)
                _search(path, relative, recursive, output, found)
            else:
                found.sources.append(Source(path, relative))
    found.lone = len(arguments) == 1 and [source.path for source in found.sources] == [Path(os.fsdecode(arguments[0]))]
    unique = {(source.path.absolute(), source.relative): source for source in found.sources}
    found.sources = sorted(unique.values(), key=lambda source: (os.fsencode(source.relative), os.fsencode(source.path)))
    if not found.sources:
        held = f" ({found.line})" if found.left else ""
        more = "" if recursive or not found.left["folder"] else ", or add --recursive"
        names = ", ".join(printable(os.fsdecode(argument)) for argument in arguments) or "nothing"
        raise BadInput(f"{names} holds no photograph{held}, expected one at least; check the path{more}")
    return found


def _expanded(argument):
    """What an argument names, each with its place below the output: itself, or what a pattern matches."""
    text = os.fspath(argument)
    if argument.is_dir():
        return [(argument, Path())]
    if os.path.lexists(argument) or not glob.has_magic(text):
        if not argument.exists():
            raise BadInput(
                f"{printable(text)} is no file, expected a photograph, a folder or a pattern; check the path"
            )
        return [(argument, Path(argument.name))]
    fixed = Path(*_before_magic(argument.parts))
    matches = [Path(match) for match in sorted(glob.glob(text, recursive=True))]
    if not matches:
        raise BadInput(f"nothing matches {printable(text)}, expected a photograph at least; check the pattern")
    files = [(match, match.relative_to(fixed)) for match in matches if not match.is_dir()]
    return files or [(match, match.relative_to(fixed)) for match in matches]


def _before_magic(parts):
    for part in parts[:-1]:
        if glob.has_magic(part):
            return
        yield part


def _check_outside(folder, output):
    if output is not None and Path(output).is_dir() and folder.samefile(output):
        raise BadInput(
            f"{printable(str(folder))} is the input and the output folder, expected another output; choose one"
        )


def _search(folder, relative, recursive, output, found):
    """Take in a folder's photographs."""
    for entry in sorted(_entries(folder), key=lambda entry: os.fsencode(entry.name)):
        place = relative / entry.name
        if entry.name.startswith("."):
            found.left["hidden file"] += 1
        elif entry.is_dir(follow_symlinks=False):
            if output is not None and Path(output).is_dir() and os.path.samefile(entry.path, output):
                found.left["output folder"] += 1
            elif recursive:
                _search(Path(entry.path), place, recursive, output, found)
            else:
                found.left["folder"] += 1
        elif os.path.isdir(entry.path):
            found.left["linked folder"] += 1  # they may lead round in circles
        elif Path(entry.name).suffix.lower() in KNOWN and _is_file_or_gone(entry):
            found.sources.append(Source(Path(entry.path), place))
        else:
            found.left["other file"] += 1


def _entries(folder):
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        name = printable(str(folder))
        raise BadInput(
            f"the folder {name} cannot be read ({error.strerror}); check its rights or leave it out"
        ) from None


def _is_file_or_gone(entry):
    """No pipe or device; a link to nothing counts, and is reported as what it is when it is opened."""
    try:
        return stat.S_ISREG(entry.stat().st_mode)
    except OSError:
        return True
