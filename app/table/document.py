"""The table as a document, for ``--json``, and its footnotes."""

from ...refimpl.prune.count import parameters
from .rows import Row, subject

MISPRINTED = "real-world"


def document_of(about, rows, measured=None, power=15.0, budget=10.0):
    """Everything that is printed, drawn and written.

    Parameters
    ----------
    about : dict
        Entries for the head: "command", "model", "size" and more.
    rows : list of Row
    measured : list of Measured or None
        None: counts only.
    power : float
        Watts, stated.
    budget : float
        Watt hours.

    Returns
    -------
    dict
        Of plain values.
    """
    entries = [_counted(row) for row in rows]
    for entry, one in zip(entries, measured or (), strict=False):
        entry |= _measured(one, power, budget)
    assumed = {"power_watts": power, "power_is": "stated, not measured", "budget_watt_hours": budget}
    document = about | {"measured": measured is not None} | (assumed if measured is not None else {})
    notes = [*_count_notes(rows), *(_notes(document, entries) if measured is not None else ())]
    return document | {"notes": notes, "rows": entries}


def _counted(row: Row):
    return {
        "technique": row.technique,
        "label": row.label,
        "built": row.build is not None,
        "parameters_as_studied": row.as_studied,
        "sparsity_as_studied": None if row.as_studied is None else round(row.sparsity_as_studied or 0.0, 2),
        "parameters_as_is": row.as_is,
        "sparsity_as_is": round(row.sparsity_as_is, 2),
        "flops": row.flops,
        "gflops": row.flops / 1e9,
    }


def _measured(one, power, budget):
    from .measure import inferences, joules

    seconds = one.median_seconds
    return {
        "bytes": one.bytes,
        "megabytes": one.bytes and one.bytes / 1e6,
        "coreml_bytes": one.coreml_bytes,
        "coreml_megabytes": one.coreml_bytes and one.coreml_bytes / 1e6,
        "psnr": one.psnr,
        "ssim": one.ssim,
        "seconds": one.seconds,
        "milliseconds": seconds and 1e3 * seconds,
        "joules": seconds and joules(seconds, power),
        "inferences": seconds and inferences(seconds, power, budget),
        "blank": one.blank,
    }


def _count_notes(rows):
    yield (
        "as studied: a head takes off its rows of qkv.weight, single weights take their rate off all parameters; "
        "as it is: a head takes its biases, columns of proj and column of the bias table along, single weights go from "
        "linear layers only, and zeros are not counted"
    )
    if any(row.build is None for row in rows):
        yield "(*) no attention is left in some layer: counted, not built"
    whole = [row.as_studied for row in rows if row.technique in ("whole", "heads")]
    if None in whole:
        yield "the study counts no network whose linear layers hold zeros already: as studied is left out"
    elif _is_misprinted(rows):
        first, second = (f"{count:,}" for count in whole[1:3])
        yield f"the first two pruned rows of the study's real-world table are misprints; exact are {first} and {second}"


def _is_misprinted(rows):
    """Whether this is the network of the study's real-world table."""
    return rows[0].whole == parameters(subject(MISPRINTED, structure=True))


def _notes(document, entries):
    power, budget = document["power_watts"], document["budget_watt_hours"]
    height, width = document["package_size"]
    yield (
        f"file: safetensors as written; Core ML: the FP16 package for {height} x {width} pixels, as exported; in both "
        "a zero takes as much room as any number"
    )
    if any(entry["coreml_bytes"] and entry["coreml_bytes"] > entry["bytes"] for entry in entries if entry["bytes"]):
        yield (
            "Core ML larger than file: beside the weights, at half the bytes, the package holds its program and what a "
            "fixed size lets it know beforehand: of a SwinIR, the mask of shifted windows (as many numbers as pixels "
            "of the padded input times those of a window) and the position bias of every two pixels of a window"
        )
    yield (
        "PSNR, SSIM: luma of the 8-bit result, low resolution by antialiased bicubic, "
        f"{document['images']}; not fine-tuned after pruning, unless --also names the network"
    )
    repeat, threads, machine = document["repeat"], document["threads"], document["machine"]
    yield (
        f"latency: median of {repeat} round{'s' if repeat > 1 else ''} in which the rows take turns, {threads} "
        f"thread{'s' if threads > 1 else ''}, {document['kernels']}; {machine['cpu']}, load average "
        f"{machine['load_average']} before the run"
    )
    yield (
        f"energy: latency x {power:g} W, an assumption: the power is stated, not measured; inferences: as many as "
        f"{budget:g} Wh pay for"
    )
    yield from _blanks(entries)


NAMES = {"bytes": "file", "coreml_bytes": "Core ML", "psnr": "PSNR and SSIM", "seconds": "latency and energy"}


def _blanks(entries):
    """A sentence for every reason why something is blank."""
    places = {}
    for entry in entries:
        for column, reason in entry["blank"].items():
            places.setdefault((column, reason), []).append(entry["label"])
    for (column, reason), labels in places.items():
        if all(entry["built"] for entry in entries if entry["label"] in labels):
            everywhere = len(labels) == sum(entry["built"] for entry in entries)
            where = "" if everywhere else f" of {', '.join(labels)}"
            yield f"no {NAMES[column]}{where}: {reason}"
