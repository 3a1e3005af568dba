"""What the benchmark found, as a page and a figure."""

from collections import defaultdict

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot

GREY = "#808080"  # reads on white and on black
COLOURS = ("#1b9e77", "#d95f02", "#7570b3", "#e7298a", "#66a61e", "#b8860b")


def page(seed, command, results, honest):
    """The whole page, as Markdown.

    Parameters
    ----------
    seed : int
    command : str
        That makes the page again.
    results : list of Result
        Drawn defects, those of the sweep left out.
    honest : list of Honest
    """
    families = defaultdict(list)
    for result in results:
        families[result.family].append(result)
    package = [found for found in families.values() if found[0].kind != "arithmetic"]
    device = [found for found in families.values() if found[0].kind == "arithmetic"]
    blamed = [one for one in honest if one.faithful is not True]
    unjudged = sum(one.faithful is None for one in blamed)
    lines = ["# Mutation benchmark", "", *_preamble(seed, command), "## Result", ""]
    lines += ["| | families | draws |", "|---|---|---|"]
    for title, found in (("package", package), ("arithmetic", device)):
        lines.append(
            f"| {title} defects at the right place | {_families_right(found)} of {len(found)} | {_draws_right(found)} |"
        )
    lines += [f"| honest packages blamed | | {len(blamed)} of {len(honest)} ({unjudged} of them not judged) |", ""]
    lines += ["![Detection against magnitude](mutation.svg)", "", *_MAGNITUDE, ""]
    lines += ["## Families", "", "| defect | kind | at the right place |", "|---|---|---|"]
    lines += [f"| {name} | {found[0].kind} | {_draws_right([found])} |" for name, found in families.items()]
    lines += ["", "## Draws", "", "| defect | network | site | size | in | called at | |", "|---|" + 6 * "---|"]
    lines += [_row(result) for result in results]
    if blamed:
        lines += ["", "## Honest packages that were blamed", ""]
        lines += [f"* {one.description} {one.key}: {one.verdict}" for one in blamed]
    return "\n".join(lines) + "\n"


_MAGNITUDE = (
    "Left: one number of a stored constant is off by so many units in the last place of its stored type. Right: one",
    "operation's results are off by that share and rounded correctly. Found means: called at the right place.",
)


def _preamble(seed, command):
    return [
        f"Written by `{command}` (seed {seed}); do not edit.",
        "",
        "Defects are drawn by a seeded sampler over all embedded networks and those of the tests: network, export",
        "options, target, site and size. A package defect is written into an honest `.mlpackage`; one in arithmetic is",
        "an operation that a simulated device computes wrongly under the declared profile `fp32-accumulate`. What",
        "changes no value of any layer is no defect and is drawn again.",
        "",
        "The right place is the first layer of the golden model, in its order of execution, whose value the defect",
        "changes: the package with the defect and the honest one are run and compared bit by bit. Where the defect",
        "leaves layers out, so that nothing reads them any more, the first and the last of those are as right. Layers",
        "that the converter merged into one operation may be called by any of their names. A family counts only when",
        "each of its draws was called at the right place.",
        "",
    ]


def _families_right(families):
    return sum(all(result.right for result in found) for found in families)


def _draws_right(families):
    results = [result for found in families for result in found]
    return f"{sum(result.right for result in results)} of {len(results)}"


def _row(result):
    cells = (result.network, f"`{result.site}`", result.size, f"`{result.where}`", f"`{result.called}`")
    return f"| {result.family} | {' | '.join(cells)} | {'right' if result.right else '**wrong**'} |"


def figure(results, path):
    """Share of defects found against their magnitude, one line per family.

    Parameters
    ----------
    results : list of Result
        Of the sweep.
    path : Path
    """
    points = defaultdict(lambda: defaultdict(list))
    for result in results:
        points[result.kind == "arithmetic", result.family][result.magnitude].append(result.right)
    style = {"text.color": GREY, "axes.labelcolor": GREY, "xtick.color": GREY, "ytick.color": GREY}
    style |= {"axes.edgecolor": GREY, "svg.fonttype": "none", "svg.hashsalt": "karat"}
    with pyplot.rc_context(style):
        drawing, panels = pyplot.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
        labels = ("units in the last place", "relative size")
        for arithmetic, (axes, label) in enumerate(zip(panels, labels, strict=True)):
            families = [(name, found) for (kind, name), found in points.items() if kind == bool(arithmetic)]
            for number, (name, found) in enumerate(families):
                sizes = sorted(found)
                shares = [100 * sum(found[size]) / len(found[size]) for size in sizes]
                axes.plot(sizes, shares, "o-", color=COLOURS[number], ms=9 - 1.3 * number, lw=1.2, label=name)
            axes.set_xscale("log", base=2)
            axes.set_xlabel(label)
            axes.grid(color=GREY, alpha=0.25)
            axes.legend(frameon=False, labelcolor=GREY)
        panels[0].set_ylabel("found at the right place, %")
        panels[0].set_ylim(-4, 104)
        drawing.savefig(path, transparent=True, metadata={"Date": None})
        pyplot.close(drawing)
