"""Put a trained network into the zoo: its weights, its measured quality, its loss curve and its card.

``python -m karat.convert.training.card quicksrnet-small-x2 --work DIR --evaluate DIR --zoo DIR``
"""

import hashlib
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.progress import track

from ...refimpl.checkpoint import write_safetensors
from ...refimpl.load import load
from ...refimpl.ops import resize_bicubic
from ...refimpl.protocol import score
from .curve import draw_curve
from .patches import read_pictures
from .recipes import RECIPES

SETS = ("Set5", "Set14", "BSD100")

CARD = """# {name}

{about}

| test set | Y-PSNR, dB | SSIM | bicubic, dB |
|---|---|---|---|
{rows}

Measured on the luma of the 8-bit result, {scale} pixels cut from each side, low resolution by antialiased bicubic.
The sets served for evaluation only.

| | |
|---|---|
| architecture | {config} |
| parameters | {parameters:,} |
| trained on | {data} |
| iterations | {iterations:,} batches of {batch} patches of {patch} x {patch} low-resolution pixels |
| loss | {loss}; Adam, {rate:g} with a cosine; average of the weights with decay 0.999 |
| start | {start}, seed 0 |
| sha256 of the weights | `{sha256}` |

![loss and validation PSNR over the iterations]({name}.svg)

Trained from scratch by this project, on a CPU.
{history}

    python -m karat.convert.training {name} --images IMAGES --work WORK
    python -m karat.convert.training.card {name} --work WORK --evaluate SETS --zoo zoo

IMAGES holds the training pictures, SETS one folder per test set, each with a folder HR.
"""


def measure_set(upscaler, folder, scale):
    """Mean PSNR in dB and SSIM over the pictures of a folder.

    Parameters
    ----------
    upscaler : callable
        See `karat.refimpl.protocol.score`.
    folder : path_like
        High-resolution pictures.
    scale : int

    Returns
    -------
    psnr, ssim : float
    """
    scores = [score(upscaler, hr, scale) for _, hr in track(read_pictures([folder]), description=str(folder))]
    return tuple(float(value) for value in np.mean(scores, axis=0))


def bicubic(scale):
    """The upscaler that every network is compared with: antialiased bicubic of bytes."""

    def upscale(x):
        return resize_bicubic(np.round(x[0] * 255).astype(np.uint8), scale=scale)[None] / 255

    return upscale


def card(
    name: Annotated[str, typer.Argument(help="recipe")],
    work: Annotated[Path, typer.Option(help="folder of checkpoint.pt and log.jsonl")],
    evaluate: Annotated[Path, typer.Option(help="folder that holds Set5/HR, Set14/HR and BSD100/HR")],
    zoo: Annotated[Path, typer.Option(help="folder that receives weights, curve and card")],
):
    """Measure the averaged weights and write them with their card."""
    recipe = RECIPES[name]
    state = torch.load(work / "checkpoint.pt", weights_only=True)
    weights = {key: value.contiguous().numpy() for key, value in state["average"].items()}
    model, scale = load(weights), recipe.scale
    rows, scores = [], {}
    for test in SETS:
        psnr, ssim = measure_set(model, evaluate / test / "HR", scale)
        reference, _ = measure_set(bicubic(scale), evaluate / test / "HR", scale)
        rows.append(f"| {test} | {psnr:.2f} | {ssim:.4f} | {reference:.2f} |")
        scores[f"{test.lower()}_psnr"] = f"{psnr:.4f}"
    path = zoo / f"{name}.safetensors"
    write_safetensors(path, weights, scores | {"iterations": str(state["iteration"])})
    draw_curve(work / "log.jsonl", zoo / f"{name}.svg")
    text = CARD.format(
        name=name,
        about=recipe.about,
        data=recipe.data,
        loss=recipe.loss,
        start=recipe.start,
        history=recipe.history,
        rows="\n".join(rows),
        scale=scale,
        config=model.config,
        parameters=sum(value.size for value in weights.values()),
        iterations=state["iteration"],
        batch=recipe.batch,
        patch=recipe.patch,
        rate=recipe.rate,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )
    (zoo / f"{name}.md").write_text(text)


if __name__ == "__main__":
    typer.run(card)
