"""One work measured: memory in children first, then errors, then times in turns."""

import statistics
from collections import deque

import numpy as np

from ...refimpl.metrics import psnr
from .case import Case, onnx_file
from .engines import ENGINES, KARAT, absent
from .flops import count_flops
from .memory import ChildEndedError, memory_growth
from .result import Row, Work
from .turns import GAP, ratios, take_turns

STAGES = ("exporting", "memory", "preparing", "float64 reference", "timing")
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
        GFLOP/s of one thread by precision, see `measure_peaks`.
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
    memory = _memory(case, _export(case, names, work, progress), work, progress)
    prepared, outputs = _prepare(case, memory, work, progress)
    errors = _errors(part, outputs if part is case else _outputs(part, prepared), progress)
    progress(STAGES[4])
    runs = {name: engine.run for name, engine in prepared.items()}
    times = take_turns(runs, repeat, gap, lambda share: progress(STAGES[4], share))
    slower = ratios(times, KARAT)
    for name, engine in prepared.items():
        work.rows.append(_row(work, name, engine, times[name], slower[name], errors[name], memory[name], peaks))
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


def _export(case, names, work, progress):
    """Write what engines read, so that no child does: its memory would be in use already. Gives who can go on."""
    going = []
    for index, name in enumerate(names):
        progress(STAGES[0], index / len(names))
        engine = ENGINES[name]
        try:
            if engine.reads:
                onnx_file(case, *engine.reads(case))
            going.append(name)
        except Exception as error:  # the exporter may raise anything; the sentence is printed and kept
            work.failed[name] = f"{engine.title} got no ONNX file: {_first_line(error)}"
    return going


def _first_line(error):
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _memory(case, names, work, progress):
    """Growth by engine. An engine that does not survive in a child is not run here either."""
    found = {}
    for index, name in enumerate(names):
        progress(STAGES[1], index / len(names))
        try:
            found[name] = memory_growth(name, case)
        except ChildEndedError as error:
            work.failed[name] = f"{ENGINES[name].label(case.threads)} failed: {error}"
    return found


def _prepare(case, names, work, progress):
    """Engines that are ready, and their first outputs; where no child tried an engine, its failure shows here."""
    prepared, outputs = {}, {}
    for index, name in enumerate(names):
        progress(STAGES[2], index / len(names))
        try:
            prepared[name] = ENGINES[name].prepare(case)
            outputs[name] = prepared[name].run()
            _check(outputs[name], case)
        except Exception as error:  # a peer may raise anything; the sentence is printed and kept
            prepared.pop(name, None)
            outputs.pop(name, None)
            work.failed[name] = f"{ENGINES[name].label(case.threads)} failed: {_first_line(error)}"
    return prepared, outputs


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
    progress(STAGES[3], item[0] / total)
    return item
