"""Engines in turns: what disturbs the machine for a second disturbs all of them, and medians forget it."""

import statistics
import time

GAP = 0.25  # seconds between runs: ONNX Runtime's workers spin on after a run, and would slow the next engine


def take_turns(runs, repeat, gap=GAP, progress=lambda share: None):
    """Time callables round-robin.

    Parameters
    ----------
    runs : mapping of str to callable
        Each was called before, so that nothing is compiled or allocated for the first time.
    repeat : int
        Rounds.
    gap : float
        Seconds of rest before every run. A run that is shorter than that is taken twice and timed the second time: the
        first one finds processors asleep.
    progress : callable
        Called with the share of the runs that are done.

    Returns
    -------
    dict of str to list of float
        Seconds of every run.
    """
    times = {name: [] for name in runs}
    for turn in range(repeat):
        for index, (name, run) in enumerate(runs.items()):
            progress((turn + index / len(runs)) / repeat)
            time.sleep(gap)
            seconds = _timed(run)
            times[name].append(_timed(run) if seconds < gap else seconds)
    return times


def _timed(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def ratios(times, numerators):
    """How many times as long as each of ``numerators`` every engine takes: above 1, the numerator is faster.

    Parameters
    ----------
    times : mapping of str to list of float
        Of one `take_turns`: times of two runs are never compared.
    numerators : iterable of str
        Those that did not run are left out.

    Returns
    -------
    dict of str to dict of str to float
        ``[engine][numerator]``: median of the engine over the numerator's.

    Examples
    --------
    >>> ratios({"karat-f32": [1, 2, 9], "torch": [6, 6, 5]}, ["karat-f32", "karat-bf16"])["torch"]
    {'karat-f32': 3.0}
    """
    medians = {name: statistics.median(seconds) for name, seconds in times.items()}
    present = [name for name in numerators if name in medians]
    return {name: {over: median / medians[over] for over in present} for name, median in medians.items()}
