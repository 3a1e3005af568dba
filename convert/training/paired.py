"""What a comparison is made of: networks that differ in their training alone, and pictures, each counted once."""

from pathlib import Path

import numpy as np

from ...refimpl.errors import BadInput
from ...refimpl.load import load
from ...refimpl.models import Model
from .patches import read_pictures

LEAST = 2  # seeds, and pictures: a bootstrap of one has no width


def read_networks(first, against) -> list[list[Model]]:
    """Both sides, loaded before any of them runs.

    Parameters
    ----------
    first, against : sequence of path_like
        Weights, one file per seed and side.

    Raises
    ------
    BadInput
        When a file cannot be read, a network is there twice, or one differs in more than its training.
    """
    if len(first) != len(against):
        raise BadInput(f"{len(first)} networks against {len(against)}, expected one pair per seed; name as many")
    if len(first) < LEAST:
        raise BadInput("there is one seed, expected at least two: nothing else tells what chance does; train another")
    paths = [*first, *against]
    models = [load(str(path)) for path in paths]
    _once("network", paths, [model.fingerprint for model in models])
    channels, scale = models[0].config.channels, models[0].scale
    if channels != 3 or scale != int(scale):
        found = f"takes {channels} channel" if channels != 3 else f"enlarges {scale:g} times"
        raise BadInput(
            f"{paths[0]} {found}, expected networks of 3 colours and a whole scale, which the field's protocol is for; "
            "compare others"
        )
    for path, model in zip(paths, models, strict=True):
        differs = _difference(models[0], model)
        if differs:
            raise BadInput(f"{path} and {paths[0]} {differs}, expected one network trained in two ways; compare others")
    return [models[: len(first)], models[len(first) :]]


def read_evaluation(folders) -> list[tuple[Path, np.ndarray]]:
    """The pictures of some folders; raises BadInput where one is there twice, or alone."""
    pictures = read_pictures(folders)
    _once("picture", [path for path, _ in pictures], [path.resolve() for path, _ in pictures])
    if len(pictures) < LEAST:
        raise BadInput("there is one picture, expected at least two: nothing else tells what chance does; add more")
    return pictures


def _once(kind, paths, keys):
    """What is counted twice looks like more than is known."""
    seen = {}
    for path, key in zip(paths, keys, strict=True):
        if key in seen:
            raise BadInput(f"{path} is the same {kind} as {seen[key]}, expected each once; name others")
        seen[key] = path


def _difference(one, other):
    """In what two networks differ before any training; None where in nothing."""
    if one.architecture is not other.architecture:
        return f"are a {other.architecture.NAME} and a {one.architecture.NAME}"
    if one.scale != other.scale:
        return f"enlarge {other.scale:g} and {one.scale:g} times"
    shapes = [model.architecture.parameter_shapes(model.config) for model in (one, other)]
    if shapes[0] != shapes[1]:
        name = next(name for name in {**shapes[1], **shapes[0]} if shapes[0].get(name) != shapes[1].get(name))
        return f"differ in the form of {name}"
    return None
