"""Threads take every task once, and tell what went wrong."""

from collections import Counter
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from karat.kernels.threads import run


@given(st.integers(1, 4), st.integers(0, 9))
def test_every_task_runs_once(threads, tasks):
    done = []
    run(threads, [lambda thread, i=i: done.append((i, thread)) for i in range(tasks)])
    assert Counter(i for i, _ in done) == Counter(range(tasks))
    assert all(0 <= thread < threads for _, thread in done)


def test_tasks_run_at_the_same_time():
    together = Barrier(3, timeout=10)
    run(3, [lambda thread: together.wait()] * 3)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_first_error_is_raised_and_the_rest_is_dropped(threads):
    done = []

    def fail(thread):
        raise ValueError("task")

    with pytest.raises(ValueError, match="task"):
        run(threads, [fail, *[lambda thread: done.append(0)] * 50_000])
    assert len(done) < 50_000
