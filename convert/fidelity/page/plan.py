"""What `karat plan --json` found, as a curve: operators kept in float32 against the quality of the picture."""

import json
import math
from pathlib import Path

from ....refimpl.errors import BadInput

WIDTH, HEIGHT = 480, 280  # of the drawing, so that its text stays readable on a page of 400 pixels
LEFT, RIGHT, TOP, BOTTOM = 52, 16, 30, 44


def read_plan(path):
    """Read a plan.

    Parameters
    ----------
    path : path_like
        JSON that ``karat plan --json`` wrote.

    Returns
    -------
    dict

    Raises
    ------
    BadInput
        When it is none.
    """
    advice = "make one with `karat plan --target-psnr N --json plan.json`"
    try:
        plan = json.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}), expected a plan; {advice}") from None
    except ValueError:  # not UTF-8, or not JSON
        raise BadInput(f"{path} is not JSON, expected a plan; {advice}") from None
    try:
        curve(plan)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        fields = "target, achieved, operators, curve, kept and union"
        raise BadInput(f"{path} holds no plan, expected {fields}; {advice}") from None
    return plan


def curve(plan):
    """The drawing of a plan: everything in units of its view box.

    Parameters
    ----------
    plan : dict
        "target", "achieved": dB; "operators": how many can be kept; "kept": list of {"name", "type", "layer"};
        "curve": list of {"operators", "predicted", "measured", "kind"}, of the kind "curve" those that are drawn;
        "union", the best of whole classes: {"types", "operators", "measured"} or None.

    Returns
    -------
    dict
        "predicted": points of a line; "measured", "achieved", "classes": points; "target": a height;
        "across", "up": ticks.
    """
    target, kept, achieved = _number(plan["target"]), len(plan["kept"]), _number(plan["achieved"])
    drawn = [p for p in plan["curve"] if p["kind"] == "curve"]
    pareto = [(int(p["operators"]), _number(p["predicted"]), _number(p["measured"])) for p in drawn]
    classes = plan["union"] and (int(plan["union"]["operators"]), _number(plan["union"]["measured"]))
    levels = [target, achieved, *(level for p in pareto for level in p[1:]), *(classes[1:] if classes else ())]
    levels = [level for level in levels if level is not None] or [0.0]
    int(plan["operators"])  # is named, not drawn
    most = max([kept, 1, *(p[0] for p in pareto), *(classes[:1] if classes else ())])
    across, up = _steps(0, most, whole=True), _steps(min(levels), max(levels))

    def point(operators, level):
        x = LEFT + (WIDTH - LEFT - RIGHT) * operators / across[-1]
        y = HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (level - up[0]) / (up[-1] - up[0])
        return {"x": round(x, 1), "y": round(y, 1), "operators": operators, "level": level}

    def points(pairs):
        return [point(n, level) for n, level in pairs if level is not None]

    return {
        "size": (WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM),
        "predicted": points((n, level) for n, level, _ in sorted(pareto, key=lambda p: p[0])),
        "measured": points((n, level) for n, _, level in pareto),
        "achieved": points([(kept, achieved)]),
        "classes": points([classes]) if classes else [],
        "target": points([(0, target)]),
        "across": [point(n, up[0]) for n in across],
        "up": [point(0, level) for level in up],
    }


def _number(value):
    """A finite number; None for anything that cannot be drawn."""
    value = None if value is None else float(value)
    return value if value is None or math.isfinite(value) else None


def _steps(low, high, whole=False):
    """About five round numbers from below ``low`` to above ``high``."""
    rough = max(high - low, 1e-3 * max(abs(high), 1.0)) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough)
    step = max(1, round(step)) if whole else step
    first, last = math.floor(low / step), math.ceil(high / step)
    return [i * step for i in range(first, max(last, first + 1) + 1)]
