"""What a network is before its training."""

import torch
from torch import nn

from ...refimpl.errors import BadInput
from ...refimpl.models import quicksrnet, swinir
from ..torch_models import twin
from ..torch_models.swin_blocks import WindowAttention


def identity_start(config):
    """A QuickSRNet twin at the paper's starting point: the identity plus torch's own random initialisation."""
    blank = twin(quicksrnet.identity(config))
    for module in blank.modules():
        if isinstance(module, nn.Conv2d):
            module.reset_parameters()
    noise = {name: value.numpy() for name, value in blank.state_dict().items()}
    return twin(quicksrnet.identity(config, noise)).train()


def nearest_start(model):
    """A SwinIR that begins near nearest-neighbour upscaling: three channels carry the picture past the blocks.

    The other filters of the first convolution see no constant colour, and much else: what the blocks normalise is then
    detail and not brightness. The convolutions behind the blocks begin small. Without both, a small network spent its
    first thousands of batches on what a linear filter can do.

    Parameters
    ----------
    model : SwinIR
        As its constructor leaves it, for three colours, with the tail "pixelshuffledirect" and
        ``resi_connection="1conv"``; changed in place.
    """
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


def afresh(model):
    """A SwinIR of the structure of this one, pruned or not, that has learnt nothing: see `nearest_start`.

    Raises
    ------
    BadInput
        When it has another tail or other connections than `nearest_start` knows.
    """
    config = model.config
    if not isinstance(config, swinir.Config) or config.upsampler != "pixelshuffledirect" or config.three_convolutions:
        raise BadInput(
            "the structure is not that of a lightweight SwinIR (pixelshuffledirect, one convolution a connection), "
            "expected one to begin afresh; use --start to go on from its weights"
        )
    module = twin(model)
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.LayerNorm):
            part.reset_parameters()
        elif isinstance(part, nn.Linear):  # as the constructor does it
            nn.init.trunc_normal_(part.weight, std=0.02)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, WindowAttention):
            nn.init.trunc_normal_(part.relative_position_bias_table, std=0.02)
    return nearest_start(module)
