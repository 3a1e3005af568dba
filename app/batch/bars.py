"""Progress of a photograph and of all of them together, with the time that is left; for terminals only."""

import sys
from contextlib import contextmanager


@contextmanager
def bars(total: float, several: bool):
    """Two bars of rich's, or one for a single photograph.

    Parameters
    ----------
    total : float
        All work, in pixels of results.
    several : bool

    Yields
    ------
    callable
        ``show(name, share, work, done)``: a photograph's name, how much of it is done (0 to 1), its work, and the work
        of those before it.
    """
    if not sys.stderr.isatty():
        yield lambda name, share, work, done: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    settings = {"console": Console(stderr=True), "transient": True, "redirect_stdout": sys.stdout.isatty()}
    with Progress(*columns, **settings) as progress:
        one = progress.add_task("upscaling", total=1)
        whole = progress.add_task("all", total=total) if several else None

        def show(name, share, work, done):
            shown = name if len(name) <= 40 else f"{name[:18]}...{name[-18:]}"
            progress.update(one, description=escape(shown), completed=share)
            if whole is not None:
                progress.update(whole, completed=done + share * work)

        yield show
