"""Gradients of a network's loss over pictures, for Taylor scores (`karat.refimpl.prune.scores.taylor`)."""

import numpy as np
import torch

from ...refimpl.errors import BadInput
from ...refimpl.models import Model
from ..torch_models import twin


def gradients(model: Model, pairs, progress=lambda done, total: None) -> dict[str, np.ndarray]:
    """Of the mean absolute error of all pictures together, the loss that SwinIR is trained with, by parameter.

    Parameters
    ----------
    model : Model
    pairs : sequence of (ndarray, ndarray)
        Small and large pictures, (N, channels, h, w) and (N, channels, s h, s w) in [0, 1]; gradients have their type.
    progress : callable
        Called with pairs done and pairs in all.

    Returns
    -------
    dict of str to ndarray
        By state_dict key, of the parameter's shape.

    Raises
    ------
    BadInput
        When there is no picture, or PyTorch's twin cannot be built.

    Examples
    --------
    >>> from karat.refimpl.models import quicksrnet
    >>> grey = quicksrnet.identity(quicksrnet.Config(features=4, layers=0, subpixel=1))
    >>> found = gradients(grey, [(np.full((1, 3, 2, 2), 0.5), np.zeros((1, 3, 2, 2)))])
    >>> found["conv_last.bias"]  # of the mean over three channels
    array([0.33333333, 0.33333333, 0.33333333])
    """
    pairs = list(pairs)
    if not pairs:
        raise BadInput("no pictures were given, expected pairs of a small and a large one; give at least one")
    net = twin(model, torch.from_numpy(pairs[0][0]).dtype)
    values = sum(large.size for _, large in pairs)
    for done, (small, large) in enumerate(pairs):
        progress(done, len(pairs))
        error = net(torch.from_numpy(small)) - torch.from_numpy(large)
        (error.abs().sum() / values).backward()
    return {name: p.grad.numpy() for name, p in net.named_parameters() if p.grad is not None}
