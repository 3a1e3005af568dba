"""Mutation benchmark: are drawn defects called, at the right place, and are honest packages left alone?

``python benchmarks/mutation/run.py [--seed 0] [--json FILE]`` writes docs/mutation.md and docs/mutation.svg.
"""

import argparse
import json
import logging
import multiprocessing
import os
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ULPS = [1, 2, 4, 16, 64, 256]
SHARES = [2.0**-k for k in (4, 7, 10, 12, 14, 16, 18, 20, 22, 24, 26)]


def main():
    """Draw, judge, report; ends with 1 when anything was missed or blamed."""
    options = arguments()
    os.environ["OMP_NUM_THREADS"] = "1"  # the processes share the cores
    sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "tests")]  # which the processes are handed
    from mutation import devices, report, trials

    start, seed = time.perf_counter(), options.seed
    drawn = [(family, seed, n) for n in range(options.draws) for family in trials.FAMILIES]
    sweep = [(f, seed, n, u) for n in range(options.sweep) for f in trials.SIZED for u in ULPS]
    sweep += [(f, seed, n, s) for n in range(options.sweep) for f in devices.SIZED for s in SHARES]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.processes, context, begin) as pool:
        results = [pool.submit(trials.trial, *task) for task in drawn + sweep]
        honest = [pool.submit(_honest, seed, n) for n in range(options.honest)]
        results = [told(future.result()) for future in results]
        honest = [told(future.result()) for future in honest]
    results.sort(key=lambda result: (result.magnitude is not None, result.key))
    command = f"python benchmarks/mutation/run.py --seed {seed}"
    swept = [result for result in results if result.magnitude is not None]
    plain = [result for result in results if result.magnitude is None]
    options.docs.mkdir(exist_ok=True)
    if swept:
        report.figure(swept, options.docs / "mutation.svg")
    text = report.page(seed, command, plain, honest)
    (options.docs / "mutation.md").write_text(text)
    if options.json:
        document = {"seed": seed, "results": list(map(asdict, results)), "honest": list(map(asdict, honest))}
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    print(f"{time.perf_counter() - start:.0f} s")
    print(text[text.index("## Result") : text.index("![")])
    return any(not result.right for result in plain) or any(one.faithful is not True for one in honest)


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--draws", type=int, default=4, help="of every family")
    parser.add_argument("--sweep", type=int, default=12, help="draws of every family with a size, at every size")
    parser.add_argument("--honest", type=int, default=200, help="honest packages")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="folder of mutation.md and mutation.svg")
    parser.add_argument("--json", type=Path, help="also write every draw here")
    return parser.parse_args()


def begin():
    """In every process: one thread, and without coremltools' notes on missing Mac frameworks."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    import torch

    torch.set_num_threads(1)


def _honest(seed, number):
    from mutation.honest import honest

    return honest(seed, number)


def told(result):
    """Print what went wrong as soon as it is known."""
    if not getattr(result, "right", True) and result.magnitude is None:
        print(f"missed {result.key}: {result}", flush=True)
    if getattr(result, "faithful", True) is not True:
        print(f"blamed {result.key}: {result}", flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
