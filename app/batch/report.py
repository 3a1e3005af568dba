"""A job's plan and its end, for people and for programs."""

import json
from importlib.metadata import version

from ..amounts import spoken_bytes, spoken_seconds
from ..outputs import replacing
from ..photos.read import printable
from .names import temporary
from .plan import Item, Plan

SAID = 1000  # bytes: a hash, times and some sentences


def plan_table(plan: Plan, seconds):
    """A table of rich's: what each photograph is, and what becomes of it.

    Parameters
    ----------
    plan : Plan
    seconds : sequence of float
        For each item, about.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for name in ("input", "format", "size"):
        table.add_column(name, overflow="fold")
    for name in ("memory", "time"):
        table.add_column(name, justify="right")
    for item, time in zip(plan.entries, seconds, strict=True):
        name = Text(printable(str(item.source.path)))
        if not isinstance(item, Item):
            table.add_row(name, "", Text(item.error, style="red"), "", "")
            continue
        header = item.header
        kind = header.format if header.format == item.format else f"{header.format} -> {item.format}"
        size = item.target.line + (f", {item.needs.line}" if "tiles" in item.needs.line else "")
        row = (f"{kind}, {header.bits} bits", size, spoken_bytes(item.needs.most), spoken_seconds(time))
        table.add_row(name, *map(Text, row))
    return table


def plan_line(plan: Plan, seconds: float, jobs=1) -> str:
    """The plan in a sentence."""
    number = len(plan.items)
    parts = [f"{number} photograph{'' if number == 1 else 's'}", f"at most {spoken_bytes(plan.memory)} of memory"]
    if jobs > 1:
        parts[-1] += f" in each of {jobs} processes"
    parts += [f"about {spoken_seconds(seconds)} (an estimate)", f"about {spoken_bytes(plan.size)} to be written"]
    parts += [f"{len(plan.unread)} cannot be read"] if plan.unread else []
    parts += [f"left alone: {plan.found.line}"] if plan.found.left else []
    return ", ".join(parts)


def end_line(plan: Plan, done) -> str:
    """What became of it, in a sentence."""
    written = len(done.results) - done.failed
    parts = [f"{written} written"]
    parts += [f"{len(done.before)} done before"] if done.before else []
    parts += [f"{done.failed} failed"] if done.failed else []
    parts += [f"left alone: {plan.found.line}"] if plan.found.left else []
    return ", ".join(parts)


def as_json(plan: Plan, done=None, seconds=None) -> dict:
    """All of it, for programs; ``done`` is None where it was only planned."""
    held = {"karat": version("karat"), "planned_only": done is None, "ok": len(plan.items) == len(plan.entries)}
    images = {id(entry): _planned(entry) for entry in plan.entries}
    for item, time in zip(plan.entries, seconds or [None] * len(plan.entries), strict=True):
        images[id(item)]["predicted_seconds"] = None if time is None else round(time, 2)
    if done is not None:
        held["ok"] = not done.failed
        for item in done.before:
            images[id(item)]["status"] = "done before"
        for item, result in done.results:
            more = {"status": "failed" if result.error else "written", "seconds": round(result.seconds, 3)}
            more |= {"sha256": result.sha256 or None, "bits": result.bits or None}
            images[id(item)] |= more | {"notes": list(result.notes), "error": result.error or None}
    totals = {"memory": plan.memory, "bytes": plan.size, "left_alone": dict(plan.found.left)}
    return held | totals | {"problem": plan.problem or None, "images": list(images.values())}


def _planned(entry):
    held = {"input": str(entry.source.path), "output": None}
    if not isinstance(entry, Item):
        return held | {"status": "refused" if entry.fatal else "failed", "error": entry.error}
    header, target, needs = entry.header, entry.target, entry.needs
    held |= {"output": str(entry.output), "status": "planned", "format": header.format, "written_as": entry.format}
    held |= {"input_size": [header.width, header.height], "input_bits": header.bits, "way": target.line}
    held |= {"size": [target.width, target.height], "computed": needs.line, "memory": needs.most, "bytes": entry.size}
    return held | {"error": None}


def report_size(plan: Plan) -> int:
    """Bytes of the report, about: the plan as it stands, and what will be said of each photograph."""
    return len(json.dumps(as_json(plan), indent=1)) + SAID * len(plan.entries)


def write_json(path, held) -> None:
    """As a whole or not at all."""
    with replacing(path, temporary(path)) as file:
        file.write(json.dumps(held, indent=1).encode() + b"\n")
