"""What each network of the zoo is trained with."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from ...refimpl.models import quicksrnet
from ..torch_models import twin
from ..torch_models.swinir import SwinIR


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
    about, start, loss, data, history : str
        For the card: what the network is, what it began as, what was minimised, what it was trained on, and what the
        shipped run did differently.
    """

    build: Callable[[], nn.Module]
    forward: Callable
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


def nearest_start(**options):
    """A SwinIR that begins near nearest-neighbour upscaling: three channels carry the picture past the blocks.

    The other filters of the first convolution see no constant colour, and much else: what the blocks normalise is then
    detail and not brightness. The convolutions behind the blocks begin small. Without both, a small network spent its
    first thousands of batches on what a linear filter can do.

    Parameters
    ----------
    **options
        SwinIR's arguments, for three colours and ``resi_connection="1conv"``.
    """
    model = SwinIR(upsampler="pixelshuffledirect", **options)
    parameters = dict(model.named_parameters())
    first, last = parameters["conv_first.weight"], parameters["upsample.0.weight"]
    with torch.no_grad():
        for i in range(len(model.layers)):
            parameters[f"layers.{i}.conv.weight"].mul_(0.3)
            parameters[f"layers.{i}.conv.bias"].zero_()
        parameters["conv_after_body.weight"].mul_(0.3)
        for name in ("conv_first", "conv_after_body", "upsample.0"):
            parameters[f"{name}.bias"].zero_()
        first -= first.mean(dim=(2, 3), keepdim=True)
        first *= 8
        for channel in range(3):
            first[channel] = 0
            first[channel, channel, 1, 1] = 1
        last *= 0.06
        per_channel = len(last) // 3  # channel c of the picture is subpixels c s^2 to (c + 1) s^2 - 1
        for i in range(len(last)):
            last[i, i // per_channel, 1, 1] = 1
    return model.train()


def whole(model, lr):
    """The network's output, which nothing clips."""
    return model(lr)


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
        start="identity initialisation",
        loss="L1 before the last clip",
        data=T91_BSDS,
        history="The shipped run followed a cosine of 200,000 batches to batch 90,000, and one of 120,000 from there.",
    ),
    "swinir-small-x2": Recipe(
        lambda: nearest_start(
            img_size=32, embed_dim=32, depths=(4, 4), num_heads=(2, 2), window_size=8, mlp_ratio=2, upscale=2
        ),
        whole,
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
}
