"""Train a network: one of the zoo, a pruned one further, a student with its teacher.

``python -m karat.convert.training swinir-small-x2 --images DIR --work DIR``
"""

import sys
from pathlib import Path
from typing import Annotated

import torch
import typer

from ...refimpl.errors import BadInput
from .recipes import RECIPES
from .run import run
from .wanted import GAMMA, SHARE, Wanted


def train(
    name: Annotated[str, typer.Argument(help=f"recipe: one of {', '.join(RECIPES)}")],
    images: Annotated[list[Path], typer.Option(help="folder of high-resolution pictures; may be repeated")],
    work: Annotated[Path, typer.Option(help="folder of the checkpoint and the log; run again to resume")],
    iterations: Annotated[int | None, typer.Option(help="another length than the recipe's")] = None,
    rate: Annotated[float | None, typer.Option(help="another peak learning rate than the recipe's")] = None,
    seed: int = 0,
    start: Annotated[str | None, typer.Option(help="weights to go on from, such as a pruned network's")] = None,
    structure: Annotated[str | None, typer.Option(help="weights whose structure alone is taken")] = None,
    free_zeros: Annotated[bool, typer.Option(help="let zeros of --start grow; by default they stay")] = False,
    teacher: Annotated[str | None, typer.Option(help="weights of a network to learn from")] = None,
    share: Annotated[float | None, typer.Option(help=f"of the teacher in the loss, 0 to 1; default {SHARE}")] = None,
    importances: Annotated[str | None, typer.Option(help="heads, queries, values or hidden: weigh them")] = None,
    gamma: Annotated[float | None, typer.Option(help=f"of |a|_1 in the loss; default {GAMMA}")] = None,
    threads: Annotated[int | None, typer.Option(help="default: all there are")] = None,
):
    """Train; WORK holds the averaged weights, weights.safetensors, and the curve of the loss, curve.svg."""
    try:
        wanted = Wanted(seed, iterations, rate, start, structure, free_zeros, teacher, share, importances, gamma)
        if threads is not None:
            _set_threads(threads)
        run(name, images, work, wanted)
    except (BadInput, OSError, ValueError) as error:
        print(f"karat: {error}", file=sys.stderr)
        raise typer.Exit(2) from None


def _set_threads(threads):
    if not 1 <= threads <= 1024:
        raise BadInput(f"--threads is {threads}, expected 1 or more; leave it out for all there are")
    torch.set_num_threads(threads)


if __name__ == "__main__":
    typer.run(train)
