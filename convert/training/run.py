"""One training from its options to its weights: what is trained, on what, towards what."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from ...refimpl.checkpoint import write_safetensors
from ...refimpl.errors import BadInput
from ...refimpl.load import load
from ...refimpl.models import swinir
from ...refimpl.protocol import degrade
from ...refimpl.prune.channels import folded
from ..torch_models import twin
from .curve import draw_curve
from .fit import fit
from .objectives import Weighed, distilled, sparse, truth
from .patches import Patches, read_pictures
from .recipes import RECIPES
from .starts import afresh

HELD_OUT = 50  # every fiftieth picture is kept for validation


@dataclass(frozen=True)
class Wanted:
    """What may differ from the recipe; see ``python -m karat.convert.training --help``."""

    seed: int = 0
    iterations: int | None = None
    rate: float | None = None
    start: str | None = None
    structure: str | None = None
    hold_zeros: bool = True
    teacher: str | None = None
    share: float = 0.5
    importances: str | None = None
    gamma: float = 1e-4


def run(name, images, work, wanted):
    """Train the recipe ``name`` as wanted and leave weights and curve in ``work``.

    Raises
    ------
    BadInput
        When options contradict each other or the network, or ``work`` holds another training.
    """
    work = Path(work)
    recipe = _recipe(name)
    _check(wanted)
    torch.manual_seed(wanted.seed)
    begun = _beginning(recipe, wanted)
    objective = _objective(recipe, wanted)
    pairs = [degrade(picture, recipe.scale) for _, picture in read_pictures(images)]
    _one_training(work, name, wanted)
    validation, training = pairs[::HELD_OUT], [p for i, p in enumerate(pairs) if i % HELD_OUT]
    patches = Patches(training, recipe.scale, recipe.patch, recipe.batch, wanted.seed)
    iterations, rate = wanted.iterations or recipe.iterations, wanted.rate or recipe.rate
    weights = fit(begun.module, objective, patches, validation, work, iterations, rate, begun.hold)
    _write(work, begun, wanted, {key: value.contiguous().numpy() for key, value in weights.items()})


@dataclass(frozen=True)
class _Begun:
    module: torch.nn.Module
    hold: dict
    constants: dict  # of the network, what is stored and not trained


def _recipe(name):
    if name not in RECIPES:
        raise BadInput(f"there is no recipe {name!r}, expected one of {', '.join(RECIPES)}; name one of them")
    return RECIPES[name]


def _check(wanted):
    if wanted.start and wanted.structure:
        raise BadInput("--start and --structure were both given, expected one; leave out --structure to keep weights")
    for name, value in (("rate", wanted.rate), ("gamma", wanted.gamma)):
        if value is not None and not (value > 0 and math.isfinite(value)):
            raise BadInput(f"--{name} is {value}, expected a positive number; choose one")


def _beginning(recipe, wanted):
    source = wanted.start or wanted.structure
    model = _network(source, recipe, "network") if source else None
    if model is None:
        module = recipe.build()
    elif wanted.start:
        module = twin(model).train()
    else:
        module = afresh(model)
    trained = {name for name, _ in module.named_parameters()}
    constants = {name: value for name, value in (model.parameters if model else {}).items() if name not in trained}
    hold = _zeros(model) if wanted.start and wanted.hold_zeros else {}
    if wanted.importances:
        module = _weighed(module, wanted.importances, constants)
        hold = {f"network.{name}": stay for name, stay in hold.items()}
    return _Begun(module, hold, constants)


def _network(source, recipe, role):
    model = load(source)
    if model.scale != recipe.scale:
        raise BadInput(f"the {role} enlarges {model.scale} times, the recipe {recipe.scale} times; take another")
    return model


def _weighed(module, kind, constants):
    config = load({name: p.detach().numpy() for name, p in module.named_parameters()} | constants).config
    if not isinstance(config, swinir.Config):
        raise BadInput("importances weigh the units of Swin blocks, expected a SwinIR; train one")
    return Weighed(module, kind, config.paths)


def _zeros(model):
    """What may change: every number of a pruned parameter that is not zero."""
    names = model.architecture.parameter_shapes(model.config)
    return {name: torch.from_numpy(model.parameters[name] != 0) for name in names if not model.parameters[name].all()}


def _objective(recipe, wanted):
    if wanted.teacher:
        objective = distilled(recipe.forward, twin(_network(wanted.teacher, recipe, "teacher")), wanted.share)
    else:
        objective = truth(recipe.forward)
    return sparse(objective, wanted.gamma) if wanted.importances else objective


def _one_training(work, name, wanted):
    """Refuse to go on with a training that was begun otherwise; its length and rate may change."""
    settings = {"recipe": name} | asdict(wanted)
    path = work / "settings.json"
    if path.exists():
        before = json.loads(path.read_text())
        for key in settings.keys() - {"iterations", "rate"}:
            if before.get(key) != settings[key]:
                raise BadInput(
                    f"{work} holds a training with {key} {before.get(key)}, expected {settings[key]}; "
                    "take another folder, or the options that it was begun with"
                )
    work.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings, indent=1) + "\n")


def _write(work, begun, wanted, weights):
    if wanted.importances:
        values = [weights.pop(f"importances.{i}") for i in range(len(begun.module.paths))]
        a = dict(zip(begun.module.paths, values, strict=True))
        weights = {key.removeprefix("network."): value for key, value in weights.items()}
        model = folded(load(weights | begun.constants), wanted.importances, a)
        weights = {key: model.parameters[key] for key in weights}
        scores = {f"{path}:{wanted.importances}": np.abs(value) for path, value in a.items()}
        write_safetensors(work / "importances.safetensors", scores)
    about = {key: str(value) for key, value in asdict(wanted).items() if value is not None}
    write_safetensors(work / "weights.safetensors", weights | begun.constants, about)
    draw_curve(work / "log.jsonl", work / "curve.svg")
