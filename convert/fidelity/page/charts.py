"""Heat maps, the error budget and the range along the network: what the template draws."""

import math

import numpy as np

from ....refimpl.metrics import decibels
from .figures import figure, log_place, place

WIDTH, HEIGHT, LEFT, TOP, FLOOR = 480, 230, 64, 12, 200  # of the drawing of ranges


def heat(values, step):
    """A map as cells with a colour and a sentence each.

    Parameters
    ----------
    values : ndarray, (h, w)
        Root mean square errors; NaN where the picture had no such place.
    step : str
        What a cell is: "phase" or "place".

    Returns
    -------
    dict
        "rows": lists of cells {"text", "label", "loss"}; "low", "high": ends of the scale.
    """
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    rows = [[_cell(step, i, j, float(v), low, high) for j, v in enumerate(row)] for i, row in enumerate(values)]
    return {"rows": rows, "low": figure(low), "high": figure(high), "flat": low > 0.9 * high}


def _cell(step, i, j, value, low, high):
    text = "no such place" if math.isnan(value) else f"{figure(value)} rms"
    loss = None if math.isnan(value) else place(value, low, high)
    return {"text": figure(value), "label": f"{step} ({i}, {j}): {text}", "loss": loss}


def budget(found):
    """The causes of the loss as parts of one bar, in power, with what is missing to the measured total.

    Parameters
    ----------
    found : Budget
        `causes` and `total` are mean squared errors of the picture.

    Returns
    -------
    dict
        "parts": largest first, each {"name", "power", "share" (percent of the bar), "decibel"}; "missing": what the
        causes do not explain, or (negative) explain twice; "total": where the measured total lies: percent of the bar.
    """
    powers = sorted(found.causes.items(), key=lambda item: -item[1])
    whole = math.fsum(power for _, power in powers)
    bar = max(whole, found.total)
    share = (lambda power: 100 * power / bar) if 0 < bar < math.inf else (lambda power: 0.0)
    parts = [{"name": name, "power": p, "share": share(p), "decibel": decibels(p**0.5)} for name, p in powers]
    return {
        "parts": parts,
        "missing": share(found.total - whole),
        "total": share(found.total),
        "total_decibel": decibels(found.total**0.5),
        "gap": found.gap,
    }


def dots(sizes, limits):
    """The largest magnitude of every layer on a logarithmic scale, with the limits as lines.

    Parameters
    ----------
    sizes : list of float or None
        In execution order.
    limits : iterable of float
        Limits of the formats and devices.

    Returns
    -------
    dict
        "path": one dot a layer; "lines": {"y", "text", "kind"}; width, height and left margin.
    """
    known = [v for v in sizes if v and math.isfinite(v)]
    low, high = 10.0 ** math.floor(math.log10(max(min(known, default=1.0), 1e-8))), 1e5

    def up(value):
        return round(FLOOR - (FLOOR - TOP) * log_place(value, low, high) / 100, 1)

    step = (WIDTH - LEFT - 16) / max(len(sizes) - 1, 1)
    path = "".join(f"M{LEFT + 8 + i * step:.1f} {up(v)}h0" for i, v in enumerate(sizes) if v is not None)
    powers = range(round(math.log10(low)), 4)
    lines = [{"y": up(10.0**e), "text": figure(10.0**e), "kind": "rule"} for e in powers]
    lines += [{"y": up(limit), "text": figure(limit), "kind": "limit"} for limit in sorted(limits)]
    lines[-1]["y"] -= 3  # 65504 and 32768 are an octave apart: their labels must not touch
    lines[-2]["y"] += 5
    return {"path": path, "lines": lines, "width": WIDTH, "height": HEIGHT, "left": LEFT}
