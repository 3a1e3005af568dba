"""Whether results can go where they are to go; asked before anything is begun."""

import os
from pathlib import Path

from ...refimpl.errors import BadInput
from ..photos.read import printable
from .names import longest_name, same_name
from .plan import Item, Refused
from .space import check_room, existing


def check_names(entries, replace_outputs):
    """Entries of a plan, of which those with an impossible output are refused.

    Parameters
    ----------
    entries : list of Item or Refused
    replace_outputs : bool
        Whether results may be there.
    """
    first: dict[str, Item] = {}
    inputs = {_identity(entry.source.path) for entry in entries} - {None}
    lengths: dict[Path, int] = {}
    checked = []
    for entry in entries:
        if isinstance(entry, Item):
            other = first.setdefault(same_name(entry.output), entry)
            problem = _clash(other, entry) or _name_problem(entry, inputs, replace_outputs, lengths)
            entry = Refused(entry.source, problem, fatal=True) if problem else entry
        checked.append(entry)
    return checked


def _clash(a, b):
    if a is b:
        return ""
    one, two = (printable(str(item.source.path)) for item in (a, b))
    return f"{one} and {two} would both become {printable(str(b.output))}, expected one each; rename one of them"


def _name_problem(item, inputs, replace_outputs, lengths):
    output, shown = item.output, printable(str(item.output))
    longest = lengths.setdefault(output.parent, longest_name(output.parent))
    if len(os.fsencode(output.name)) > longest:
        length = len(os.fsencode(output.name))
        return f"{shown} has a name of {length} bytes, expected {longest} at most; shorten the input's"
    if not os.path.lexists(output):
        return ""
    if _identity(output) in inputs:
        return f"{shown} is the input itself, expected another file; choose another output"
    if output.is_dir():
        return f"{shown} is a folder, expected a file or nothing; choose another output"
    if not replace_outputs:
        return f"{shown} is there already, expected nothing; add --overwrite, --resume or choose another output"
    return ""


def _identity(path):
    """Device and number of a file, by which two names of one file are told; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def folder_problem(folder, size):
    """What is wrong with the place of all results; empty where nothing is.

    Parameters
    ----------
    folder : Path
    size : int
        Bytes that will be written, about.
    """
    above = existing(folder)
    if not os.access(above, os.W_OK):
        return f"the folder {printable(str(folder))} cannot be written to, expected one that can; choose another"
    try:
        check_room(size, folder)
    except BadInput as error:
        return str(error)
    return ""
