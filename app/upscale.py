"""Upscale one picture on the compiled kernels: whole, in tiles where memory is short, or as a fixed package would."""

from pathlib import Path

import numpy as np

from ..kernels.compile import compile, first_use
from ..kernels.pictures.tile_plan import plan_tiles, run_plan
from ..kernels.pictures.tiling import fixed_tiles
from ..refimpl.errors import BadInput
from .amounts import parse_bytes
from .picture import check_target, read_picture, write_picture

OVERLAP = 16  # pixels, of neighbours in the fixed-tile mode


def upscale(
    src,
    dst,
    model="zoo:quicksrnet-small-x2",
    progress=lambda done, total: None,
    *,
    precision="float32",
    threads=None,
    max_memory=None,
    halo=None,
    tile=None,
    overlap=OVERLAP,
    say=lambda sentence: None,
):
    """Upscale a PNG or JPEG.

    Parameters
    ----------
    src, dst : path_like
        Input and output; the output's suffix chooses its format. The input is never overwritten.
    model : str, Path, mapping or Model
        What `karat.load` takes, or its result.
    progress : callable
        Called with parts done and parts in all.
    precision : {"float32", "bfloat16"}
    threads : int, optional
        All there are by default.
    max_memory : int or str, optional
        Bytes, or such as "2GB". A picture that needs more is computed in tiles.
    halo : int, optional
        Pixels that such a tile of a SwinIR reads around what it keeps.
    tile : int or tuple of int, optional
        Computes what a package of that input size gives, tile by tile; `kernels.pictures.tiling.fixed_plan` says where.
    overlap : int
        Pixels that those tiles share at least.
    say : callable
        Called with sentences about what is done.

    Raises
    ------
    BadInput
        Before any work, when the input, the output, the model or an amount cannot be used.

    Examples
    --------
    >>> upscale("photo.png", "large.png")  # doctest: +SKIP
    """
    check_target(dst, src, model if isinstance(model, (str, Path)) else None)
    limit = parse_bytes(max_memory) if isinstance(max_memory, str) else max_memory
    if limit is not None and tile is not None:
        raise BadInput("both a tile and max_memory were given, expected one: a tile says what is kept; leave one out")
    x, info = read_picture(src, np.float32)
    fast = compile(model, precision, threads, lambda name, done, total: done or say(first_use(total)))
    name = f"{model}: " if isinstance(model, (str, Path)) else ""
    if tile is None:
        plan = plan_tiles(fast, x.shape[2], x.shape[3], limit, halo)
        say(f"{name}{fast.line}, {plan.line}")
        y = run_plan(fast, x, plan, progress)
    else:
        tile = (tile, tile) if isinstance(tile, int) else tile
        needed = fast.memory(*tile) + 4 * int(x.size * fast.scale**2)
        size = f"tiles of {tile[0]} x {tile[1]} pixels that overlap by {overlap}"
        say(f"{name}{fast.line}, {size}, about {max(1, round(needed / 1e6))} MB")
        y = fixed_tiles(fast, x, tile, overlap, fast.scale, progress)
    write_picture(dst, y, info)
