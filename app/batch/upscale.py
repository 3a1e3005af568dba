"""`karat.upscale`: photographs from files to files."""

import os
from collections.abc import Iterable

from ...refimpl.errors import BadInput
from ..kinds import of_kind
from .job import Listeners, run_job
from .options import Ways, make_options

PATHS = (str, bytes, os.PathLike)
MODEL = "zoo:quicksrnet-small-x2"


def upscale(
    src,
    dst,
    model=MODEL,
    progress=None,
    *,
    recursive=False,
    overwrite=True,
    resume=False,
    shard=None,
    jobs=1,
    dry_run=False,
    json=None,
    compare=None,
    truth=None,
    say=lambda sentence: None,
    **options,
):
    """Upscale photographs: JPEG, PNG, TIFF, WebP, AVIF, HEIC and raw files.

    Parameters
    ----------
    src : path_like, or a sequence of them
        Files, folders, and patterns such as ``photos/*.heic``.
    dst : path_like
        For one file, a file whose suffix chooses the format; or a folder, in which results keep their inputs' names and
        formats. Raw files become linear DNGs. An input is never overwritten.
    model : str, Path, mapping or Model
        What `karat.load` takes, or its result.
    progress : callable, optional
        Called with parts done and parts in all of the photograph that is being computed.
    recursive : bool
        Whether folders inside folders count; what lies in them keeps its place.
    overwrite : bool
        Whether results may replace files. The command asks for ``--overwrite``.
    resume : bool
        Go on with a job that was stopped: what the folder's ``karat-manifest.jsonl`` proves is passed over, and a file
        that it does not know is replaced with ``overwrite`` only.
    shard : str, optional
        "2/8": every eighth photograph, for machines that share a job.
    jobs : int
        Processes of one thread each, for many small photographs.
    dry_run : bool
        Whether only the plan is made.
    json, compare : path_like, optional
        Also write what was done here, and a page of the photographs before and after. Neither takes the place of a
        photograph or a result.
    truth : path_like, optional
        What the only photograph was made smaller from, or a folder with one such for each under its name: the page says
        PSNR and SSIM.
    say : callable
        Called with sentences about what is done.
    **options
        ``scale`` (float) or ``size`` ("4000x3000", "long=4000", "short=3000") of the results, the network's scale
        otherwise; ``precision`` and ``threads`` as in `karat.compile`; ``max_memory``, bytes or such as "2GB": of all
        that the process takes, in tiles where a photograph needs more; ``halo``, pixels that such a tile of a SwinIR
        reads around what it keeps; ``tile`` and ``overlap``, to compute what a package of that input size gives;
        ``format`` ("jpeg", "tiff" ...), ``quality`` (1 to 100), ``bits`` ("auto", 8, 10, 12, 16), ``metadata``
        ("keep", "strip"), ``color`` ("keep", "srgb").

    Returns
    -------
    dict
        What ``json`` would hold: "ok", and "images" with what became of each.

    Raises
    ------
    BadInput
        Before any work, when something cannot be done as asked; and when the only photograph fails. Of several, one
        that fails does not stop the others: see "ok".

    Examples
    --------
    >>> upscale("photo.heic", "large.heic")  # doctest: +SKIP
    >>> upscale(["holiday", "more/*.jpg"], "large", size="long=4000", resume=True)["ok"]  # doctest: +SKIP
    True
    """
    sources = _sources(src)
    if not isinstance(dst, PATHS):
        raise BadInput(f"dst is {dst!r}, expected a path; give the result's file or folder")
    ways = {"recursive": recursive, "overwrite": overwrite, "resume": resume, "shard": shard, "jobs": jobs}
    ways |= {"dry_run": dry_run, "json": json, "compare": compare, "truth": truth}
    ways = of_kind(ways)
    listeners = Listeners(say, show=progress and (lambda name, share, *_: progress(share, 1)))
    job = run_job(sources, dst, model, make_options(**options), Ways(**ways), listeners)
    if job.lone_error:
        raise BadInput(job.lone_error)
    return job.held


def _sources(src):
    """A list of paths."""
    if isinstance(src, PATHS):
        return [src]
    sources = list(src) if isinstance(src, Iterable) else []
    if not sources or not all(isinstance(source, PATHS) for source in sources):
        raise BadInput(f"src is {src!r}, expected a path or several; name the photographs")
    return sources
