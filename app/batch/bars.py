"""Progress of a photograph and of all of them together, with the time that is left; for terminals only."""

import math
import sys
import time
from contextlib import contextmanager

STEADY = 0.9  # of what an encoder should take; a bar that is then not done slows down, and never stands still or ends


def passed(seconds: float, predicted: float) -> float:
    """How much of work that does not tell of itself should be done: even steps, then ever smaller ones.

    Parameters
    ----------
    seconds : float
        Since it began.
    predicted : float
        That it should take.

    Returns
    -------
    float
        In [0, 1).

    Examples
    --------
    >>> [round(passed(seconds, 10), 3) for seconds in (0, 5, 9, 10, 60)]
    [0.0, 0.5, 0.9, 0.963, 1.0]
    """
    share = seconds / predicted
    rest = 1 - STEADY
    return min(share if share < STEADY else 1 - rest * math.exp((STEADY - share) / rest), math.nextafter(1, 0))


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
