"""`karat.upscale_array`: numbers in, numbers out."""

import numpy as np

from ...kernels.compile import Upscaler, compile
from ...refimpl.errors import BadInput
from ..amounts import parse_bytes
from ..kinds import of_kind
from .enlarge import enlarge
from .photo import CHANNELS
from .size import plan_size

MOST = {"uint8": 255, "uint16": 65535}


def upscale_array(
    pixels,
    model="zoo:quicksrnet-small-x2",
    *,
    scale=None,
    size=None,
    bits=None,
    linear=False,
    precision="float32",
    threads=None,
    max_memory=None,
    halo=None,
    progress=None,
):
    """Upscale an array of pixels: grey, RGB, with alpha or without, 8 to 16 bits.

    Parameters
    ----------
    pixels : ndarray of uint8 or uint16, (H, W) or (H, W, C)
        1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha; alpha is not multiplied into the colours.
    model : str, Path, mapping or Model
        What `karat.load` takes, or its result, or a compiled network.
    scale : float, optional
        Of the result; the network's by default. Where passes of the network give another, the result is resampled.
    size : str, optional
        Instead: "4000x3000" (inside it), "long=4000" or "short=3000".
    bits : int, optional
        Of the numbers, where an array of uint16 holds 10 or 12; all of the type by default.
    linear : bool
        Whether numbers are proportional to light.
    precision, threads
        See `karat.compile`.
    max_memory, halo
        See `karat.upscale`; memory counts beside ``pixels``.
    progress : callable, optional
        Called with parts done and parts in all.

    Returns
    -------
    ndarray
        Of the type, the number of axes and of channels of ``pixels``.

    Raises
    ------
    BadInput

    Examples
    --------
    >>> upscale_array(np.full((4, 5), 255, np.uint8), threads=1).shape
    (8, 10)
    """
    given = {"scale": scale, "size": size, "precision": precision, "threads": threads}
    given |= {"max_memory": max_memory, "halo": halo, "linear": linear}
    scale, size, precision, threads, max_memory, halo, linear = of_kind(given).values()
    pixels = np.asarray(pixels)
    if pixels.dtype.name not in MOST or pixels.ndim not in (2, 3) or 0 in pixels.shape:
        raise BadInput(
            f"an array of {pixels.dtype} and shape {pixels.shape} was given, expected uint8 or uint16 of (H, W) or "
            "(H, W, C); convert it first"
        )
    photo = pixels if pixels.ndim == 3 else pixels[..., None]
    if photo.shape[2] not in CHANNELS:
        raise BadInput(f"an array of {photo.shape[2]} channels was given, expected 1 to 4; take channels away")
    most = _most(photo, bits)
    max_memory = parse_bytes(max_memory) if isinstance(max_memory, str) else max_memory
    fast = model if isinstance(model, Upscaler) else compile(model, precision, threads)
    target = plan_size(photo.shape[1], photo.shape[0], fast.scale, scale, size)
    result = enlarge(fast, photo, most, target, linear=linear, max_memory=max_memory, halo=halo, progress=progress)
    return result.reshape(result.shape[: pixels.ndim])


def _most(photo, bits):
    """The value of white."""
    deepest = MOST[photo.dtype.name]
    if bits in (None, "auto"):
        return deepest
    if bits not in (8, 10, 12, 16) or 2**bits - 1 > deepest:
        raise BadInput(f"bits is {bits!r} for {photo.dtype}, expected 8, 10, 12 or 16, and no more than the type has")
    if photo.max() > 2**bits - 1:
        raise BadInput(f"{bits} bits were stated and values go to {photo.max()}, expected at most {2**bits - 1}")
    return 2**bits - 1
