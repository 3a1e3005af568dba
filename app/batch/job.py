"""A job from its arguments to its end: found, planned, checked, done, reported."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...kernels.compile import Upscaler, compile, first_use
from ...kernels.pictures.tiling import check_tile
from ...refimpl.errors import BadInput
from ..outputs import check_outputs
from ..photos.decoder import Decoder
from ..photos.read import printable
from .checks import check_arguments, check_beside, check_no_stream
from .inputs import find_inputs
from .memory import BASE
from .options import Options, Ways, weights_hash
from .plan import Plan
from .planning import make_plan
from .report import as_json, plan_line, write_json
from .run import Done, run_plan
from .shard import parse_shard, take_shard


@dataclass(frozen=True)
class Listeners:
    """Who is told what.

    Attributes
    ----------
    say : callable
        Sentences.
    planned : callable, optional
        (plan, fast, options); gives seconds for each item, about.
    tell : callable, optional
        (item, result), as each is done.
    show : callable, optional
        As `bars.bars` has it.
    """

    say: Callable = lambda sentence: None
    planned: Callable | None = None
    tell: Callable | None = None
    show: Callable | None = None


@dataclass
class Job:
    """What became of a job.

    Attributes
    ----------
    plan : Plan
    done : Done or None
        None where it was only planned.
    seconds : list of float or None
        For each item, as predicted.
    """

    plan: Plan
    done: Done | None = None
    seconds: list[float] | None = None
    held: dict = field(default_factory=dict)

    def __post_init__(self):
        self.held = as_json(self.plan, self.done, self.seconds)

    @property
    def failed(self) -> int:
        """Photographs without a result."""
        return self.done.failed if self.done else len(self.plan.unread)

    @property
    def lone_error(self) -> str:
        """What went wrong with the only photograph that was named."""
        errors = [result.error for _, result in self.done.results] if self.done else []
        return errors[0] if self.plan.found.lone and errors else ""


def run_job(sources, output, model, options: Options, ways: Ways, listeners: Listeners) -> Job:
    """Find, plan, check and do.

    Parameters
    ----------
    sources : sequence of path_like
    output : path_like
    model
        What `karat.load` takes, or its result.
    options : Options
    ways : Ways
    listeners : Listeners

    Raises
    ------
    BadInput
        Before anything is written.
    """
    options, shard = _shared(options, ways.jobs, model), None if ways.shard is None else parse_shard(ways.shard)
    sources, network = list(map(os.fsdecode, sources)), model if isinstance(model, (str, os.PathLike)) else None
    check_arguments(*sources, output, ways.json, ways.compare, ways.truth)
    check_no_stream(output, ways.json, ways.compare)
    check_outputs([ways.json, ways.compare], *sources, ways.truth, network)
    with Decoder() as decoder:  # its child starts while the kernels are loaded here
        found = find_inputs(sources, ways.recursive, output)
        originals = found.sources
        if shard is not None:
            found = replace(found, sources=take_shard(found.sources, *shard), lone=False)
        fast = compile(
            model, options.precision, options.threads, lambda name, n, all_: n or listeners.say(first_use(all_))
        )
        if options.tile is not None:
            check_tile(options.tile, options.overlap, fast.scale)
        plan = make_plan(found, output, options, fast, decoder, ways.overwrite, ways.resume)
        check_beside(ways, plan, originals)
        seconds = listeners.planned(plan, fast, options) if listeners.planned else None
        if ways.dry_run:
            job = Job(plan, None, seconds)
            _write(ways, job, {}, listeners.say)
            plan.check()
            return job
        plan.check()
        if found.lone and plan.unread:
            raise BadInput(plan.unread[0].error)
        truths = _truths(ways, plan, decoder)
        listeners.say(_announced(plan, fast, model, seconds, ways.jobs))
        settings = {"resume": ways.resume, "shard": shard, "tell": listeners.tell, "show": listeners.show}
        settings["pool"] = (ways.jobs, os.fspath(model)) if ways.jobs > 1 else None
        done = run_plan(plan, options, fast, decoder, lambda: weights_hash(fast.model), **settings)
    job = Job(plan, done, seconds)
    _write(ways, job, truths, listeners.say)
    return job


def _truths(ways, plan, decoder):
    if ways.truth is not None and ways.compare is None:
        raise BadInput("a ground truth was given without a page to compare on, expected both; add --compare PAGE.html")
    if ways.truth is None:
        return {}
    from .comparison import find_truths

    return find_truths(ways.truth, plan, decoder)


def _shared(options, jobs, model):
    """Of several processes each computes on one thread, and has its share of the memory."""
    if not isinstance(jobs, int) or jobs < 1:
        raise BadInput(f"{jobs} jobs were asked for, expected 1 or more; leave it out for 1")
    if jobs == 1:
        return options
    if not isinstance(model, (str, os.PathLike)):
        raise BadInput("several processes need a network by name or path, expected no arrays; save it or take one job")
    share = None if options.max_memory is None else (options.max_memory - BASE) // jobs
    return replace(options, threads=1, max_memory=share)


def _announced(plan, fast: Upscaler, model, seconds, jobs):
    """The network and the plan in a sentence."""
    name = f"{model}: " if isinstance(model, (str, Path)) else ""
    if plan.found.lone:
        needs = plan.items[0].needs
        return f"{name}{fast.line}, {needs.line}, about {max(1, round(needs.most / 1e6))} MB"
    return f"{name}{fast.line}, {plan_line(plan, sum(seconds or ()), jobs)}"


def _write(ways, job, truths, say):
    """What was asked for beside the photographs."""
    if ways.json is not None:
        write_json(Path(ways.json), job.held)
    if ways.compare is not None and job.done is not None:
        from .comparison import write_page

        say(f"{printable(os.fsdecode(ways.compare))} written, with {write_page(ways.compare, job.plan, truths)}")
