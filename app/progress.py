"""Progress that a person sees on a terminal, and that leaves logs and pipes alone."""

import sys
from contextlib import contextmanager


@contextmanager
def _task(description):
    """One bar of rich's; gives ``update(**changes)``. Where nobody looks rich is not even loaded."""
    if not sys.stderr.isatty():
        yield lambda **changes: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    settings = {"console": Console(stderr=True), "transient": True, "redirect_stdout": sys.stdout.isatty()}
    with Progress(*columns, **settings) as progress:
        task = progress.add_task(description, total=None)
        yield lambda **changes: progress.update(task, **changes)


@contextmanager
def bar(description):
    """A bar for work of known length; gives ``progress(done, total)``."""
    with _task(description) as update:
        yield lambda done, total: update(completed=done, total=total)


@contextmanager
def named_bar(description):
    """A bar for parts that have names; gives ``progress(name, done, total)``."""
    with _task(description) as update:
        yield lambda name, done, total: update(description=f"{description} {name}", completed=done, total=total)


@contextmanager
def stages(names):
    """A bar for named stages; gives ``progress(name, share=0.0)``, to be called as each begins and goes on."""
    with _task("") as update:
        yield lambda name, share=0.0: update(description=name, completed=names.index(name) + share, total=len(names))
