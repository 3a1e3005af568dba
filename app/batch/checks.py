"""Whether results can go where they are to go; asked before anything is begun."""

import errno
import os
from pathlib import Path

from ...refimpl.errors import BadInput
from ..photos.read import printable
from .manifest import NAME
from .names import longest_name, same_name
from .plan import Item, Refused
from .report import report_size
from .space import check_room, existing


def check_arguments(*paths):
    """Raise BadInput for a name that is empty, or longer than the system takes.

    Parameters
    ----------
    *paths : path_like or None
    """
    for text in (os.fsdecode(path) for path in paths if path is not None):
        if not text:
            raise BadInput("an empty name was given, expected a path; write . for the folder that you are in")
        try:
            os.lstat(text)
        except ValueError:
            raise BadInput(f"{printable(text)} holds a zero byte, expected a name without; check the path") from None
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise BadInput(_too_long(text)) from None


def check_no_stream(output, report, page):
    """Raise BadInput for "-", which stands for a stream elsewhere: the command has taken its own ``--json -`` away.

    Parameters
    ----------
    output, report, page : path_like or None
    """
    given = [None if path is None else os.fsdecode(path) for path in (output, report, page)]
    if given[0] == "-":
        raise BadInput("standard output takes no pictures, expected a file or a folder; choose a name")
    if "-" in given:
        raise BadInput("standard output takes no report or page here, expected a file; choose a name")


def _too_long(text):
    length, longest = max(len(os.fsencode(part)) for part in Path(text).parts), longest_name(Path.cwd())
    if length > longest:
        return f"{printable(text)} has a name of {length} bytes, expected {longest} at most; shorten it"
    return (
        f"{printable(text)} is a path of {len(os.fsencode(text))} bytes, expected a shorter one; begin further inside"
    )


def check_names(entries, replace_outputs, known=None):
    """Entries of a plan, of which those with an impossible output are refused.

    Parameters
    ----------
    entries : list of Item or Refused
    replace_outputs : bool
        Whether results may be there.
    known : set of Path, optional
        Results that may be there in any case; given where a job goes on.
    """
    first: dict[str, Item] = {}
    inputs = {_identity(entry.source.path) for entry in entries} - {None}
    lengths: dict[Path, int] = {}
    checked = []
    for entry in entries:
        if isinstance(entry, Item):
            other = first.setdefault(same_name(entry.output), entry)
            problem = _clash(other, entry) or _name_problem(entry, inputs, lengths)
            problem = problem or _there(entry, replace_outputs, known)
            entry = Refused(entry.source, problem, fatal=True) if problem else entry
        checked.append(entry)
    return checked


def _clash(a, b):
    if a is b:
        return ""
    one, two = (printable(str(item.source.path)) for item in (a, b))
    return f"{one} and {two} would both become {printable(str(b.output))}, expected one each; rename one of them"


def _name_problem(item, inputs, lengths):
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
    return ""


def _there(item, replace_outputs, known):
    """What is wrong with a result's being there."""
    if replace_outputs or item.output in (known or ()) or not os.path.lexists(item.output):
        return ""
    shown = printable(str(item.output))
    if known is None:
        return f"{shown} is there already, expected nothing; add --overwrite, --resume or choose another output"
    return f"{shown} is there and no manifest says who made it, expected nothing; add --overwrite or move it away"


def check_beside(ways, plan, sources):
    """Raise BadInput where the report or the page of a job would take a place that is not theirs.

    Parameters
    ----------
    ways : Ways
    plan : Plan
    sources : sequence of Source
        All photographs, of other shards too.
    """
    given = [Path(path) for path in (ways.json, ways.compare) if path is not None]
    if not given:
        return
    truth = Path(ways.truth) if ways.truth is not None else None
    truths = list(truth.iterdir()) if truth is not None and truth.is_dir() else []
    inputs = {_identity(path) for path in (*(source.path for source in sources), *truths)} - {None}
    results = {same_name(item.output) for item in plan.items}
    folders = {plan.folder, *(item.output.parent for item in plan.items)} - {None}
    folders = {same_name(above) for folder in folders for above in (folder, *folder.parents)}
    for path in given:
        if problem := _beside_problem(path, ways, inputs, results, folders):
            raise BadInput(f"{printable(str(path))} {problem}")
    if ways.json is not None:
        check_room(report_size(plan), Path(ways.json).parent)
    if ways.compare is not None and not ways.dry_run:
        from ..photos.compare.page import most_bytes  # not where nothing is compared

        check_room(most_bytes(item.target for item in plan.items), Path(ways.compare).parent)


def _beside_problem(path, ways, inputs, results, folders):
    if _identity(path) in inputs:
        return "is the input itself, expected another file; choose another name"
    if same_name(path) in results:
        return "would be a result too, expected another file; choose another name"
    if same_name(path) in folders:
        return "would be a folder of results too, expected another file; choose another name"
    if path.name.startswith(NAME) and path.suffix == ".jsonl":
        return "is a manifest's name, expected another; choose one"
    if os.path.lexists(path) and not (ways.overwrite or (ways.resume and _is_ours(path))):
        return "is there already, expected nothing; add --overwrite or choose another name"
    return ""


def _is_ours(path):
    """Whether a file begins as a report or a page of ours."""
    try:
        with open(path, "rb") as file:
            start = file.read(4096)
    except OSError:
        return False
    page = start.startswith(b"<!doctype html>") and b"<title>Before and after: " in start
    return page or start.startswith(b'{\n "karat": ')


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
    file = next((path for path in (folder, *folder.parents) if path.exists() and not path.is_dir()), None)
    if file is not None:
        return f"{printable(str(file))} is a file, expected a folder for the results; choose another output"
    if not os.access(above, os.W_OK):
        return f"the folder {printable(str(folder))} cannot be written to, expected one that can; choose another"
    try:
        check_room(size, folder)
    except BadInput as error:
        return str(error)
    return ""
