"""Many small photographs: processes that compute one each, on one thread each.

A process is started with nothing of the parent's but its module path, and told what to do in lines of JSON. It ends
when the parent does, however that ends; the photograph that it has begun is cleared away then.
"""

import json
import os
import queue
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from ..photos.photo import Header
from ..photos.size import Target
from .inputs import Source
from .memory import Needs
from .plan import Item
from .work import Result

CODE = """import sys
sys.path += [p for p in sys.argv[1:] if p not in sys.path]
from karat.app.batch.worker import main
main()
"""
GRACE = 20.0  # seconds that a stopped process has for the kernel that it is in
SPARED = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def packed(item: Item) -> str:
    """A photograph's plan as a line of JSON; any file name survives."""
    return json.dumps(asdict(item), default=os.fspath)


def unpacked(line: str) -> Item:
    """The inverse of `packed`."""
    held = json.loads(line)
    target = held["target"] | {"sizes": tuple(tuple(size) for size in held["target"]["sizes"])}
    source = Source(*(Path(held["source"][name]) for name in ("path", "relative")))
    made = {"output": Path(held["output"]), "header": Header(**held["header"]), "target": Target(**target)}
    return Item(**held | made | {"source": source, "needs": Needs(**held["needs"])})


@contextmanager
def workers(count: int, model: str, options, kept=()):
    """Processes that wait for work; gives ``run(items)``, an iterator of (item, Result) as they are done.

    Parameters
    ----------
    count : int
    model : str
        What `karat.load` takes.
    options : Options
    kept : tuple of int
        File descriptors that they hold open: a lock lasts as long as they do.
    """
    command = [sys.executable, "-I", "-c", CODE, *(os.path.abspath(place) for place in sys.path if place)]
    first = json.dumps({"model": model, "options": asdict(options)}) + "\n"
    processes: list[subprocess.Popen] = []
    try:
        for _ in range(count):
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, **SPARED},
                pass_fds=kept,
            )
            processes.append(process)
            _say(process, first)
        yield lambda items: _run(processes, items)
    finally:
        _end(processes)


def _run(processes, items):
    """(item, Result) of all items, each by whoever is free, and taken from `items` when it is begun."""
    waiting, done = iter(items), queue.SimpleQueue()
    lock = threading.Lock()

    def serve(process):
        while True:
            with lock:
                item = next(waiting, None)
            if item is None:
                return done.put(None)
            answer = _asked(process, item)
            done.put((item, answer))
            if answer.error.endswith(GONE):
                return done.put(None)

    for process in processes:
        threading.Thread(target=serve, args=(process,), daemon=True).start()
    left = len(processes)
    while left:
        answered = done.get()
        if answered is None:
            left -= 1
        else:
            yield answered
    for item in waiting:  # all processes are gone
        yield item, Result(error=f"{item.source.path.name} was not begun: {GONE}")


GONE = "the process that computed it ended; run again with fewer --jobs"


def _asked(process, item):
    try:
        _say(process, packed(item) + "\n")
        held = json.loads(process.stdout.readline())
        return Result(**held | {"notes": tuple(held["notes"])})
    except (OSError, ValueError):
        return Result(error=f"{item.source.path.name} was not finished: {GONE}")


def _say(process, line):
    process.stdin.write(line)
    process.stdin.flush()


def _end(processes):
    """Ask all of them to end, and wait; a process takes what it has begun away."""
    for process in processes:
        with suppress(OSError):
            process.terminate()
    for process in processes:
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                pipe.close()
