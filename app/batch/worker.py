"""A process of `pool.workers`."""

import json
import os
import queue
import signal
import sys
import threading
from dataclasses import asdict

PATIENCE = 20.0  # seconds until a process ends that cannot be stopped


def main():
    """Answer every line of stdin with one on stdout, until there are no more."""
    from ...kernels.compile import compile
    from ..photos.decoder import Decoder
    from ..quick import quick_start
    from .options import Options
    from .pool import unpacked
    from .signals import Stopped, stoppable
    from .work import upscale_item

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints is no answer
    lines = queue.SimpleQueue()
    try:
        with stoppable([signal.SIGTERM], ignored=[signal.SIGINT]), Decoder() as decoder:
            threading.Thread(target=_listen, args=(lines,), daemon=True).start()
            asked = json.loads(lines.get())
            asked["options"]["tile"] = asked["options"]["tile"] and tuple(asked["options"]["tile"])
            options = Options(**asked["options"])
            with quick_start():
                fast = compile(asked["model"], options.precision, 1)
            while line := lines.get():
                result = upscale_item(unpacked(line), options, fast, decoder)
                answers.write(json.dumps(asdict(result)) + "\n")
                answers.flush()
    except (Stopped, BrokenPipeError):
        pass
    os._exit(0)  # nothing is left to do, and a pipe that nobody reads must not be flushed


def _listen(lines):
    """Hand lines on; when the parent is gone, stop whatever is being done."""
    for line in sys.stdin:
        lines.put(line)
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(PATIENCE)
    os._exit(1)
