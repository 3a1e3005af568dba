"""Two drawings side by side: quality against latency, and what a budget of energy pays for."""

import io

COLOURS = {"whole": "#0f172a", "heads": "#2563eb", "weights": "#c2410c", "hidden": "#15803d", "also": "#a21caf"}
GAP = 0.055  # between labels, of the panel's height


def chart(document, form="svg"):
    """Draw a table that was measured.

    Parameters
    ----------
    document : dict
        Of `document_of`.
    form : {"svg", "png"}

    Returns
    -------
    bytes
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    rows = [row for row in document["rows"] if row["milliseconds"] is not None]
    figure = Figure(figsize=(13, 1.6 + max(3.4, 0.42 * len(rows))), layout="constrained")
    left, right = figure.subplots(1, 2, gridspec_kw={"wspace": 0.12})  # room for the names between
    figure.suptitle(f"{document['model']}, {' x '.join(map(str, document['size']))} pixels", x=0.01, ha="left")
    _trade_off(left, rows)
    _budget(right, rows, document)
    target = io.BytesIO()
    if form == "png":
        FigureCanvasAgg(figure).print_png(target)
    else:
        FigureCanvasSVG(figure).print_svg(target, metadata={"Date": None})
    return target.getvalue()


def _trade_off(panel, rows):
    """PSNR over latency; parameters where no quality is known."""
    judged = [row for row in rows if row["psnr"] is not None]
    heights = [row["psnr"] if judged else row["parameters_as_is"] / 1e6 for row in judged or rows]
    points = [(row["milliseconds"], y, row) for row, y in zip(judged or rows, heights, strict=True)]
    colours = [COLOURS[row["technique"]] for _, _, row in points]
    panel.scatter([x for x, _, _ in points], [y for _, y, _ in points], c=colours, s=36, zorder=3)
    steps = [(x, y) for x, y, row in points if row["technique"] in ("whole", "heads")]
    if steps:
        panel.plot(*zip(*steps, strict=True), color=COLOURS["heads"], linewidth=0.8, alpha=0.5)
    panel.margins(0.08, 0.1)
    _label(panel, points)
    panel.set_xlabel("latency, ms (less is better)")
    panel.set_ylabel("PSNR of Y, dB (more is better)" if judged else "parameters, millions (no PSNR: see the table)")
    panel.set_title("Efficiency and accuracy" if judged else "Efficiency", loc="left", fontsize=11)
    panel.grid(alpha=0.25)
    panel.spines[["top", "right"]].set_visible(False)


def _label(panel, points):
    """Names in a column at the right, from low to high, with a line to the point of each."""
    low, high = panel.get_ylim()
    places = spread([(y - low) / (high - low) for _, y, _ in points], GAP)
    for (x, y, row), place in zip(points, places, strict=True):
        panel.annotate(
            row["label"],
            (x, y),
            xytext=(1.03, place),
            textcoords="axes fraction",
            va="center",
            fontsize=9,
            color=COLOURS[row["technique"]],
            arrowprops={"arrowstyle": "-", "color": COLOURS[row["technique"]], "linewidth": 0.5, "alpha": 0.5},
            annotation_clip=False,
        )


def spread(places, gap):
    """Places between 0 and 1 moved apart, in the same order, so that neighbours are at least a gap apart.

    Examples
    --------
    >>> [round(place, 2) for place in spread([0.5, 0.1, 0.52], 0.1)]
    [0.46, 0.1, 0.56]
    """
    groups = []  # (places, those that touch are one group around their mean)
    for index in sorted(range(len(places)), key=places.__getitem__):
        groups.append([index])
        while len(groups) > 1 and _start(groups[-1], places, gap) < _end(groups[-2], places, gap) + gap:
            groups[-2:] = [groups[-2] + groups[-1]]
    moved = {index: _start(group, places, gap) + gap * i for group in groups for i, index in enumerate(group)}
    return [moved[index] for index in range(len(places))]


def _start(group, places, gap):
    return sum(places[index] for index in group) / len(group) - gap * (len(group) - 1) / 2


def _end(group, places, gap):
    return _start(group, places, gap) + gap * (len(group) - 1)


def _budget(panel, rows, document):
    """Inferences that the budget pays for, with the PSNR of each beside its bar."""
    counts = [row["inferences"] for row in rows]
    drawn = panel.barh(range(len(rows)), counts, color=[COLOURS[row["technique"]] for row in rows], height=0.7)
    quality = ["" if row["psnr"] is None else f", {row['psnr']:.2f} dB" for row in rows]
    panel.bar_label(drawn, [f"{n:,}{psnr}" for n, psnr in zip(counts, quality, strict=True)], padding=4, fontsize=9)
    panel.set_yticks(range(len(rows)), [row["label"] for row in rows], fontsize=9)
    panel.invert_yaxis()
    budget, power = document["budget_watt_hours"], document["power_watts"]
    panel.set_title(f"Inferences under {budget:g} Wh, at a stated {power:g} W", loc="left", fontsize=11)
    panel.spines[["top", "right", "bottom"]].set_visible(False)
    panel.tick_params(left=False, bottom=False, labelbottom=False)
    panel.margins(x=0.3)
