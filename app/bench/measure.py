"""One work measured: memory in children first, then errors, then times in turns."""

import statistics
from collections import deque
from contextlib import contextmanager

import numpy as np

from ...refimpl.metrics import psnr
from .case import Case
from .engines import ENGINES, KARAT, absent
from .flops import count_flops
from .memory import ChildEndedError, memory_growth
from .result import Row, Work
from .turns import GAP, ratios, take_turns

STAGES = ("preparing", "memory", "float64 reference", "timing")
AFFORDABLE = 500e9, 512 * 512  # operations and pixels of a float64 reference: half a minute, a few GB
CUT = 128  # pixels: side of the part whose errors are measured where the whole picture is not affordable


def measure(case: Case, names, repeat, peaks, progress=lambda stage, share=0.0: None, gap=GAP) -> Work:
    """Compare engines on one case.

    Parameters
    ----------
    case : Case
    names : sequence of str
        Keys of `ENGINES`.
    repeat : int
        Rounds of `take_turns`.
    peaks : dict of str to float
        GFLOP/s of one thread by precision, see `peak_loops`.
    progress : callable
        Called with one of `STAGES` and the share of it that is done.
    gap : float
        Seconds of rest before every run.

    Returns
    -------
    Work
    """
    part = case if _affordable(case) else case.cut(CUT)
    flops = count_flops(case.model, *case.size)
    work = Work(str(case.network), case.size, case.model.scale, case.threads, flops, part.size)
    work.absent = {name: reason for name in names if (reason := absent(ENGINES[name], case))}
    names = [name for name in names if name not in work.absent]
    prepared = _prepare(case, names, work, progress)
    memory = _memory(case, prepared, work, progress)
    outputs = _first_pictures(case, prepared, memory, work)
    errors = _errors(part, outputs if part is case else _outputs(part, outputs), progress)
    progress(STAGES[3])
    runs = {name: prepared[name].run for name in outputs}
    times = take_turns(runs, repeat, gap, lambda share: progress(STAGES[3], share))
    slower = ratios(times, KARAT)
    for name in outputs:
        work.rows.append(_row(work, name, prepared[name], times[name], slower[name], errors[name], memory[name], peaks))
    return work


def _row(work, name, engine, seconds, slower, error, memory, peaks):
    median = statistics.median(seconds)
    speed = sum(work.flops.values()) / median / 1e9
    peak = peaks.get(engine.precision)
    return Row(
        engine=name,
        title=ENGINES[name].label(work.threads),
        precision=engine.precision,
        threads=engine.threads,
        seconds=seconds,
        median_seconds=median,
        times_karat=slower,
        psnr_db=error,
        memory_bytes=memory,
        predicted_bytes=engine.predicted,
        gflops_per_second=speed,
        percent_of_peak=100 * speed / (peak * engine.threads) if peak else None,
        slow=list(engine.slow),
    )


def _affordable(case):
    operations, pixels = AFFORDABLE
    return sum(count_flops(case.model, *case.size).values()) <= operations and np.prod(case.size) <= pixels


def _prepare(case, names, work, progress):
    """Engines that are ready. Files that children read are written here: the memory of writing them is not counted."""
    prepared = {}
    for index, name in enumerate(names):
        progress(STAGES[0], index / len(names))
        with _failing(name, work):
            prepared[name] = ENGINES[name].prepare(case)
    return prepared


def _memory(case, names, work, progress):
    """Growth by engine. What does not survive in a child is not run here either."""
    found = {}
    for index, name in enumerate(names):
        progress(STAGES[1], index / len(names))
        with _failing(name, work):
            found[name] = memory_growth(name, case)
    return found


def _first_pictures(case, prepared, names, work):
    """What every engine gives; nothing is compiled or allocated for the first time when it is timed."""
    pictures = {}
    for name in names:
        with _failing(name, work):
            y = prepared[name].run()
            _check(y, case)
            pictures[name] = y
    return pictures


@contextmanager
def _failing(name, work):
    """An engine may raise anything: it is said, and the others go on."""
    try:
        yield
    except ChildEndedError as error:
        work.failed[name] = f"{ENGINES[name].label(work.threads)} failed: {error}"
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        work.failed[name] = f"{ENGINES[name].label(work.threads)} failed: {reason}"


def _check(y, case):
    height, width = (int(case.model.scale * side) for side in case.size)
    expected = (*case.x.shape[:2], height, width)
    if y.shape != expected:
        raise ValueError(f"its picture has shape {y.shape}, expected {expected}")
    if not np.isfinite(y).all():
        raise ValueError("its picture holds values that are not finite")


def _outputs(case, names):
    return {name: ENGINES[name].prepare(case).run() for name in names}


def _errors(case, outputs, progress):
    """PSNR in dB of every output against the golden picture."""
    golden = _golden(case, progress) if outputs else None
    found = {name: psnr(golden, y) for name, y in outputs.items()}
    return {name: value if np.isfinite(value) else None for name, value in found.items()}


def _golden(case, progress):
    total = len(case.model.layers)
    layers = enumerate(case.model.trace(case.x.astype(np.float64)))
    ((_, (_, y)),) = deque((_shown(item, total, progress) for item in layers), maxlen=1)
    return y


def _shown(item, total, progress):
    progress(STAGES[2], item[0] / total)
    return item
