"""What was done, as lines of JSON that are on the disk before the next picture is begun.

Whoever is killed leaves whole lines and at most one torn one, which is cut off by the next run. A line proves nothing
by itself: the files that it names must still hash as it says. Before a result there is a line that it is begun, so
that a job that goes on knows its own files.
"""

import contextlib
import hashlib
import json
import os
import threading
import time
from pathlib import Path

from ...refimpl.errors import BadInput

NAME = "karat-manifest"
PATIENCE = 10.0  # seconds that the rest of a killed run may take to end


def manifest_path(folder: Path, shard=None) -> Path:
    """The manifest of a folder; shards, which may run at the same time, have one each."""
    return folder / (f"{NAME}.jsonl" if shard is None else f"{NAME}-{shard[0]}-of-{shard[1]}.jsonl")


def file_hash(path) -> str:
    """SHA-256 of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_lines(content: bytes) -> list[dict]:
    """The entries of a manifest; what is no whole line of JSON is passed over.

    Examples
    --------
    >>> read_lines(b'{"output": "a.png"}\\n{"outp')
    [{'output': 'a.png'}]
    """
    entries = []
    for line in content.split(b"\n")[:-1]:
        with contextlib.suppress(ValueError, RecursionError):
            entry = json.loads(line)
            if isinstance(entry, dict) and isinstance(entry.get("output"), str):
                entries.append(entry)
    return entries


def read_manifests(folder: Path) -> dict[str, list[dict]]:
    """All entries of a folder's manifests without errors, by output."""
    known: dict[str, list[dict]] = {}
    for path in sorted(folder.glob(f"{NAME}*.jsonl")):
        for entry in read_lines(path.read_bytes()):
            if entry.get("error") is None:
                known.setdefault(entry["output"], []).append(entry)
    return known


def known_outputs(folder: Path) -> set[str]:
    """Outputs that a folder's manifests say are theirs: made, or begun by a run that did not say how it ended."""
    made, begun = set(), set()
    for path in filter(Path.is_file, folder.glob(f"{NAME}*.jsonl")):
        for entry in read_lines(path.read_bytes()):
            if entry.get("begun"):
                begun.add((path, entry["output"]))
                continue
            begun.discard((path, entry["output"]))
            if entry.get("error") is None:
                made.add(entry["output"])
    return made | {name for _, name in begun}


def proven(entries, output: Path, **expected) -> bool:
    """Whether entries say that an output was made so, and it still is what was made.

    Parameters
    ----------
    entries : sequence of dict
        Of the output.
    output : Path
    **expected
        What an entry must hold.
    """
    hashes = {
        entry.get("output_sha256")
        for entry in entries
        if all(name in entry and entry[name] == value for name, value in expected.items())
    }
    return bool(hashes) and output.is_file() and file_hash(output) in hashes


class Manifest:
    """An open manifest; nobody else works on its folder meanwhile. Made by a ``with``.

    Parameters
    ----------
    path : Path
        In a folder that is there.

    Raises
    ------
    BadInput
        When another run has it, or it cannot be written.
    """

    def __init__(self, path: Path):
        self.path, self._one = path, threading.Lock()

    def __enter__(self):
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o666)
        except OSError as error:
            raise BadInput(f"{self.path} cannot be written ({error.strerror}); choose another output folder") from None
        try:
            self._lock()
            self._cut_torn_line()
        except BaseException:
            os.close(self._file)
            raise
        return self

    def __exit__(self, *_):
        os.close(self._file)

    @property
    def descriptor(self) -> int:
        """Whoever inherits it keeps the folder locked."""
        return self._file

    def add(self, entry: dict) -> None:
        """Write a line; it is on the disk, as a whole, or not at all. Threads may call it."""
        with self._one:
            self._add(json.dumps(entry).encode() + b"\n")

    def _add(self, line):
        size = os.fstat(self._file).st_size
        try:
            while line:
                line = line[os.write(self._file, line) :]
            os.fsync(self._file)
        except BaseException:  # a full disk: half a line must not be continued by the next
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, size)
            raise

    def _lock(self):
        """Until the last process ends that holds the file: a killed run's workers may outlive it by moments."""
        with contextlib.suppress(ImportError):  # Windows has no fcntl
            import fcntl

            end = time.monotonic() + PATIENCE
            while not self._locked(fcntl):
                if time.monotonic() > end:
                    raise BadInput(
                        f"another run works on {self.path.parent}, expected to be alone; wait for it, or give each run "
                        "its --shard"
                    )
                time.sleep(0.05)

    def _locked(self, fcntl):
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # some network file systems know no locks
            return True
        return True

    def _cut_torn_line(self):
        size = os.fstat(self._file).st_size
        with open(self.path, "rb") as file:
            end = file.read().rfind(b"\n") + 1
        if end != size:
            os.ftruncate(self._file, end)
