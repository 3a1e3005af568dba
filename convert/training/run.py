"""One training from its options to its weights: what is trained, on what, towards what."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ...refimpl.checkpoint import write_safetensors
from ...refimpl.errors import BadInput
from ...refimpl.load import load
from ...refimpl.models import Model, swinir
from ...refimpl.protocol import degrade
from ...refimpl.prune.channels import folded
from ..torch_models import twin
from .curve import draw_curve
from .fit import fit
from .folder import claim, pictures_hash
from .objectives import Weighed, distilled, sparse, truth
from .patches import Patches, read_pictures
from .recipes import RECIPES
from .starts import afresh

HELD_OUT = 50  # every fiftieth picture is kept for validation


def run(name, images, work, wanted):
    """Train the recipe ``name`` as wanted and leave weights and curve in ``work``.

    Raises
    ------
    BadInput
        When options do not fit the network, or ``work`` holds another training, an input or other files.
    """
    work = Path(work)
    recipe = _recipe(name)
    torch.manual_seed(wanted.seed)
    given = _Given.of(recipe, wanted)
    begun = _beginning(recipe, wanted, given.network)
    objective = _objective(recipe, wanted, given.teacher)
    pairs = [degrade(picture, recipe.scale) for _, picture in read_pictures(images)]
    validation, training = pairs[::HELD_OUT], [p for i, p in enumerate(pairs) if i % HELD_OUT]
    patches = Patches(training, recipe.scale, recipe.patch, recipe.batch, wanted.seed)
    settings = {"recipe": name, "pictures": pictures_hash(pairs)} | given.fingerprints() | wanted.lasting()
    claim(work, settings, wanted.files())
    iterations, rate = wanted.iterations or recipe.iterations, wanted.rate or recipe.rate
    weights = fit(begun.module, objective, patches, validation, work, iterations, rate, begun.hold)
    about = wanted.told() | {"recipe": name, "iterations": str(iterations)}
    _write(work, begun, wanted.importances, {key: value.contiguous().numpy() for key, value in weights.items()}, about)


@dataclass(frozen=True)
class _Given:
    """The networks that were named."""

    network: Model | None
    teacher: Model | None

    @classmethod
    def of(cls, recipe, wanted):
        network, teacher = wanted.start or wanted.structure, wanted.teacher
        found = cls(load(network) if network else None, load(teacher) if teacher else None)
        for role, model in (("network", found.network), ("teacher", found.teacher)):
            if model and model.scale != recipe.scale:
                raise BadInput(
                    f"the {role} enlarges {model.scale} times, the recipe {recipe.scale} times; take another"
                )
            if model and model.config.channels != 3:
                raise BadInput(f"the {role} takes {model.config.channels} channel, expected 3 colours; take another")
        if found.network and recipe.architecture != found.network.architecture.NAME:
            raise BadInput(
                f"the network is a {found.network.architecture.NAME} and the recipe trains a {recipe.architecture}; "
                "take another recipe"
            )
        return found

    def fingerprints(self):
        """What the files hold, wherever they lie."""
        return {role: model.fingerprint if model else None for role, model in vars(self).items()}


@dataclass(frozen=True)
class _Begun:
    module: torch.nn.Module
    hold: dict
    constants: dict  # of the network, what is stored and not trained


def _recipe(name):
    if name not in RECIPES:
        raise BadInput(f"there is no recipe {name!r}, expected one of {', '.join(RECIPES)}; name one of them")
    return RECIPES[name]


def _beginning(recipe, wanted, model):
    if model is None:
        module = recipe.build()
    elif wanted.start:
        module = twin(model).train()
    else:
        module = afresh(model)
    trained = {name for name, _ in module.named_parameters()}
    constants = {name: value for name, value in (model.parameters if model else {}).items() if name not in trained}
    hold = _zeros(model) if wanted.start and not wanted.free_zeros else {}
    if wanted.importances:
        module = _weighed(module, wanted.importances, constants)
        hold = {f"network.{name}": stay for name, stay in hold.items()}
    return _Begun(module, hold, constants)


def _weighed(module, kind, constants):
    config = load({name: p.detach().numpy() for name, p in module.named_parameters()} | constants).config
    if not isinstance(config, swinir.Config):
        raise BadInput("importances weigh the units of Swin blocks, expected a SwinIR; train one")
    return Weighed(module, kind, config.paths)


def _zeros(model):
    """What may change: every number of a pruned parameter that is not zero."""
    names = model.architecture.parameter_shapes(model.config)
    return {name: torch.from_numpy(model.parameters[name] != 0) for name in names if not model.parameters[name].all()}


def _objective(recipe, wanted, teacher):
    objective = truth(recipe.forward)
    if teacher:
        objective = distilled(recipe.forward, twin(teacher), wanted.share_or_default)
    return sparse(objective, wanted.gamma_or_default) if wanted.importances else objective


def _write(work, begun, importances, weights, about):
    if importances:
        values = [weights.pop(f"importances.{i}") for i in range(len(begun.module.paths))]
        a = dict(zip(begun.module.paths, values, strict=True))
        weights = {key.removeprefix("network."): value for key, value in weights.items()}
        model = folded(load(weights | begun.constants), importances, a)
        weights = {key: model.parameters[key] for key in weights}
        scores = {f"{path}:{importances}": np.abs(value) for path, value in a.items()}
        write_safetensors(work / "importances.safetensors", scores)
    write_safetensors(work / "weights.safetensors", weights | begun.constants, about)
    draw_curve(work / "log.jsonl", work / "curve.svg")
