"""What each network of the zoo is trained with."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from ...refimpl.models import quicksrnet
from ..torch_models.swinir import SwinIR
from .starts import identity_start, nearest_start


@dataclass(frozen=True)
class Recipe:
    """One training: the network, how the loss sees it, and the schedule.

    Attributes
    ----------
    build : callable
        () -> the freshly initialised module.
    forward : callable
        (module, lr) -> the prediction that the loss is taken of.
    architecture : str
        Of what it trains.
    scale, patch, batch, iterations : int
        Upscaling factor, side of a low-resolution patch, patches per batch, batches.
    rate : float
        Peak learning rate of Adam.
    about, start, loss, data, history : str
        For the card: what the network is, what it began as, what was minimised, what it was trained on, and what the
        shipped run did differently.
    """

    build: Callable[[], nn.Module]
    forward: Callable
    architecture: str
    scale: int
    patch: int
    batch: int
    iterations: int
    rate: float
    about: str
    start: str
    loss: str
    data: str
    history: str


def unclipped(model, lr):
    """The picture before QuickSRNet's last clip: a clipped pixel would have no gradient."""
    return model.depth_to_space(model.subpixels(lr))


def whole(model, lr):
    """The network's output, which nothing clips."""
    return model(lr)


def small_swinir(**sizes):
    """A twofold SwinIR with windows of 8 x 8, hidden layers of twice the width and the lightweight tail, untrained."""
    common = {"img_size": 32, "window_size": 8, "mlp_ratio": 2, "upscale": 2, "upsampler": "pixelshuffledirect"}
    return nearest_start(SwinIR(**common, **sizes))


T91_BSDS = "T91 and BSDS500 train and test (491 pictures, every fiftieth kept for validation), flipped and turned"

RECIPES = {
    "quicksrnet-small-x2": Recipe(
        lambda: identity_start(quicksrnet.Config(features=32, layers=2, subpixel=2)),
        unclipped,
        architecture="quicksrnet",
        scale=2,
        patch=48,
        batch=16,
        iterations=120_000,
        rate=1e-3,
        about="QuickSRNet-small (f32-m2), twofold super-resolution of photographs.",
        start="identity initialisation",
        loss="L1 before the last clip",
        data=T91_BSDS,
        history="The shipped run followed a cosine of 200,000 batches to batch 90,000, and one of 120,000 from there.",
    ),
    "swinir-small-x2": Recipe(
        lambda: small_swinir(embed_dim=32, depths=(4, 4), num_heads=(2, 2)),
        whole,
        architecture="swinir",
        scale=2,
        patch=32,
        batch=4,
        iterations=36_000,
        rate=2e-3,
        about="A small SwinIR (two groups of four blocks, 32 channels), twofold super-resolution of photographs.",
        start="nearest-neighbour upscaling",
        loss="L1",
        data=T91_BSDS,
        history="The shipped run followed cosines of 50,000 batches to batch 17,000, of 42,000 to 30,000, "
        "and of 36,000 from there.",
    ),
    "swinir-student-x2": Recipe(
        lambda: small_swinir(embed_dim=16, depths=(4,) * 4, num_heads=(1,) * 4),
        whole,
        architecture="swinir",
        scale=2,
        patch=32,
        batch=4,
        iterations=6_000,
        rate=2e-3,
        about="A student: four groups of four blocks, 16 channels, twofold super-resolution of photographs.",
        start="nearest-neighbour upscaling",
        loss="L1",
        data=T91_BSDS,
        history="",
    ),
}
