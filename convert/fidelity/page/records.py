"""The rows of the page's table and the cells of its strip: one per layer, and one per operator."""

import math
import re
from itertools import groupby, pairwise

from ....refimpl.numerics.formats import FLOAT16, NEURAL_ENGINE_LARGEST
from ..shown import elided
from .figures import decibel, figure, log_ends, log_place, place
from .figures import share as share_text

BLOCK = re.compile(r"(.+\.\d+)([.:].+)")
FIGURES = ("dtype", "local_rms", "local_max", "share", "inherited_rms", "size_rms", "largest", "amplification")
FIGURES += ("gain", "gain_limit", "subnormals")
SHARES = 2.0**-10  # lower end of the scale of shares of a bound
TONES = {"ok": "good", "defect": "bad", "overflow": "bad", "inherited": "late"}


def blocks(names):
    """Every layer's block, and what the layer is inside of it.

    Examples
    --------
    >>> list(blocks(["conv_first", "layers.0.blocks.1.attn:softmax", "layers.0.blocks.1"]))
    [('', 'conv_first'), ('layers.0.blocks.1', 'attn:softmax'), ('layers.0.blocks.1', '(the block)')]
    """
    block = ""
    for name in names:
        inside = BLOCK.fullmatch(name)
        if name == block:
            yield block, "(the block)"
        elif inside:
            block = inside[1]
            yield block, inside[2].removeprefix(".")
        else:
            yield "", name


def operator_record(figures):
    """What the page holds of one executed operator."""
    verdict = "overflow" if not math.isfinite(figures.largest) else "defect" if figures.wrong else "ok"
    return {
        "name": figures.name,
        "layer": figures.layer,
        "operator": figures.op_type,
        "verdict": "unknown" if figures.share is None and verdict == "ok" else verdict,
        "note": figures.note if figures.wrong else "",
        "magnitudes": list(figures.magnitudes),
        **{name: getattr(figures, name) for name in FIGURES},
    }


def layer_record(row, index):
    """What the page holds of one layer; ``index`` finds its operators by name."""
    m, last = row.measured, row.operators[-1] if row.operators else None
    known = {name: getattr(m, name, None) for name in ("sqnr", "max_abs", "error_rms", "error_max", "largest")}
    return {
        "name": row.variable,
        "layer": row.layer,
        "operator": row.operator,
        "dtype": row.dtype,
        "verdict": row.verdict,
        "kind": row.kind,
        "note": row.note,
        "source": row.source,
        "structure": row.structure,
        "local_rms": row.local_rms,
        "inherited_rms": last and last.inherited_rms,
        "share": row.share,
        "at": [index[figures.name] for figures in row.operators],
        **known,
    }


def records(verdict):
    """Everything the table can show.

    Returns
    -------
    dict
        "layers", "operators": lists of dicts; "at" of a layer are the places of its operators in the second.
    """
    index = {figures.name: i for i, figures in enumerate(verdict.operators)}
    return {
        "layers": [layer_record(row, index) for row in verdict.rows],
        "operators": [operator_record(figures) for figures in verdict.operators],
    }


def table(found):
    """The cells of both views, formatted, each bar with its length in percent.

    Errors made here and inherited share one scale, so that their bars can be compared.
    """
    layers, operators = found["layers"], found["operators"]
    errors = log_ends([r[name] for r in layers + operators for name in ("local_rms", "inherited_rms")])
    named = list(blocks([r["layer"] for r in layers]))
    return {
        "layers": [_cells(r, elided(block), tail, errors) for r, (block, tail) in zip(layers, named, strict=True)],
        "operators": [_cells(r, elided(r["layer"]), r["name"], errors) for r in operators],
    }


def _cells(r, block, tail, errors):
    return {
        "block": block,
        "tail": tail,
        "operator": r["operator"],
        "dtype": r["dtype"].replace("float", "fp"),
        "verdict": r["verdict"],
        "tone": tone(r["verdict"]),
        "sqnr": decibel(r.get("sqnr")),
        "structure": figure(r.get("structure")),
        "bars": [
            _bar("local", r["local_rms"], *errors),
            _bar("inherited", r["inherited_rms"], *errors),
            _bar("share", r["share"], SHARES, 1.0, most=1.0),
            _bar("range", r["largest"], 2.0**FLOAT16.min_exponent, FLOAT16.largest, most=NEURAL_ENGINE_LARGEST),
        ],
    }


def _bar(kind, value, low, high, most=math.inf):
    beyond = value is not None and not value <= most
    text = share_text(value) if kind == "share" else figure(value)
    return {"kind": kind, "text": text, "length": log_place(value, low, high), "beyond": beyond}


def tone(verdict):
    """How bad it is: "good", "bad", "late" (only inherits what is bad) or "unsure"."""
    return TONES.get(verdict, "unsure")


def strip(layers):
    """The layers as cells, coloured by what is lost: 0 % at the best SQNR of the network, 100 % at the worst.

    What follows inside the same part of the network stands with the block before it.

    Returns
    -------
    dict
        "groups": list of (block, cells), neighbours of one block together; "low", "high": ends of the scale in dB.
    """
    known = [r["sqnr"] for r in layers if r["sqnr"] is not None and math.isfinite(r["sqnr"])]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    low, high = 5 * math.floor(low / 5), 5 * math.floor(high / 5 + 1)
    named = blocks([r["layer"] for r in layers])
    cells = [_cell(i, r, *name, low, high) for i, (r, name) in enumerate(zip(layers, named, strict=True))]
    for before, cell in pairwise(cells):
        if cell["block"] and before["block"].startswith(cell["block"] + "."):
            cell["block"] = before["block"]
    groups = [(elided(block), list(inside)) for block, inside in groupby(cells, lambda cell: cell["block"])]
    return {"groups": groups, "low": low, "high": high, "few": len(cells) <= 40}


def _cell(i, r, block, tail, low, high):
    loss = None if r["sqnr"] is None else place(-r["sqnr"], -high, -low)
    level = "not measured" if loss is None else f"SQNR {decibel(r['sqnr'])} dB"
    label = f"{r['layer']}: {r['verdict']}, {level}"
    return {"at": i, "block": block, "tail": tail, "tone": tone(r["verdict"]), "loss": loss, "label": label}
