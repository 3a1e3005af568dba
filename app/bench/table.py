"""The comparison as a table: on the terminal with bars below it, and in Markdown."""

from rich.table import Table
from rich.text import Text

from .engines import KARAT
from .findings import NOTES, findings, title

HEADS = ("engine", "ms", "karat f32", "karat bf16", "PSNR", "MB", "GFLOP/s", "peak")


def cells(row):
    """What the columns of `HEADS` hold for an engine, as text; a dash where nothing was measured.

    Parameters
    ----------
    row : Row
    """
    against = [f"{row.times_karat[name]:.2f} x" if name in row.times_karat else "-" for name in KARAT]
    return (
        row.title,
        f"{1e3 * row.median_seconds:.1f}",
        *against,
        "exact" if row.psnr_db is None else f"{row.psnr_db:.1f}",
        _number(row.memory_bytes and row.memory_bytes / 1e6, ".0f"),
        f"{row.gflops_per_second:.1f}",
        _number(row.percent_of_peak, ".0f", " %"),
    )


def print_work(console, work):
    """One work: a table, a drawing of the times, and what it says."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")  # 80 columns hold it
    for head in HEADS:
        table.add_column(head, justify="left" if head == HEADS[0] else "right", overflow="fold")
    for row in work.rows:
        table.add_row(*map(Text, cells(row)))
    _say(console, title(work), style="bold")
    if work.rows:
        console.print(table)
        _say(console, "")
    for line in [*bars(work), *findings(work), ""]:
        _say(console, line)


def bars(work, width=40):
    """A line per engine: its time as a bar, the slowest engine's being ``width`` characters long."""
    slowest = max((row.median_seconds for row in work.rows), default=0)
    name = max((len(row.title) for row in work.rows), default=0)
    for row in work.rows:
        length = max(1, round(width * row.median_seconds / slowest))
        yield f"{row.title:<{name}}  {'▇' * length} {1e3 * row.median_seconds:.1f} ms"


def header(document):
    """Lines about the machine, the run and the peaks."""
    machine, peaks = document["machine"], document["peak_gflops_per_second"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    roof = ", ".join(f"{name} {value:.0f} GFLOP/s" for name, value in peaks.items())
    load = "unknown" if machine["load_average"] is None else machine["load_average"]
    return [
        f"{machine['cpu']}; load average {load} before the run; {machine['date']}",
        f"Python {machine['python']}, {versions}",
        machine["kernels"],
        f"threads: {document['threads']}; rounds: {document['repeat']}; rest between runs: {document['gap_seconds']} s",
        f"measured peak of one thread: {roof}",
    ]


def layer_lines(layers):
    """Sentences about the fused layers of `measure_layers`."""
    for layer in layers:
        speed, share = f"{layer['gflops_per_second']:.0f} GFLOP/s", _number(layer["percent_of_peak"], ".1f", " %")
        yield f"{layer['layer']}, {layer['precision']}: {speed}, {share} of the peak"


def markdown(document, works):
    """A page with the command above its tables, for ``docs/performance.md``.

    Parameters
    ----------
    document : dict
        What ``--json`` writes.
    works : list of Work

    Returns
    -------
    str
    """
    lines = ["# Performance", "", "```sh", document["command"], "```", ""]
    lines += [f"* {line}" for line in [*header(document), *NOTES]]
    for work in works:
        lines += [
            "",
            f"## {title(work)}",
            "",
            "| " + " | ".join(HEADS) + " |",
            "|---" + "|---:" * (len(HEADS) - 1) + "|",
        ]
        lines += ["| " + " | ".join(cells(row)) + " |" for row in work.rows]
        lines += ["", *[f"* {line}" for line in findings(work)]]
    if document["fused_layers"]:
        lines += ["", "## One fused layer", "", *[f"* {line}" for line in layer_lines(document["fused_layers"])]]
    return "\n".join(lines) + "\n"


def _number(value, form, unit=""):
    return "-" if value is None else f"{value:{form}}{unit}"


def _say(console, line, style=None):
    console.print(line, style=style, highlight=False, markup=False, emoji=False, soft_wrap=True)
