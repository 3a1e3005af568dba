"""A planned job, done: each photograph on its own, and each one written down."""

import os
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from importlib.metadata import version

from ..photos.read import printable
from .manifest import Manifest, file_hash, manifest_path, proven, read_manifests
from .names import temporary
from .plan import Item, Plan, Refused
from .pool import workers
from .work import Result, upscale_item


@dataclass
class Done:
    """What became of a plan.

    Attributes
    ----------
    results : list of (Item or Refused, Result)
        Of photographs that were worked on, or could not be read.
    before : list of Item
        Of which a manifest proves that they were done.
    """

    results: list[tuple[Item | Refused, Result]] = field(default_factory=list)
    before: list[Item] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """Photographs without a result."""
        return sum(bool(result.error) for _, result in self.results)


def run_plan(plan: Plan, options, fast, decoder, weights, *, resume=False, shard=None, pool=None, tell=None, show=None):
    """Do what is planned.

    Parameters
    ----------
    plan : Plan
    options : Options
    fast : Upscaler
    decoder : Decoder
    weights : callable
        Gives the hash of the network; called where there is a manifest.
    resume : bool
        Whether to pass over what a manifest proves.
    shard : tuple of int, optional
        (number, count): it has a manifest of its own.
    pool : tuple, optional
        (processes, model's name).
    tell : callable, optional
        Called with (item, Result) as each is done.
    show : callable, optional
        See `bars.bars`.

    Returns
    -------
    Done
    """
    done, tell, work = Done(), tell or (lambda item, result: None), plan.items
    with ExitStack() as stack:
        book = None
        if plan.folder is not None:
            plan.folder.mkdir(parents=True, exist_ok=True)
            manifest = stack.enter_context(Manifest(manifest_path(plan.folder, shard)))
            book = _Book(manifest, plan.folder, options, weights())
            if resume:
                done.before = book.proven(work)
                proven_ones = set(map(id, done.before))
                work = [item for item in work if id(item) not in proven_ones]
        for item in work:
            with suppress(OSError):  # none is there, as nearly always
                temporary(item.output).unlink()
        for refused in plan.unread:
            _note(done, book, tell, refused, Result(error=refused.error, unread=True))
        for item, result in _results(work, options, fast, decoder, pool, stack, book, show):
            _note(done, book, tell, item, result)
    return done


def _note(done, book, tell, item, result):
    if book is not None:
        result = book.add(item, result)
    done.results.append((item, result))
    tell(item, result)


def _results(work, options, fast, decoder, pool, stack, book, show):
    """(item, Result) as each is done, here or in processes."""
    finished = 0
    if pool is not None and len(work) > 1:
        kept = () if book is None or os.name == "nt" else (book.manifest.descriptor,)
        run = stack.enter_context(workers(min(pool[0], len(work)), pool[1], options, kept))
        for item, result in run(_begun(work, book)):
            finished += item.work
            if show is not None:
                show(printable(item.source.path.name), 1.0, 0, finished)
            yield item, result
        return
    for item in _begun(work, book):
        step = None if show is None else _stepper(show, fast, item, finished, options)
        result = upscale_item(item, options, fast, decoder, step)
        if show is not None:
            show(printable(item.source.path.name), 1.0, item.work, finished)
        yield item, result
        finished += item.work


def _stepper(show, fast, item, finished, options):
    """``progress(done, total)`` of the network; the rest of the bar is the encoder's, which does not tell of itself."""
    from .speed import encoding_seconds, network_share  # not needed where nobody looks

    share, name = network_share(fast, item), printable(item.source.path.name)

    def step(now, total):
        if now < total:
            show(name, share * now / total, item.work, finished)
        else:
            show(f"{name}, encoding", share, item.work, finished, lambda: encoding_seconds(item, options))

    step(0, 1)
    return step


def _begun(work, book):
    """Each photograph, once the manifest says that its result is the job's: whoever is killed may not say it later."""
    for item in work:
        if book is not None:
            book.begin(item)
        yield item


class _Book:
    """What a manifest says of a job's photographs."""

    def __init__(self, manifest, folder, options, weights):
        self.manifest, self.folder, self.options, self.weights = manifest, folder, options, weights

    def proven(self, items):
        """Those that are done, and still are what was made then."""
        known = read_manifests(self.folder)
        entries = [known.get(self._name(item), ()) for item in items]
        return [
            item
            for item, held in zip(items, entries, strict=True)
            if held and proven(held, item.output, **self._claim(item, _hash(item.source.path)))
        ]

    def begin(self, item):
        """Write that a result may be there from now on."""
        with suppress(OSError):  # a full disk is said by the result's own line
            self.manifest.add({"output": self._name(item), "begun": True})

    def add(self, item, result):
        """Write a line; gives the result, which failed where that cannot be."""
        claim = self._claim(item, result.input_sha256 or _hash(item.source.path)) | {
            "input": os.fspath(item.source.path),
            "output": self._name(item),
        }
        made = {
            "output_sha256": result.sha256 or None,
            "seconds": round(result.seconds, 3),
            "bits": result.bits or None,
        }
        try:
            self.manifest.add(claim | made | {"notes": result.notes, "error": result.error or None})
        except OSError as error:
            sentence = (
                f"{printable(str(self.manifest.path))} cannot be written ({error.strerror}); make room and run again"
            )
            return replace(result, error=result.error or sentence)
        return result

    def _name(self, item):
        return item.output.relative_to(self.folder).as_posix() if isinstance(item, Item) else ""

    def _claim(self, item, read):
        """All that a result depends on; ``read`` is the hash of the input."""
        planned = {"written": None, "tiles": None}
        if isinstance(item, Item):  # tiles count where they show
            planned = {"written": item.format, "tiles": item.needs.line if "seams" in item.needs.line else None}
        return {
            "input_sha256": read,
            "weights_sha256": self.weights,
            "options": self.options.lasting() | planned,
            "karat": version("karat"),
        }


def _hash(path):
    try:
        return file_hash(path)
    except OSError:
        return None
