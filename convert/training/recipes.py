"""What each network of the zoo is trained with."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from ...refimpl.models import quicksrnet
from ..torch_models import twin


@dataclass(frozen=True)
class Recipe:
    """One training: the network, how the loss sees it, and the schedule.

    Attributes
    ----------
    build : callable
        () -> the freshly initialised module.
    forward : callable
        (module, lr) -> the prediction that the loss is taken of.
    scale, patch, batch, iterations : int
        Upscaling factor, side of a low-resolution patch, patches per batch, batches.
    rate : float
        Peak learning rate of Adam.
    about, data, history : str
        For the card: what the network is, what it was trained on, and what the shipped run did differently.
    """

    build: Callable[[], nn.Module]
    forward: Callable
    scale: int
    patch: int
    batch: int
    iterations: int
    rate: float
    about: str
    data: str
    history: str


def identity_start(config):
    """A QuickSRNet twin at the paper's starting point: the identity plus torch's own random initialisation."""
    blank = twin(quicksrnet.identity(config))
    for module in blank.modules():
        if isinstance(module, nn.Conv2d):
            module.reset_parameters()
    noise = {name: value.numpy() for name, value in blank.state_dict().items()}
    return twin(quicksrnet.identity(config, noise)).train()


def unclipped(model, lr):
    """The picture before QuickSRNet's last clip: a clipped pixel would have no gradient."""
    return model.depth_to_space(model.subpixels(lr))


T91_BSDS = "T91 and BSDS500 train and test (491 pictures, every fiftieth kept for validation), flipped and turned"

RECIPES = {
    "quicksrnet-small-x2": Recipe(
        lambda: identity_start(quicksrnet.Config(features=32, layers=2, subpixel=2)),
        unclipped,
        scale=2,
        patch=48,
        batch=16,
        iterations=120_000,
        rate=1e-3,
        about="QuickSRNet-small (f32-m2), twofold super-resolution of photographs.",
        data=T91_BSDS,
        history="The shipped run followed a cosine of 200,000 batches to batch 90,000, and one of 120,000 from there.",
    ),
}
