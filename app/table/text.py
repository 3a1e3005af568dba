"""The table on the terminal, in one piece or in two where it is too wide, and in Markdown."""

from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from ..lines import say

COUNTED = {  # title of a column -> (entry of a row, how it is written)
    "parameters\nas studied": ("parameters_as_studied", "{:,}"),
    "sparsity %\nas studied": ("sparsity_as_studied", "{:.2f}"),
    "parameters\nas it is": ("parameters_as_is", "{:,}"),
    "sparsity %\nas it is": ("sparsity_as_is", "{:.2f}"),
    "FLOPs\nG": ("gflops", "{:,.2f}"),
}
MEASURED = {
    "file\nMB": ("megabytes", "{:,.2f}"),
    "Core ML\nMB": ("coreml_megabytes", "{:,.2f}"),
    "PSNR\ndB": ("psnr", "{:.2f}"),
    "SSIM\n": ("ssim", "{:.4f}"),
    "latency\nms": ("milliseconds", "{:,.1f}"),
    "energy\nJ": ("joules", "{:,.3f}"),
    "inferences\n": ("inferences", "{:,}"),
}


def shown(entry, form):
    """A number as text, or a dash.

    Examples
    --------
    >>> shown(910152, "{:,}"), shown(None, "{:,}")
    ('910,152', '-')
    """
    return "-" if entry is None else form.format(entry)


def print_table(console, document):
    """Print a document of `run_table`.

    Parameters
    ----------
    console : rich.console.Console
    document : dict
    """
    say(console, title(document), style="bold")
    say(console, "")
    rows, parts = document["rows"], [COUNTED, MEASURED] if document["measured"] else [COUNTED]
    whole = _table(rows, {name: column for part in parts for name, column in part.items()})
    endless = console.options.update(width=1000)
    fits = Measurement.get(console, endless, whole).maximum <= console.width
    for table in [whole] if fits else [_table(rows, part) for part in parts]:
        console.print(table)
        say(console, "")
    for note in document["notes"]:
        say(console, f"* {note}")


def title(document):
    """What the table is of."""
    height, width = document["size"]
    return f"{document['model']}, {height} x {width} pixels"


def _table(rows, columns):
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("technique", overflow="fold", vertical="bottom")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        cells = [shown(row[entry], form) for entry, form in columns.values()]
        table.add_row(*map(Text, [row["label"], *cells]))
    return table


def markdown(document):
    """A page with the command above the table.

    Parameters
    ----------
    document : dict

    Returns
    -------
    str
    """
    columns = COUNTED | (MEASURED if document["measured"] else {})
    heads = ["technique", *(" ".join(name.split()) for name in columns)]
    lines = [f"# {title(document)}", "", "```sh", document["command"], "```", ""]
    lines += ["| " + " | ".join(heads) + " |", "|---" + "|---:" * len(columns) + "|"]
    for row in document["rows"]:
        cells = [shown(row[entry], form) for entry, form in columns.values()]
        lines.append("| " + " | ".join([row["label"].replace("*", r"\*").replace("|", r"\|"), *cells]) + " |")
    lines += ["", *[f"* {note}" for note in document["notes"]]]
    return "\n".join(lines) + "\n"
