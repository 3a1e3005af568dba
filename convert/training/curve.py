"""The loss and the validation PSNR of a training, drawn."""

import numpy as np

from .log import read_log


def draw_curve(log, path):
    """Loss and validation PSNR over the iterations as an SVG.

    Parameters
    ----------
    log : path_like
        ``log.jsonl`` that `fit` wrote.
    path : path_like
        NAME.svg.
    """
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    matplotlib.rcParams["svg.hashsalt"] = "karat"  # the same log gives the same bytes
    lines = read_log(log)
    at = [line["iteration"] / 1000 for line in lines]
    loss, quality = ([line[name] for line in lines] for name in ("loss", "psnr"))
    figure, left = plt.subplots(figsize=(7, 3.2), layout="constrained")
    left.plot(at, loss, color="#8a8a8a", linewidth=1, label="loss")
    left.set(
        xlabel="thousand iterations", ylabel="loss", ylim=(0.98 * min(loss), 1.01 * float(np.percentile(loss, 98)))
    )
    right = left.twinx()
    right.plot(at, quality, color="#b8860b", linewidth=2, label="validation")
    right.set(ylabel="validation Y-PSNR, dB", ylim=(np.percentile(quality, 2) - 0.02, max(quality) + 0.02))
    figure.legend(loc="outside upper right", ncols=2, frameon=False)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
