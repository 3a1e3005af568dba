"""How much of the removed work becomes removed time: SwinIR-light on the kernels, without heads and hidden channels.

``python benchmarks/pruned.py [--size 256] [--repeat 15] [--json FILE] [--svg FILE]``

Four networks take turns in one process with one thread, in float32; medians count. Before that the kernels of each are
compared with those of the network that is masked only: every bit of the picture is the same.
"""

import argparse
import io
import json
import statistics
import sys
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import karat
from karat.app.bench.case import picture
from karat.app.bench.machine import describe
from karat.app.bench.turns import ratios, take_turns
from karat.kernels import cpu
from karat.refimpl.prune import Plan, channels, count, heads, masked, removed, scores

NETWORK, WHOLE, THREADS = "zoo:light-x2-test", "unpruned", 1
HEADS, HIDDEN, BOTH = "2 of 6 heads", "half the hidden channels", "both"
MARKS = {HEADS: 1.12, HIDDEN: 1.15}  # times as fast as unpruned, at least
GAP = 0.05  # seconds: nobody's workers spin on here, and short rests make more turns
PROOF_SIDE = 32  # pixels


def plans(model):
    """What goes, by name: the lowest by L1, in every layer."""
    fewer_heads = heads.per_layer(model, scores.l1(model, "heads"), 2)
    narrower = channels.per_layer(model, "hidden", scores.l1(model, "hidden"), 0.5)
    return {HEADS: fewer_heads, HIDDEN: narrower, BOTH: fewer_heads.joined(narrower)}


def assert_same_picture(model, plan: Plan):
    """The kernels of the removed network give the bits that those of the masked one give."""
    x = picture(PROOF_SIDE, PROOF_SIDE)
    expected, y = (karat.compile(form(model, plan), threads=1)(x) for form in (masked, removed))
    np.testing.assert_array_equal(y, expected)


def benchmark(size, repeat):
    """A document for --json: the machine, and a row for each network."""
    document = {"machine": describe() | {"kernels": cpu.target().line}}  # the load before anything of ours runs
    model = karat.load(NETWORK)
    models = {WHOLE: model}
    for name, plan in plans(model).items():
        assert_same_picture(model, plan)
        models[name] = removed(model, plan)
    x = picture(size, size)
    compiled = {name: karat.compile(one, threads=THREADS) for name, one in models.items()}
    runs = {name: lambda fast=fast: fast(x) for name, fast in compiled.items()}
    for run in runs.values():
        run()
    times = take_turns(runs, repeat, GAP)
    work = {name: sum(count.multiply_adds(one, (size, size)).values()) for name, one in models.items()}
    faster = ratios(times, models)[WHOLE]
    document |= {"network": NETWORK, "size": [size, size], "threads": THREADS, "repeat": repeat, "precision": "float32"}
    document["rows"] = [
        {
            "form": name,
            "parameters": count.parameters(models[name]),
            "seconds": times[name],
            "median_seconds": statistics.median(times[name]),
            "times_as_fast": faster[name],
            "mark": MARKS.get(name),
            "multiply_adds": work[name],
            "times_less_work": work[WHOLE] / work[name],
        }
        for name in models
    ]
    return document


def became_time(row, whole):
    """Share of the removed multiply-adds that became removed time, in percent; None where none were removed."""
    less_work = 1 - row["multiply_adds"] / whole["multiply_adds"]
    return 100 * (1 - row["median_seconds"] / whole["median_seconds"]) / less_work if less_work else None


def cells(row, whole):
    """What a row of the table holds, as text."""
    mark, share = row["mark"], became_time(row, whole)
    met = "met" if mark and row["times_as_fast"] >= mark else "missed"
    return (
        row["form"],
        f"{1e3 * row['median_seconds']:.1f}",
        f"{row['times_as_fast']:.2f} x",
        f"{row['times_less_work']:.2f} x",
        "-" if share is None else f"{share:.0f} %",
        f"{mark:.2f} x: {met}" if mark else "-",
    )


def show(console, document):
    """Print the table, and a bar for each time."""
    machine, rows = document["machine"], document["rows"]
    height, width = document["size"]
    lines = [
        f"{machine['cpu']}; load average {machine['load_average']} before the run; {machine['date']}",
        f"{machine['kernels']}; one thread, {document['precision']}; {document['repeat']} turns, medians",
        f"{document['network']}, {height} x {width}",
    ]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in ("removed", "ms", "as fast", "less work", "became time", "mark"):
        table.add_column(head, justify="left" if head in ("removed", "mark") else "right")
    for row in rows:
        table.add_row(*cells(row, rows[0]))
    slowest, longest = max(row["median_seconds"] for row in rows), max(len(row["form"]) for row in rows)
    bars = [
        f"{row['form']:<{longest}}  {'▇' * max(1, round(40 * row['median_seconds'] / slowest))} "
        f"{1e3 * row['median_seconds']:.1f} ms"
        for row in rows
    ]
    for part in [*lines, table, "", *bars]:
        console.print(part, highlight=False, soft_wrap=isinstance(part, str))
    console.print("became time: removed time as a share of removed multiply-adds", style="dim", highlight=False)


def chart(document):
    """An SVG: how many times as fast each network is, beside how many times less it multiplies, with the marks."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    rows = document["rows"][1:]
    figure = Figure(figsize=(8, 0.6 + 0.9 * len(rows)), layout="constrained")
    panel = figure.subplots()
    for offset, key, colour, label in (
        (-0.2, "times_as_fast", "#c2410c", "times as fast, measured"),
        (0.2, "times_less_work", "#94a3b8", "times less multiply-adds, counted"),
    ):
        values = [row[key] for row in rows]
        bars = panel.barh([i + offset for i in range(len(rows))], values, 0.36, color=colour, label=label)
        panel.bar_label(bars, [f"{value:.2f} x" for value in values], padding=4, fontsize=9)
    for i, row in enumerate(rows):
        if row["mark"]:
            label = "mark" if i == 0 else None
            panel.plot([row["mark"]] * 2, [i - 0.42, i + 0.42], color="#0f172a", linestyle="--", label=label)
    panel.set_yticks(range(len(rows)), [row["form"] for row in rows])
    panel.axvline(1, color="#64748b", linewidth=0.8)
    size = " x ".join(map(str, document["size"]))
    panel.set_title(f"{document['network']}, {size}, without ... (line: {WHOLE})", loc="left", fontsize=10)
    panel.invert_yaxis()
    panel.spines[["top", "right", "left", "bottom"]].set_visible(False)
    panel.tick_params(left=False, bottom=False, labelbottom=False)
    panel.margins(x=0.12)
    figure.legend(loc="outside lower left", ncols=3, frameon=False, fontsize=9)
    target = io.StringIO()
    FigureCanvasSVG(figure).print_svg(target, metadata={"Date": None})
    return target.getvalue()


def main():
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=256, help="side of the picture, in pixels")
    parser.add_argument("--repeat", type=int, default=15, help="turns; medians count")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--svg", type=Path, help="also draw them here")
    options = parser.parse_args()
    document = benchmark(options.size, options.repeat) | {"command": " ".join(["python", *sys.argv])}
    show(Console(), document)
    if options.json:
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    if options.svg:
        options.svg.write_text(chart(document))


if __name__ == "__main__":
    main()
