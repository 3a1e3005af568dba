"""What a decoder's child answers, believed only after it was checked."""

import json
import math
import select
import signal
import struct
import subprocess
import time
from typing import Any

import numpy as np

from .found import METADATA
from .passed import BLOBS, MANY, metadata_of
from .photo import CHANNELS, Header, Photo

FORMATS = ("JPEG", "PNG", "TIFF", "WebP", "AVIF", "HEIC", "RAW")
BITS = (8, 10, 12, 16)
TEXT = 2**20  # bytes of an answer's JSON
PIECE = 2**20  # bytes that are taken from the socket at a time
SLOW = "took more than {:g} s to decode, expected less; leave it out or allow more time"
NONSENSE = "got an answer from its decoder that cannot be right, expected a photograph; leave the file out"


class NoAnswer(Exception):
    """The child died, hung or answered nonsense; the text says which, without the file's name."""


class Line:
    """A connection to a child until a moment in time.

    Parameters
    ----------
    connection : socket
    seconds : float
        From now on.
    child : subprocess.Popen
        Asked how it ended when the connection does.
    """

    def __init__(self, connection, seconds, child):
        self.connection, self.seconds, self.child = connection, seconds, child
        self.end = time.monotonic() + seconds

    def _hurry(self):
        left = self.end - time.monotonic()
        if left <= 0:
            raise NoAnswer(SLOW.format(self.seconds))
        self.connection.settimeout(left)

    def send(self, content):
        """Send a whole request."""
        self._hurry()
        try:
            self.connection.sendall(content)
        except TimeoutError:
            self._hurry()
            raise NoAnswer(NONSENSE) from None
        except OSError:
            raise NoAnswer(self._death()) from None

    def fill(self, target):
        """Read exactly as many bytes as a writable buffer holds."""
        view = memoryview(target).cast("B")
        while len(view):
            self._hurry()
            try:
                count = self.connection.recv_into(view[:PIECE])
            except TimeoutError:
                continue
            except OSError:
                count = 0
            if not count:
                raise NoAnswer(self._death())
            view = view[count:]

    def bytes(self, size):
        """The next bytes; the child says how many, so that they are bounded."""
        if not isinstance(size, int) or not 0 <= size <= METADATA:
            raise NoAnswer(NONSENSE)
        content = bytearray(size)
        self.fill(content)
        return bytes(content)

    def json(self) -> dict[str, Any]:
        """The next answer's JSON."""
        size = struct.unpack(">I", self.bytes(4))[0]
        if size > TEXT:
            raise NoAnswer(NONSENSE)
        try:
            said = json.loads(self.bytes(size))
        except (ValueError, RecursionError):
            raise NoAnswer(NONSENSE) from None
        if not isinstance(said, dict):
            raise NoAnswer(NONSENSE)
        return said

    def _death(self):
        try:
            code = self.child.wait(1)
        except subprocess.TimeoutExpired:
            return NONSENSE
        if code == -signal.SIGXCPU:
            return SLOW.format(self.seconds)
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"ended its decoder ({how}), expected a file that can be decoded; save it again or leave it out"


def quiet(connection):
    """Whether nothing more comes: the last answer was read to its end, and the child is there."""
    return not select.select([connection], [], [], 0)[0]


def _checked(condition):
    if not condition:
        raise ValueError


def _size(width, height, most):
    _checked(type(width) is int and type(height) is int and min(width, height) > 0 and width * height <= most)


def understood_header(said, line, pixels):
    """The header in an answer.

    Raises
    ------
    NoAnswer, KeyError, TypeError, ValueError
        When it is none.
    """
    said = said["header"]
    header = Header(**{name: said[name] for name in ("format", "width", "height", "channels", "bits")})
    _size(header.width, header.height, pixels)
    _checked(header.format in FORMATS and header.channels in CHANNELS and header.bits in BITS)
    return header


def understood_photo(said, line, pixels):
    """The photo in an answer, and its bytes from the line; errors as in `understood_header`."""
    said = said["photo"]
    (height, width, channels), bits = said["shape"], said["bits"]
    _size(width, height, pixels)
    _checked(said["format"] in FORMATS and channels in CHANNELS and bits in BITS and type(said["linear"]) is bool)
    notes, sizes = said["notes"], said["blobs"]
    _checked(isinstance(notes, list) and all(isinstance(note, str) and note.isprintable() for note in notes))
    _checked(set(sizes) <= {*BLOBS, *MANY})
    _checked(isinstance(said["camera"], dict) and _plain(said["camera"]))
    blobs = {name: line.bytes(size) for name, size in sizes.items()}
    metadata = metadata_of(blobs, said["cicp"], said["density"])
    array = np.empty((height, width, channels), np.uint8 if bits == 8 else np.uint16)  # (H, W, C)
    line.fill(array)
    _checked(bits in (8, 16) or array.max() < 2**bits)
    return Photo(array, bits, said["format"], metadata, tuple(notes), said["linear"], said["camera"])


def _plain(value, depth=4):
    """Whether a value is made of texts, finite numbers, None, lists and dicts of few levels."""
    if isinstance(value, dict):
        return depth > 0 and all(isinstance(key, str) and _plain(below, depth - 1) for key, below in value.items())
    if isinstance(value, list):
        return depth > 0 and all(_plain(below, depth - 1) for below in value)
    return value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))
