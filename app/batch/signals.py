"""Being stopped: by a person (Ctrl-C), or by a system that shuts down or ends a job."""

import signal
import threading
from contextlib import contextmanager

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Stopped(KeyboardInterrupt):
    """A signal came; what was begun is cleared away on the way out."""

    def __init__(self, number):
        super().__init__(number)
        self.number = number

    @property
    def code(self) -> int:
        """The exit code that shells expect."""
        return 128 + self.number


@contextmanager
def stoppable(signals=SIGNALS, ignored=()):
    """Within it the first signal raises `Stopped`; later ones do not disturb the clearing away.

    In other threads than the main one, where Python sets no handlers, it changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number, frame):
        for one in signals:
            signal.signal(one, signal.SIG_IGN)
        raise Stopped(number)

    before = {one: signal.signal(one, stop) for one in signals}
    before |= {one: signal.signal(one, signal.SIG_IGN) for one in ignored}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
