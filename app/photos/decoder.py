"""Photographs from anywhere are decoded in a child process: what its decoders do wrong happens to it alone.

The child is kept warm, may take so much memory and time, and is replaced when it dies. Its answers are as little to be
trusted as the files: JSON and bytes of stated lengths, never pickles. Pixels come through the socket and not
through shared memory: nothing is left behind whoever dies, a child cannot take pages away under its parent's eyes
(SIGBUS), and a small /dev/shm does not matter.
"""

import json
import os
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

from ...refimpl.errors import BadInput
from .answers import NONSENSE, Line, NoAnswer, understood_header, understood_photo
from .found import PIXELS
from .photo import Header, Photo
from .read import printable

START = 20.0  # seconds that a child may take to start, on a busy machine
CODE = """import sys
sys.path += [p for p in sys.argv[4:] if p not in sys.path]
import contextlib, socket
from karat.app.photos.decoder_child import main
with contextlib.suppress(BrokenPipeError, ConnectionResetError):
    main(socket.socket(fileno=0), int(sys.argv[1]), float(sys.argv[2]))
"""
THREADS = str(min(4, os.cpu_count() or 1))
ENVIRONMENT = {"MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": THREADS}


class Decoder:
    """One warm child process that decodes.

    Parameters
    ----------
    memory : int, optional
        Bytes of address space that the child may take. By default as much as each file should need by its header.
    seconds : float
        That a file may take, as a clock on the wall counts them.
    pixels : int
        That a picture may have.

    Examples
    --------
    >>> with Decoder(seconds=30) as decoder:  # doctest: +SKIP
    ...     photo = decoder.photo("photo.heic")
    """

    def __init__(self, memory=None, seconds=120.0, pixels=PIXELS):
        self.memory, self.seconds, self.pixels = memory, seconds, pixels
        self.deaths = 0
        self._child, self._socket, self._ready = None, None, False
        self._lock = threading.Lock()

    def __enter__(self):
        with self._lock:
            self._start()
        return self

    def __exit__(self, *_):
        self.close()

    def header(self, path) -> Header:
        """As `read.read_header`, in the child.

        Raises
        ------
        BadInput
        """
        return self._ask("header", path, understood_header)

    def photo(self, path) -> Photo:
        """As `read.read_photo`, in the child.

        Raises
        ------
        BadInput
        """
        return self._ask("photo", path, understood_photo)

    def close(self):
        """End the child. The decoder can be used again: it starts another."""
        with self._lock:
            self._end()

    def _ask(self, what, path, understand):
        path = os.path.abspath(os.fsencode(path))
        name = printable(Path(os.fsdecode(path)).name)
        request = json.dumps({"what": what, "path": path.hex(), "pixels": self.pixels}).encode()
        with self._lock:
            try:
                answer = self._answer(request, understand)
            except NoAnswer as error:
                self.deaths += 1
                self._end()
                raise BadInput(f"{name} {error}") from None
            except MemoryError:
                self._end()
                raise BadInput(f"{name} needs more memory than there is; make it smaller or leave it out") from None
            except BaseException:  # Ctrl-C: half an answer must not be taken for the next one
                self._end()
                raise
        if isinstance(answer, str):
            raise BadInput(answer)
        return answer

    def _answer(self, request, understand):
        """The child's answer to a request: what was asked for, or a sentence."""
        if self._child is None or self._child.poll() is not None:
            self._end()
            self._start()
        self._await_ready()
        line = Line(self._socket, self.seconds, self._child)
        line.send(struct.pack(">I", len(request)) + request)
        said = line.json()
        if isinstance(said.get("error"), str) and said["error"]:
            return printable(said["error"], 2000)
        try:
            return understand(said, line, self.pixels)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            raise NoAnswer(NONSENSE) from None

    def _start(self):
        ours, theirs = socket.socketpair()
        places = [os.path.abspath(place) for place in sys.path if place]
        command = [sys.executable, "-I", "-c", CODE, str(self.memory or 0), str(self.seconds), "--", *places]
        environment = {**os.environ, **ENVIRONMENT}
        try:
            self._child = subprocess.Popen(
                command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment,
                start_new_session=True,
            )  # fmt: skip
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._socket, self._ready = ours, False

    def _await_ready(self):
        if not self._ready:
            if Line(self._socket, START, self._child).json() != {"ready": True}:
                raise NoAnswer(NONSENSE)
            self._ready = True

    def _end(self):
        child, connection = self._child, self._socket
        self._child, self._socket, self._ready = None, None, False
        if connection is not None:
            connection.close()
        if child is not None:
            child.kill()
            child.wait()
