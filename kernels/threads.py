"""Plain threads over tasks: kernels hold no lock while they run."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from threading import Thread


def run(threads: int, tasks: Sequence[Callable[[int], object]]) -> None:
    """Call every task once, the next one wherever a thread is free.

    Parameters
    ----------
    threads : int
        At most; the calling thread is the first of them.
    tasks : sequence of callable
        Called with the number of their thread, 0 to ``threads - 1``, by which they find scratch of their own. Tasks
        must not write what others read, in whatever order they run.

    Raises
    ------
    BaseException
        What a task raised first, after all threads have ended; tasks that had not begun are dropped.

    Examples
    --------
    >>> done = []
    >>> run(2, [lambda thread, i=i: done.append(i) for i in range(3)])
    >>> sorted(done)
    [0, 1, 2]
    """
    turns, errors = count(), []  # next() of a count is one step for all threads

    def work(thread):
        try:
            while not errors and (turn := next(turns)) < len(tasks):
                tasks[turn](thread)
        except BaseException as error:  # raised again below, in the thread that asked
            errors.append(error)

    helpers = [Thread(target=work, args=(i,), daemon=True) for i in range(1, min(threads, len(tasks)))]
    for helper in helpers:
        helper.start()
    work(0)
    for helper in helpers:
        helper.join()
    if errors:
        raise errors[0]


def run_each(threads: int, number: int, work: Callable[[int, int], object]) -> None:
    """Call work(i, thread) for every i below a number: rows of a map, most often.

    Examples
    --------
    >>> done = []
    >>> run_each(2, 3, lambda i, thread: done.append(i))
    >>> sorted(done)
    [0, 1, 2]
    """
    run(threads, [partial(work, i) for i in range(number)])
