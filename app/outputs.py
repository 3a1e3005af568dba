"""Results are written beside their target and renamed, so that nobody reads half a file."""

import errno
import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

from ..refimpl.errors import BadInput

UNWRITABLE = {
    errno.ENOSPC: "make room or choose another disk",
    errno.EDQUOT: "make room or choose another disk",
    errno.EFBIG: "choose another disk: this one cannot hold files of that size",
    errno.ENOENT: "its folder is gone, make it again",
    errno.ENOTDIR: "its folder is gone, make it again",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EISDIR: "choose another name",
    errno.EINVAL: "choose another name",
    errno.EIO: "check the disk",
}

LEAST = 4096  # bytes that are written and taken back, to see whether that can be


def check_output(path, *sources):
    """To be asked before any work is done: the output can be written, and is none of the inputs.

    Raises
    ------
    BadInput
    """
    path = Path(path)
    _check_place(path)
    try:
        with tempfile.TemporaryFile(
            dir=path.parent
        ) as file:  # rights do not tell of a full disk, a quota, a dead share
            file.write(bytes(LEAST))
    except OSError as error:
        raise _unwritable(path, error) from None
    for source in [Path(source) for source in sources if source is not None]:
        package = source.suffix == ".mlpackage" and source.is_dir()
        if package and path.resolve().is_relative_to(source.resolve()):
            raise BadInput(f"{path} lies in the input {source}, expected a place outside; choose another output")
        if package and _is_sidecar(path, source):
            raise BadInput(f"{path} is the sidecar of {source}, expected another file; choose another output")
        if path.exists() and source.exists() and path.samefile(source):
            raise BadInput(f"{path} is the input itself, expected another file; choose another output")


def _check_place(path):
    """Whether a file may have this name."""
    if not path.parent.is_dir():
        raise BadInput(f"the folder {path.parent} does not exist, expected the output's folder to; make it first")
    if path.is_dir():
        raise BadInput(f"{path} is a folder, expected a file name; add one")
    if not os.access(path.parent, os.W_OK):
        raise BadInput(f"the folder {path.parent} cannot be written to, expected one that can; choose another")


def check_outputs(paths, *sources):
    """`check_output` of each that is given, and that no two are the same.

    Parameters
    ----------
    paths : sequence of (Path or None)
    *sources : path_like or None
        The inputs.

    Raises
    ------
    BadInput

    Examples
    --------
    >>> check_outputs([Path("a.json"), None, Path("./a.json")])
    Traceback (most recent call last):
        ...
    karat.refimpl.errors.BadInput: a.json is given for two outputs, expected a file for each; choose another name
    """
    given = [Path(path) for path in paths if path]
    for path in given:
        check_output(path, *sources)
        if [other.resolve() for other in given].count(path.resolve()) > 1:
            raise BadInput(f"{path} is given for two outputs, expected a file for each; choose another name")


def _is_sidecar(path, package):
    from ..convert.mil.pairing import sidecar_path  # not for pictures: it comes with the whole executor

    return path.resolve() == sidecar_path(package).resolve()


def write_bytes(path, content):
    """Write a file as a whole or not at all.

    Raises
    ------
    BadInput
        When its folder does not exist.
    """
    with replacing(path) as file:
        file.write(content)


@contextmanager
def replacing(path, temporary=None):
    """Give a temporary file beside the target, that takes its place when all went well and is gone when not.

    Parameters
    ----------
    path : path_like
    temporary : path_like, optional
        What the file is called until then, in the same folder; a left-over of that name is replaced. Otherwise nobody
        else's name.

    Yields
    ------
    binary file

    Raises
    ------
    BadInput
        When the folder is missing, cannot be written to or is full, or the name is none.

    Examples
    --------
    >>> folder = tempfile.mkdtemp()
    >>> with replacing(os.path.join(folder, "a.txt")) as file:
    ...     file.write(b"whole")
    5
    >>> os.listdir(folder)
    ['a.txt']
    """
    path = Path(path)
    try:
        _check_place(path)
        if temporary is None:
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".karat-")
        else:
            Path(temporary).unlink(missing_ok=True)
            handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # mkstemp made it private
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):  # the folder may be gone with it
            Path(temporary).unlink()
        if isinstance(error, OSError) and error.errno:
            raise _unwritable(path, error) from None
        raise


def _unwritable(path, error):
    advice = UNWRITABLE.get(error.errno, "choose another folder")
    return BadInput(
        f"{path} cannot be written ({error.strerror or error}), expected a place for a whole file; {advice}"
    )
