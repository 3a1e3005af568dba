"""From a verdict to the text of the page."""

import base64
import hashlib
import json
from functools import cache
from itertools import zip_longest
from pathlib import Path

from .charts import budget, dots, heat
from .figures import decibel, figure, plain, share
from .pictures import pictures
from .plan import curve
from .records import records, strip, table

ANSWERS = {True: ("good", "Faithful"), False: ("bad", "NOT FAITHFUL"), None: ("unsure", "UNKNOWN")}


def to_html(verdict, plan=None, title="karat verify"):
    """The verdict as one HTML file: no request leaves it, and its content security policy forbids any.

    Parameters
    ----------
    verdict : Verdict
    plan : dict, optional
        Of `read_plan`; draws the curve of mixed precision.
    title : str
        What was compared, for the head of the page.

    Returns
    -------
    str

    Examples
    --------
    >>> to_html(verdict, title="net.pth, net.mlpackage")[:15]  # doctest: +SKIP
    '<!doctype html>'
    """
    found, (script, css) = records(verdict), (_file("page.js"), _file("page.css"))
    answer, sentence = ANSWERS[verdict.faithful]
    error, report = verdict.error, verdict.range_report()
    context = {
        "title": title,
        "tone": answer,
        "answer": sentence,
        "culprit": _culprit(verdict),
        "verdict": verdict,
        "tiles": _tiles(verdict),
        "strip": strip(found["layers"]),
        "table": table(found),
        "data": plain(found | {"constants": _constants(verdict)}),
        "pictures": pictures(verdict.golden, verdict.output),
        "maps": _maps(error) if error else [],
        "error": error,
        "budget": budget(verdict.budget) if verdict.budget else None,
        "range": report,
        "certificate": _certificate(verdict.certificate) if verdict.certificate else [],
        "dots": dots([r["largest"] for r in found["layers"]], report["limits"].values()),
        "plan": plan,
        "curve": curve(plan) if plan else None,
        "css": css,
        "script": script,
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }
    return _template().render(context)


@cache
def _file(name):
    return Path(__file__).with_name(name).read_text("utf-8")


@cache
def _template():
    """Every value is escaped but the page's own style and script; a name that the template misspells is an error."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.policies["json.dumps_function"] = _json
    environment.filters |= {"figure": figure, "decibel": decibel}
    return environment.from_string(_file("page.html.j2"))


def _json(value, **options):
    """Without spaces, and refusing what JSON does not have."""
    return json.dumps(value, **(options | {"separators": (",", ":"), "allow_nan": False, "sort_keys": False}))


def _culprit(verdict):
    """The row that decides, with its place in the table; None when all is well."""
    row = verdict.culprit
    return row and {"at": verdict.rows.index(row), "row": row}


def _constants(verdict):
    """By layer: what stands for each of its constants, and how many elements do not."""
    found = {}
    for entry in verdict.ledger.entries:
        held = f"{entry.wrong} wrong: {entry.note}" if entry.wrong else "holds"
        found.setdefault(entry.layer, []).append([entry.expression, entry.dtype, held])
    return found


def _tiles(verdict):
    """The figures that a reader wants first: (name, value, unit, remark)."""
    entries, report = verdict.ledger.entries, verdict.range_report()
    held = sum(1 for entry in entries if not entry.wrong)
    compared = sum(1 for row in verdict.rows if row.variable)
    tiles = []
    if verdict.shares:
        tiles.append(("against the golden picture", decibel(verdict.shares["total"]), "dB", "PSNR"))
    tiles.append(("values compared", f"{compared}", f"of {len(verdict.rows)}", "layers and steps"))
    untraced = f"{len(verdict.ledger.untraced)} untraced" if verdict.ledger.untraced else "bit by bit"
    tiles.append(("constants that hold", f"{held}", f"of {len(entries)}", untraced))
    if report["largest"] is not None:
        tiles.append(("largest magnitude", figure(report["largest"]), "", f"at {report['layer']}"))
    if verdict.operators:
        most = max((figures.share for figures in verdict.operators if figures.share is not None), default=None)
        tiles.append(("largest error", share(most), "of its bound", f"{len(verdict.operators)} operators"))
    return [*tiles, ("arithmetic", verdict.profile, "", "profile of the run")]


def _certificate(certificate):
    """Its sentences: (tone, word, sentence), one for each limit first; what follows has no word."""
    held = [limit["status"] for limit in certificate.to_dict()["limits"].values()]
    words = {"certified": ("good", "certified"), "may": ("unsure", "open"), "does": ("bad", "exceeded")}
    return [(*words.get(status, ("", "")), line) for status, line in zip_longest(held, certificate.lines())]


def _maps(error):
    """Heat maps: (caption, what a cell is, the map)."""
    maps = [("by sub-pixel phase", "Row and column of an output pixel, modulo the scale.", heat(error.phases, "phase"))]
    if error.window is not None:
        ratio = "" if error.border_ratio is None else f" Borders {error.border_ratio:.2f} x the inside."
        text = f"Place of an input pixel in its attention window.{ratio}"
        maps.append(("by place in the window", text, heat(error.window, "place")))
    return maps
