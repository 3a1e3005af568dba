"""Where results go, and what they are called until they are whole."""

import hashlib
import os
import sys
import unicodedata
from pathlib import Path

from ...refimpl.errors import BadInput
from ..photos.limits import SUFFIXES, suffix_format
from ..photos.read import printable
from .inputs import Source

FIRST = {format: suffix for suffix, format in reversed(SUFFIXES.items())}  # the usual suffix of each format
LIKE_JPEG = (".jpe", ".jfif")
PREFIX, SUFFIX = ".karat-", ".part"


def named_format(name):
    """The format that a person calls so: "jpeg", "tif", "DNG" ...

    Raises
    ------
    BadInput

    Examples
    --------
    >>> named_format("tif"), named_format("JPEG"), named_format("dng")
    ('TIFF', 'JPEG', 'RAW')
    """
    suffix = "." + name.lower().removeprefix(".")
    if suffix not in SUFFIXES:
        known = ", ".join(suffix[1:] for suffix in SUFFIXES)
        raise BadInput(f"the format is {name!r}, expected one of {known}; choose one")
    return SUFFIXES[suffix]


def is_file_name(output, lone: bool) -> bool:
    """Whether an output names a file: for one input, when it is no folder and has a suffix."""
    text = os.fsdecode(output)
    separators = tuple(filter(None, (os.sep, os.altsep)))
    return lone and not Path(text).is_dir() and not text.endswith(separators) and Path(text).suffix != ""


def file_format(output, wanted: str | None):
    """The format of an output that names a file.

    Raises
    ------
    BadInput
        When its suffix is none, or says another than was asked for.
    """
    if wanted is None:
        return suffix_format(output)
    if SUFFIXES.get(Path(output).suffix.lower(), wanted) != wanted:
        raise BadInput(
            f"{printable(Path(output).name)} was named as output and {wanted} asked for, expected one format; "
            "leave --format out or rename the output"
        )
    return wanted


def output_path(source: Source, format: str, folder: Path) -> Path:
    """Where a photograph's result goes in a folder: its suffix stays where it says the format.

    Examples
    --------
    >>> output_path(Source(Path("a.JPEG"), Path("b/a.JPEG")), "JPEG", Path("out")).as_posix()
    'out/b/a.JPEG'
    >>> output_path(Source(Path("a.NEF"), Path("a.NEF")), "RAW", Path("out")).as_posix()
    'out/a.dng'
    """
    suffix = source.relative.suffix.lower()
    said = "JPEG" if suffix in LIKE_JPEG else SUFFIXES.get(suffix)
    return folder / (source.relative if said == format else _with_suffix(source.relative, FIRST[format]))


def _with_suffix(path, suffix):
    return path.parent / (path.stem + suffix)


def temporary(path: Path) -> Path:
    """What a result is called until it is whole: always the same for a result, so that what was left is found; short.

    Examples
    --------
    >>> temporary(Path("out/a.png")).name
    '.karat-7f071235805fbf58.part'
    """
    return path.parent / f"{PREFIX}{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}{SUFFIX}"


def same_name(path: Path) -> str:
    """What two paths have in common that are one file: where systems do not tell cases or forms of letters apart."""
    text = os.path.normcase(os.path.abspath(path))
    return unicodedata.normalize("NFC", text).casefold() if sys.platform in ("darwin", "win32") else text


def longest_name(folder: Path) -> int:
    """Bytes that a name may have in a folder, or in the nearest one above it that there is."""
    while not os.path.isdir(folder) and folder != folder.parent:
        folder = folder.parent
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):
        return 255
