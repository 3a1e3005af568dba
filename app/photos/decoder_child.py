"""The child of `decoder.Decoder`: it reads files that nobody vouches for, within limits, and dies alone.

It asks nothing of the parent but a path, and answers with JSON, bytes of metadata and pixels. Only the standard library
is loaded before it waits; what a format needs comes with the first file of that format.
"""

import contextlib
import json
import os
import socket
import struct

BASE = 2**29  # bytes of address space that libraries, threads and metadata may take beside the pixels
MEMORY = "a file needs more memory than it may have; allow more, or make it smaller"
THREADS = 4  # that a library may keep busy: its processor time may be so much longer than the parent waits
# bytes of address space for each pixel beside the file: about twice what 24 megapixels took at most, 16 bits with
# alpha where a format has them (Pillow 13, pillow-heif 1.8, LibRaw 0.22, libavif 1.4, tifffile 2026.3)
EACH = {"JPEG": 32, "PNG": 32, "TIFF": 64, "WebP": 40, "AVIF": 40, "HEIC": 60, "RAW": 96}


def limit(kind, amount, hard=None):
    """Set a limit of this process, where the system knows it."""
    import resource

    number = getattr(resource, kind)
    most = resource.getrlimit(number)[1] if hard is None else hard
    amount = amount if most == resource.RLIM_INFINITY else min(amount, most)
    with contextlib.suppress(ValueError, OSError):  # macOS refuses some
        resource.setrlimit(number, (int(amount), most))


def address_space():
    """Bytes of address space that this process has now."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # no Linux
        return 0


def predicted(found, size):
    """Bytes of address space that decoding a picture may take.

    Parameters
    ----------
    found : Found
    size : int
        Bytes of the file; libraries keep it once or twice.
    """
    return BASE + 2 * size + EACH[found.format] * found.width * found.height


def allow(memory):
    """What `read_photo` calls before it decodes: refuses what needs too much, and permits so much and no more."""
    from ...refimpl.errors import BadInput

    def check(found, size):
        needed = address_space() + predicted(found, size)
        if memory and needed > memory:
            most = f"{memory / 1e9:.1f} GB"
            raise BadInput(f"may need {needed / 1e9:.1f} GB to be decoded, expected at most {most}; allow more memory")
        limit("RLIMIT_AS", needed)

    return check


def spend(seconds):
    """Permit so much processor time from now on: a loop ends even when nobody is left to end it."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    limit("RLIMIT_CPU", used.ru_utime + used.ru_stime + THREADS * seconds + 1)


def answer(request, memory):
    """(JSON, blobs) for a request of the parent."""
    from ...refimpl.errors import BadInput
    from . import read
    from .passed import blobs_of

    try:
        path, most = os.fsdecode(bytes.fromhex(request["path"])), request["pixels"]
        if request["what"] == "header":
            return {"header": vars(read.read_header(path, most))}, []
        photo = read.read_photo(path, most, allow(memory))
    except BadInput as error:
        return {"error": str(error)}, []
    blobs = blobs_of(photo.metadata)
    described = {
        "shape": photo.pixels.shape,
        "bits": photo.bits,
        "format": photo.format,
        "blobs": {name: len(content) for name, content in blobs.items()},
        "cicp": photo.metadata.cicp,
        "density": photo.metadata.density,
        "notes": photo.notes,
        "linear": photo.linear,
        "camera": photo.camera,
    }
    return {"photo": described}, [*blobs.values(), photo.pixels.data.cast("B")]


def send(connection, described, blobs):
    """One answer: length, JSON, and the bytes that it announces."""
    text = json.dumps(described).encode()
    connection.sendall(struct.pack(">I", len(text)) + text)
    for blob in blobs:
        connection.sendall(blob)


def receive(connection):
    """The next request, or None when the parent is gone."""
    size = connection.recv(4, socket.MSG_WAITALL)
    if len(size) < 4:
        return None
    text = connection.recv(struct.unpack(">I", size)[0], socket.MSG_WAITALL)
    return json.loads(text)


def main(connection, memory, seconds):
    """Answer until the parent closes its end.

    Parameters
    ----------
    connection : socket
    memory : int
        Bytes of address space at most; 0 for what each file should need.
    seconds : float
        That a file may take.
    """
    if memory:
        limit("RLIMIT_AS", memory, memory)
    limit("RLIMIT_CORE", 0, 0)
    spend(seconds)
    send(connection, {"ready": True}, [])
    prepare()
    while (request := receive(connection)) is not None:
        spend(seconds)
        limit("RLIMIT_AS", address_space() + BASE)
        try:
            described, blobs = answer(request, memory)
        except MemoryError:
            described, blobs = (
                {"error": "a file needs more memory than it may have; allow more, or make it smaller"},
                [],
            )
        send(connection, described, blobs)


def prepare():
    """Load what every photo needs while nobody waits yet."""
    from . import read

    return read
