"""Train a network of the zoo: ``python -m karat.convert.training quicksrnet-small-x2 --images DIR --work DIR``."""

from pathlib import Path
from typing import Annotated

import torch
import typer

from ...refimpl.protocol import degrade
from .fit import fit
from .patches import Patches, read_pictures
from .recipes import RECIPES

HELD_OUT = 50  # every fiftieth picture is kept for validation


def train(
    name: Annotated[str, typer.Argument(help=f"one of {', '.join(RECIPES)}")],
    images: Annotated[list[Path], typer.Option(help="folder of high-resolution pictures; may be repeated")],
    work: Annotated[Path, typer.Option(help="folder of the checkpoint and the log; run again to resume")],
    iterations: Annotated[int | None, typer.Option(help="another length than the recipe's")] = None,
    seed: int = 0,
):
    """Train, and leave the averaged weights in WORK/checkpoint.pt under "average"."""
    recipe = RECIPES[name]
    torch.manual_seed(seed)
    pairs = [degrade(picture, recipe.scale) for _, picture in read_pictures(images)]
    validation, training = pairs[::HELD_OUT], [p for i, p in enumerate(pairs) if i % HELD_OUT]
    patches = Patches(training, recipe.scale, recipe.patch, recipe.batch, seed)
    fit(recipe.build(), recipe.forward, patches, validation, work, iterations or recipe.iterations, recipe.rate)


if __name__ == "__main__":
    typer.run(train)
