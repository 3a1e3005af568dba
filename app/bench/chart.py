"""The times as a drawing, one panel for each work."""

import io

COLOURS = {True: "#c2410c", False: "#64748b"}  # karat's own, and the others


def chart(works):
    """An SVG of horizontal bars, engine by engine.

    Parameters
    ----------
    works : list of Work

    Returns
    -------
    str
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    heights = [len(work.rows) + 2 for work in works]
    figure = Figure(figsize=(9, 0.32 * sum(heights)), layout="constrained")
    panels = figure.subplots(len(works), 1, squeeze=False, height_ratios=heights)[:, 0]
    for panel, work in zip(panels, works, strict=True):
        times = [1e3 * row.median_seconds for row in work.rows]
        names = [row.title for row in work.rows]
        drawn = panel.barh(names, times, color=[COLOURS[row.engine.startswith("karat")] for row in work.rows])
        panel.bar_label(drawn, [f"{time:.1f} ms" for time in times], padding=3, fontsize=8)
        panel.set_title(f"{work.network}, {work.size[0]} x {work.size[1]}", loc="left", fontsize=10)
        panel.invert_yaxis()
        panel.spines[["top", "right", "bottom"]].set_visible(False)
        panel.tick_params(left=False, bottom=False, labelbottom=False, labelsize=8)
        panel.margins(x=0.15)
    target = io.StringIO()
    FigureCanvasSVG(figure).print_svg(target, metadata={"Date": None})
    return target.getvalue()
