"""Is one way of training better than another? The same network, trained twice with each seed, over many pictures.

``python -m karat.convert.training.compare FIRST... --against SECOND... --evaluate DIR --evaluate DIR``
"""

import json as jsons
import os
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.progress import track

from ...refimpl.errors import BadInput
from ...refimpl.protocol import score
from ..torch_models import twin
from .paired import read_evaluation, read_networks

RESAMPLES = 10_000


def interval(differences, seed=0, resamples=RESAMPLES, level=0.95):
    """Bootstrap interval of the mean of paired differences, with seeds and pictures both drawn anew.

    Parameters
    ----------
    differences : array_like, (seeds, pictures)
        First minus second, of the same seed and picture.
    seed : int
    resamples : int
    level : float

    Returns
    -------
    low, high : float
        Percentiles. Crossed: each resample draws as many seeds, and as many pictures, with replacement; a picture that
        is drawn counts with every seed that is.

    References
    ----------
    B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3.
    A. Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1 (2007). doi:10.1214/07-AOAS122

    Examples
    --------
    >>> interval([[1.0, 1.0], [1.0, 1.0]])
    (1.0, 1.0)
    """
    differences, rng = np.asarray(differences, np.float64), np.random.default_rng(seed)
    seeds, pictures = differences.shape
    of_seeds, of_pictures = (rng.multinomial(n, np.full(n, 1 / n), resamples) / n for n in (seeds, pictures))
    means = np.einsum("rs,sp,rp->r", of_seeds, differences, of_pictures, optimize=True)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def qualities(name, model, pictures):
    """Y-PSNR in dB of a network on every picture, (pictures,).

    Raises
    ------
    BadInput
        When it is no finite number, of which a mean says nothing, or a picture is too small.
    """
    module = twin(model)

    def upscale(x):
        with torch.no_grad():
            return module(torch.from_numpy(x)).numpy()

    found = []
    for path, hr in track(pictures, description=f"{name}"):
        try:
            found.append(score(upscale, hr, int(model.scale))[0])
        except (RuntimeError, ValueError) as error:  # too small to be padded, or for the windows of SSIM
            reason = str(error).partition("\n")[0].partition(";")[0]
            raise BadInput(f"{name} cannot run on {path} ({reason}), expected a larger picture; leave it out") from None
        if not np.isfinite(found[-1]):
            raise BadInput(f"{name} gives {path} with {found[-1]} dB, expected a finite number; leave the picture out")
    return found


def report(first, second):
    """Means and the interval of first minus second, both (seeds, pictures) in dB, as a JSON object."""
    first, second = np.asarray(first), np.asarray(second)
    low, high = interval(first - second)
    return {
        "pictures": first.shape[1],
        "first_db": first.mean(1).tolist(),
        "second_db": second.mean(1).tolist(),
        "difference_db": float((first - second).mean()),
        "difference_by_seed_db": (first - second).mean(1).tolist(),
        "interval_95_db": [low, high],
        "better": low > 0,
        "worse": high < 0,
    }


def compare(
    first: Annotated[list[Path], typer.Argument(help="weights, one file per seed")],
    against: Annotated[list[Path], typer.Option(help="weights of the other training, in the same order of seeds")],
    evaluate: Annotated[list[Path], typer.Option(help="folder of high-resolution pictures; may be repeated")],
    json: Annotated[Path | None, typer.Option(help="also write the result here")] = None,
):
    """Compare two trainings of one network, paired by seed and picture; exit 0 when the first is better, else 1."""
    try:
        _check_json(json, (*first, *against))
        sides, pictures = read_networks(first, against), read_evaluation(evaluate)
        named = (zip(paths, models, strict=True) for paths, models in zip((first, against), sides, strict=True))
        found = report(*([qualities(path, model, pictures) for path, model in side] for side in named))
    except (BadInput, OSError) as error:
        print(f"karat: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
    if json:
        _write(json, found)
    print(_sentence(found))
    raise typer.Exit(0 if found["better"] else 1)


def _check_json(json, networks):
    if json and (json == Path("-") or json.is_dir() or not json.absolute().parent.is_dir()):
        raise BadInput(f"{json} cannot be written, expected a file name in an existing folder; make the folder first")
    if json and json.resolve() in [path.resolve() for path in networks]:
        raise BadInput(f"{json} is one of the networks, expected another file; choose another name")


def _write(path, found):
    partial = path.with_name(f".{path.name}.part")
    partial.write_text(jsons.dumps(found, indent=1) + "\n")
    os.replace(partial, path)


def _sentence(found):
    low, high = found["interval_95_db"]
    verdict = "is better" if found["better"] else "is worse" if found["worse"] else "is not shown to be better"
    seeds = ", ".join(f"{value:+.3f}" for value in found["difference_by_seed_db"])
    return (
        f"The first {verdict}: {found['difference_db']:+.3f} dB over {found['pictures']} pictures and "
        f"{len(found['first_db'])} seeds ({seeds}), 95 % interval {low:+.3f} to {high:+.3f} dB."
    )


if __name__ == "__main__":
    typer.run(compare)
