"""PyTorch twins of the golden models, with the official state_dict keys."""

import numpy as np
import torch
from torch import nn

from ...refimpl.errors import BadInput
from ...refimpl.models import Model
from .quicksrnet import QuickSRNet
from .swinir import SwinIR


def _quicksrnet(config):
    scale = config.subpixel / config.unshuffle
    return QuickSRNet(config.features, config.layers, scale, config.input_to_output, config.average > 1)


def _swinir(config):
    window = config.multiple_of_window
    size = round(config.positions**0.5) if config.positions else (config.window if not config.shifted else 2 * window)
    return SwinIR(
        img_size=size,
        in_chans=config.channels,
        embed_dim=config.embed_dim,
        depths=config.depths,
        num_heads=config.num_heads,
        window_size=window,
        mlp_ratio=(config.hidden + 0.5) / config.embed_dim,  # the constructor rounds down: never to one less
        qkv_bias=config.qkv_bias,
        qk_scale=config.qk_scale,
        ape=config.positions > 0,
        patch_norm=config.patch_norm,
        upscale=config.upscale,
        img_range=config.img_range,
        upsampler=config.upsampler,
        resi_connection="3conv" if config.three_convolutions else "1conv",
    )


_TWINS = {"quicksrnet": _quicksrnet, "swinir": _swinir}


def twin(model: Model, dtype: torch.dtype = torch.float32) -> nn.Module:
    """The PyTorch module of a golden model, carrying its parameters.

    Parameters
    ----------
    model : Model
    dtype : torch.dtype
        Of the parameters.

    Returns
    -------
    torch.nn.Module
        In evaluation mode; the model's parameters are loaded strictly, buffers are the module's own.

    Raises
    ------
    BadInput
        When heads or channels were removed from some layers: no constructor builds that.

    Examples
    --------
    >>> from karat.refimpl.models import quicksrnet
    >>> twin(quicksrnet.identity(quicksrnet.Config(features=4, layers=1, subpixel=2))).conv_last
    Conv2d(4, 12, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    """
    if not model.config.even:
        raise BadInput(
            "heads or channels were removed from some layers of the network, expected one that its constructor builds; "
            "convert the network that it was made from"
        )
    module = _TWINS[model.architecture.NAME](model.config).to(dtype)
    buffers = dict(module.named_buffers())  # the module's own: a checkpoint's masks are for another size
    names = model.architecture.parameter_shapes(model.config)  # and no buffer, and none of a package's own constants
    parameters = {name: model.parameters[name] for name in names}
    module.load_state_dict(buffers | {name: torch.from_numpy(np.array(value)) for name, value in parameters.items()})
    return module.eval()
