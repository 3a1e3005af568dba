"""The bars of a job as a terminal shows them, and how they go on while an encoder does not tell of itself."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from karat.app.batch import rich_bars, run, speed
from karat.app.batch.bars import bars
from karat.app.batch.options import make_options
from karat.app.batch.rich_bars import STEADY, Bars, passed

TIMES = st.floats(0, 1e6)


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self):
        return self.now


def drawn(progress):
    """What a terminal of 100 columns would show now."""
    console = Console(file=io.StringIO(), width=100, record=True, force_terminal=True)
    console.print(progress.get_renderable())
    return console.export_text()


def begun(several=False):
    clock = Clock()
    progress = Bars(Console(file=io.StringIO(), width=100, force_terminal=True), clock)
    one = progress.add_task("upscaling", total=1)
    whole = progress.add_task("all", total=300) if several else None
    return clock, progress, progress.shower(one, whole)


@given(st.lists(TIMES, min_size=2), st.floats(1e-3, 1e5))
def test_predicted_work_goes_on_and_never_ends(times, predicted):
    shares = [passed(seconds, predicted) for seconds in sorted(times)]
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] < 1
    # each share lies below an even pace, and meets it as long as the prediction holds
    assert all(s <= t / predicted or t == 0 for s, t in zip(shares, sorted(times), strict=True))
    assert all(s == t / predicted for s, t in zip(shares, sorted(times), strict=True) if t < STEADY * predicted)


def test_the_bar_moves_while_the_encoder_works():
    clock, progress, show = begun(several=True)
    show("a.heic, encoding", 0.25, 100, 100, lambda: 40)
    lengths, ends = [], []
    for clock.now in (0, 10, 20, 30, 36, 40, 80, 4000):
        line, whole = drawn(progress).splitlines()[:2]
        assert line.startswith("a.heic, encoding")
        lengths.append(line.count("━"))
        ends.append(line.rstrip().rpartition(" ")[2])
        assert progress.tasks[0].completed == 0.25 + 0.75 * passed(clock.now, 40)
        assert progress.tasks[1].completed == 100 + 100 * progress.tasks[0].completed
        assert "━" in whole
    assert ends == ["0:00:40", "0:00:30", "0:00:20", "0:00:10", "0:00:04", *3 * ["0:00:01"]]
    assert progress.tasks[0].completed < 1
    show("a.heic", 1.0, 100, 100)
    clock.now = 9000
    drawn(progress)
    assert [task.completed for task in progress.tasks] == [1, 200]
    show("b.heic", 0.1, 100, 200)
    assert "b.heic" in drawn(progress)
    assert progress.tasks[0].completed == 0.1


def test_a_mutant_that_stands_still_is_caught(monkeypatch):
    monkeypatch.setattr(rich_bars, "passed", lambda since, seconds: 0.0)
    with pytest.raises(AssertionError):
        test_the_bar_moves_while_the_encoder_works()


def test_nobody_is_asked_for_a_prediction_where_nobody_looks(monkeypatch):
    monkeypatch.setattr("sys.stderr", io.StringIO())
    with bars(1, False) as show:
        show("a", 0.5, 1, 0, lambda: 1 / 0)


def test_the_encoder_is_predicted_when_the_network_is_done(monkeypatch):
    monkeypatch.setattr(speed, "network_share", lambda fast, item: 0.25)
    monkeypatch.setattr(speed, "encoding_seconds", lambda item, options: 7)
    source = type("Source", (), {"path": type("Path", (), {"name": "a.heic"})})
    seen = []
    item = type("Item", (), {"source": source, "work": 5})
    step = run._stepper(lambda *given: seen.append(given), None, item, 9, None)
    step(1, 2)
    step(2, 2)
    assert seen[:2] == [("a.heic", 0.0, 5, 9), ("a.heic", 0.125, 5, 9)]
    assert seen[2][:4] == ("a.heic, encoding", 0.25, 5, 9)
    assert seen[2][4]() == 7


@pytest.mark.parametrize("width", [10, 100_000])
def test_a_long_encoding_is_measured_and_a_short_one_is_not(monkeypatch, width):
    target = type("Target", (), {"width": width, "height": 1000})
    item = type("Item", (), {"target": target, "format": "HEIC"})
    monkeypatch.setattr(speed, "encoding_speed", lambda format, options: 1e6)
    found = speed.encoding_seconds(item, make_options())
    rough = 1e-9 * speed.NANOSECONDS["HEIC"] * width * 1000
    expected = rough if rough < speed.WORTH_MEASURING else width * 1000 / 1e6
    assert found == pytest.approx(expected, rel=4 * np.finfo(float).eps)  # a product of three, rounded in another order
