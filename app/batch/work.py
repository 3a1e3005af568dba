"""One photograph, from the file to the file."""

import hashlib
import time
from contextlib import suppress
from dataclasses import dataclass, replace

from ...refimpl.errors import BadInput
from ..outputs import replacing
from ..photos.enlarge import enlarge
from ..photos.read import printable
from ..photos.write import encode
from .manifest import file_hash
from .names import temporary

LARGE = 2**28  # bytes that a network keeps for the next picture, and gives back before this one is encoded


@dataclass(frozen=True)
class Result:
    """What became of a photograph.

    Attributes
    ----------
    seconds : float
    input_sha256, sha256 : str
        Of the file that was read, and of the one that was written.
    bits : int
        In it.
    notes : tuple of str
    error : str
        Why there is none; empty where there is.
    unread : bool
        Whether it is the photograph's own fault.
    """

    seconds: float = 0.0
    input_sha256: str = ""
    sha256: str = ""
    bits: int = 0
    notes: tuple[str, ...] = ()
    error: str = ""
    unread: bool = False


def upscale_item(item, options, fast, decoder, progress=None) -> Result:
    """Read, upscale and write a photograph; whatever goes wrong becomes one sentence.

    Parameters
    ----------
    item : Item
    options : Options
    fast : Upscaler
    decoder : Decoder
    progress : callable, optional
        Called with parts done and parts in all.
    """
    start = time.perf_counter()
    try:
        result = _upscaled(item, options, fast, decoder, progress)
    except BadInput as error:
        return Result(time.perf_counter() - start, error=str(error))
    except MemoryError:
        name = printable(item.source.path.name)
        sentence = f"{name} needs more memory than there is; set --max-memory, or make it smaller"
        return Result(time.perf_counter() - start, error=sentence)
    except Exception as error:  # one file must not end the others
        name, reason = printable(item.source.path.name), printable(" ".join(str(error).split()))
        sentence = f"{name} was stopped by {type(error).__name__}: {reason}; see `karat --debug`"
        return Result(time.perf_counter() - start, error=sentence)
    return replace(result, seconds=time.perf_counter() - start)


def _upscaled(item, options, fast, decoder, progress):
    name = printable(item.source.path.name)
    try:
        read = file_hash(item.source.path)
        photo = decoder.photo(item.source.path)
    except OSError as error:
        return Result(
            error=f"{name} cannot be opened ({error.strerror}), expected it where it was; put it back", unread=True
        )
    except BadInput as error:
        return Result(error=str(error), unread=True)
    height, width, channels = photo.pixels.shape
    if (width, height, channels) != (item.header.width, item.header.height, item.header.channels):
        return Result(error=f"{name} has changed since it was looked at, expected the same; run again", unread=True)
    fixed = (options.tile, options.overlap) if options.tile else None
    settings = {"max_memory": item.needs.budget, "halo": options.halo, "fixed": fixed, "progress": progress}
    pixels = enlarge(fast, photo.pixels, photo.most, item.target, linear=photo.linear, **settings)
    photo = replace(photo, pixels=pixels)
    if item.needs.network > LARGE:
        fast.forget()
    written, digest = _written(item, photo, options)
    return Result(input_sha256=read, sha256=digest, bits=written.bits, notes=(*photo.notes, *written.notes))


def _written(item, photo, options):
    """Under a temporary name first; gives what was written and its hash."""
    part = temporary(item.output)
    try:
        item.output.parent.mkdir(parents=True, exist_ok=True)
        with replacing(item.output, part) as file:
            written = encode(photo, file, item.format, options.quality, options.bits, options.metadata, options.color)
            file.seek(0)
            return written, hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadInput(
            f"{printable(str(item.output))} cannot be written ({error.strerror or error}); choose another"
        ) from None
    finally:
        with suppress(OSError):  # there is one only where a signal came before anybody else would have removed it
            part.unlink()
