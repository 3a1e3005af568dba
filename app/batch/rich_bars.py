"""Bars of rich's that go on by themselves; apart, since rich's are loaded only where somebody looks."""

import math
import sys

from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

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


class _TimeLeft(ProgressColumn):
    """What was predicted, where a bar goes on by itself; otherwise what its pace so far promises."""

    max_refresh = 0.5

    def __init__(self):
        super().__init__()
        self.by_pace = TimeRemainingColumn()

    def render(self, task):
        left = task.fields.get("left")
        if left is None:
            return self.by_pace.render(task)
        minutes, seconds = divmod(max(1, round(left)), 60)
        return Text(f"{minutes // 60}:{minutes % 60:02}:{seconds:02}", style="progress.remaining")


class Bars(Progress):
    """Progress that asks the clock before it is drawn.

    Parameters
    ----------
    console : rich.console.Console
    clock : callable
        Seconds.
    """

    def __init__(self, console, clock):
        self.clock = clock
        self.step: tuple | None = None
        columns = TextColumn("{task.description}"), BarColumn(), _TimeLeft()
        super().__init__(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty())

    def shower(self, one, whole):
        """What `bars.bars` yields.

        Parameters
        ----------
        one, whole : TaskID or None
        """

        def show(name, share, work, done, seconds=None):
            shown = name if len(name) <= 40 else f"{name[:18]}...{name[-18:]}"
            self.update(one, description=escape(shown), completed=share, left=None)
            predicted = 0.0 if seconds is None else seconds()
            self.step = (one, whole, share, work, done, self.clock(), predicted)
            self._go_on()

        return show

    def get_renderables(self):
        """Called by rich some times a second."""
        self._go_on()
        yield from super().get_renderables()

    def _go_on(self):
        if self.step is None:
            return
        one, whole, share, work, done, start, seconds = self.step
        if seconds > 0:
            since = self.clock() - start
            share += (1 - share) * passed(since, seconds)
            self.update(one, completed=share, left=seconds - since)
        if whole is not None:
            self.update(whole, completed=done + share * work)
