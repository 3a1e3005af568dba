"""What a training minimises: callables (module, lr, hr) -> scalar tensor."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ...refimpl.models.swin_widths import Block
from ...refimpl.prune.distillation import check_share
from ...refimpl.prune.scores import unit_shape

Objective = Callable[[nn.Module, Tensor, Tensor], Tensor]


def truth(forward: Callable[[nn.Module, Tensor], Tensor]) -> Objective:
    """mean |prediction - hr|; ``forward`` gives the prediction that the loss is taken of."""
    return lambda module, lr, hr: (forward(module, lr) - hr).abs().mean()


def distilled(forward: Callable[[nn.Module, Tensor], Tensor], teacher: nn.Module, share: float) -> Objective:
    """(1 - share) mean |student - hr| + share mean |teacher - student|; see `karat.refimpl.prune.distillation`.

    Parameters
    ----------
    forward : callable
        (student, lr) -> prediction.
    teacher : torch.nn.Module
        Never trained here; called in evaluation mode.
    share : float
        Of the teacher, in [0, 1].
    """
    check_share(share)
    teacher.eval().requires_grad_(False)

    def loss(module, lr, hr):
        student = forward(module, lr)
        with torch.no_grad():
            guide = teacher(lr)
        return (1 - share) * (student - hr).abs().mean() + share * (guide - student).abs().mean()

    return loss


def sparse(objective: Objective, gamma: float) -> Objective:
    """``objective`` + gamma |a|_1 over the importances of a `Weighed` network."""

    def loss(module, lr, hr):
        return objective(module, lr, hr) + gamma * sum(a.abs().sum() for a in module.importances.parameters())

    return loss


class Weighed(nn.Module):
    """A SwinIR with an importance for every unit, X* = X diag(a), trained along; a starts at one.

    Hidden channels, values and heads are weighed where a linear layer reads them, queries where they are computed.

    Parameters
    ----------
    network : torch.nn.Module
        A SwinIR twin.
    kind : {"heads", "queries", "values", "hidden"}
    blocks : dict of str to Block
        Widths by path, as ``config.paths``.

    References
    ----------
    M. Zhu et al., "Vision Transformer Pruning", 2021, section 3. arXiv:2104.08500
    """

    def __init__(self, network: nn.Module, kind: str, blocks: dict[str, Block]):
        super().__init__()
        self.network, self.paths = network, list(blocks)
        shapes = [unit_shape(block, kind) for block in blocks.values()]
        self.importances = nn.ParameterList(nn.Parameter(torch.ones(shape)) for shape in shapes)
        for i, (path, block) in enumerate(blocks.items()):
            self._weigh(i, kind, network.get_submodule(path), block)

    def _weigh(self, i, kind, swin_block, block):
        def units():  # looked up at every call: whoever swaps parameters swaps these too
            a = self.importances[i]
            return a.repeat_interleave(block.v_width) if kind == "heads" else a.flatten()

        def read(_, arguments):
            return (arguments[0] * units(),)

        def computed(_, __, qkv):
            rest = qkv.new_ones(qkv.shape[-1] - block.heads * block.qk_width)  # keys and values
            return qkv * torch.cat([units(), rest])

        if kind == "queries":
            swin_block.attn.qkv.register_forward_hook(computed)
        else:
            reader = swin_block.mlp.fc2 if kind == "hidden" else swin_block.attn.proj
            reader.register_forward_pre_hook(read)

    def forward(self, lr: Tensor) -> Tensor:
        """What the network gives with its units weighed."""
        return self.network(lr)
