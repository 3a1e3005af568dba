"""Progress that a person sees on a terminal, and that leaves logs and pipes alone."""

from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

_COLUMNS = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())


def _progress():
    console = Console(stderr=True)
    return Progress(*_COLUMNS, console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def bar(description):
    """A bar for work of known length; gives ``progress(done, total)``."""
    with _progress() as progress:
        task = progress.add_task(description, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def stages(names):
    """A bar for named stages; gives ``progress(name, share=0.0)``, to be called as each begins and goes on."""
    with _progress() as progress:
        task = progress.add_task("", total=len(names))
        yield lambda name, share=0.0: progress.update(task, description=name, completed=names.index(name) + share)
