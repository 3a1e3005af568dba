"""PyTorch twins of the golden models, with the official state_dict keys."""

import numpy as np
import torch
from torch import nn

from ...refimpl.errors import BadInput
from ...refimpl.models import Model
from .quicksrnet import QuickSRNet
from .swin_blocks import Widths
from .swinir import SwinIR


def _quicksrnet(model):
    config = model.config
    if not config.even:
        raise _refused("channels were removed from some convolutions of the network")
    scale = config.subpixel / config.unshuffle
    return QuickSRNet(config.features, config.layers, scale, config.input_to_output, config.average > 1)


def _swinir(model):
    config = model.config
    if config.tail:
        raise _refused("features were removed from the tail of the network")
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
        widths=_widths(model) if config.uneven else None,
    )


def _widths(model):
    """Of every block, with the scale of its queries where the parameters hold it."""

    def own(path, block):
        scale = model.parameters.get(f"{path}.attn:query.value")
        stored = None if scale is None else float(scale)
        return Widths(block.heads, block.qk_width, block.v_width, block.hidden, stored)

    every = iter([own(path, block) for path, block in model.config.paths.items()])
    return [[next(every) for _ in range(depth)] for depth in model.config.depths]


def _refused(found):
    return BadInput(f"{found}, expected as many as its constructor builds; convert the network that it was made from")


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
        In evaluation mode; the model's parameters are loaded strictly, buffers are the module's own. Its ``state_dict``
        loads again as the same network, pruned or not: stored scales of queries are kept as float64.

    Raises
    ------
    BadInput
        When features were removed from convolutions of a QuickSRNet or of a tail: no constructor builds that. Heads and
        channels removed from Swin blocks are built, block by block.

    Examples
    --------
    >>> from karat.refimpl.models import quicksrnet
    >>> twin(quicksrnet.identity(quicksrnet.Config(features=4, layers=1, subpixel=2))).conv_last
    Conv2d(4, 12, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    """
    module = _TWINS[model.architecture.NAME](model).to(dtype)
    names = model.architecture.parameter_shapes(model.config)  # no buffer, and none of a package's own constants
    parameters = {name: torch.from_numpy(np.array(model.parameters[name])) for name in names}
    trained = {name for name, _ in module.named_parameters()}
    own = {name: value for name, value in module.state_dict().items() if name not in trained}
    module.load_state_dict(own | parameters)  # own masks: a checkpoint's are for another size
    return module.eval()
