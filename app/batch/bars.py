"""Progress of a photograph and of all of them together, with the time that is left; for terminals only."""

import sys
import time
from contextlib import contextmanager


@contextmanager
def bars(total: float, several: bool, clock=time.monotonic):
    """Two bars of rich's, or one for a single photograph.

    Parameters
    ----------
    total : float
        All work, in pixels of results.
    several : bool
    clock : callable
        Seconds.

    Yields
    ------
    callable
        ``show(name, share, work, done, seconds=None)``: a photograph's name, how much of it is done (0 to 1), its work,
        and the work of those before it. Where nobody will tell of the rest, ``seconds()`` predicts how long it takes,
        and the bars go on by themselves.
    """
    if not sys.stderr.isatty():
        yield lambda name, share, work, done, seconds=None: None
        return
    from rich.console import Console

    from .rich_bars import Bars

    with Bars(Console(stderr=True), clock) as progress:
        one = progress.add_task("upscaling", total=1)
        whole = progress.add_task("all", total=total) if several else None
        yield progress.shower(one, whole)
