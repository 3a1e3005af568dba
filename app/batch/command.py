"""``karat upscale``."""

import gc
import sys
from contextlib import ExitStack

from ...refimpl.errors import BadInput
from ..photos.read import printable
from .job import Listeners, run_job
from .options import Ways, make_options
from .signals import Stopped, stoppable


def run_upscale(say, complain, sources, output, model, options: dict, ways: dict, console) -> int:
    """Do a job as a person asked for it; gives the exit code.

    Parameters
    ----------
    say, complain : callable
        Called with sentences for stdout and for stderr.
    sources : sequence of str
    output : str
    model : str
    options, ways : dict
        See `options.Options` and `options.Ways`.
    console : rich.console.Console

    Returns
    -------
    int
        0; 1 when a photograph failed; 130 and the like when it was stopped.

    Raises
    ------
    BadInput
        When nothing was begun.
    """
    try:
        with stoppable():
            job = _Talk(say, complain, console, Ways(**ways)).run(sources, output, model, make_options(**options))
    except Stopped as stopped:
        complain("stopped, and nothing is left half; the same command with --resume goes on")
        return stopped.code
    return 1 if job.failed else 0


class _Talk:
    """What is said while a job is done."""

    def __init__(self, say, complain, console, ways):
        self.say, self.complain, self.console, self.ways = say, complain, console, ways
        self.stack, self.show, self.lone = ExitStack(), None, False

    def run(self, sources, output, model, options):
        """The job."""
        with self.stack:
            listeners = Listeners(self.say, self.planned, self.tell, lambda *step: self.show and self.show(*step))
            job = run_job(sources, output, model, options, self.ways, listeners)
        if job.lone_error and job.done and job.done.results[0][1].unread:
            raise BadInput(job.lone_error)
        if job.done and not self.lone:
            from .report import end_line

            self.say(end_line(job.plan, job.done))
        return job

    def planned(self, plan, fast, options):
        """Predict times where somebody will read them, print the table of a dry run, begin the bars."""
        several, seconds = len(plan.items) > 1, None
        self.lone = plan.found.lone
        if several:
            gc.enable()  # a quick start has left it out, and many photographs would leave much behind
        if self.ways.dry_run or several:
            from .speed import predicted_seconds

            seconds = predicted_seconds(plan, fast, options, self.ways.jobs)
        if self.ways.dry_run:
            from .report import plan_line, plan_table

            self.console.print(plan_table(plan, seconds))
            self.say(plan_line(plan, sum(seconds or ()), self.ways.jobs))
        elif sys.stderr.isatty():
            from .bars import bars

            work = sum(item.work for item in plan.items)
            self.show = self.stack.enter_context(bars(work, several))
        return seconds

    def tell(self, item, result):
        """A line for each photograph, and for each thing that a person should know of it."""
        if result.error:
            if not (self.lone and result.unread):  # that is said at the end, as of any other bad input
                self.complain(result.error)
            return
        self.say(f"{printable(str(item.output))} written")
        for note in result.notes:
            self.say(f"  {printable(item.source.path.name)}: {note}")
