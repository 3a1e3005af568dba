"""Widths inside every Swin block: heads and channels may have been removed from each block differently."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import BadInput


@dataclass(frozen=True)
class Block:
    """Widths inside one Swin block.

    Attributes
    ----------
    heads : int
        Attention heads that the block has.
    qk_width, v_width : int
        Channels of one head's queries and keys, and of its values: both d before channels are removed.
    hidden : int
        Width of the multilayer perceptron.

    Examples
    --------
    >>> Block(heads=4, qk_width=10, v_width=10, hidden=120).qkv_rows
    120
    """

    heads: int
    qk_width: int
    v_width: int
    hidden: int

    @property
    def qkv_rows(self) -> int:
        """Rows of qkv: the queries of every head, then the keys, then the values."""
        return self.heads * (2 * self.qk_width + self.v_width)


def read_block(shapes: Mapping[str, tuple[int, ...]], path: str, embed_dim: int) -> Block:
    """The widths of the block whose layers lie under ``path``.

    Parameters
    ----------
    shapes : mapping of str to tuple
        By state_dict key.
    path : str
        As ``layers.0.residual_group.blocks.1``.
    embed_dim : int
        C, channels of the tokens.

    Returns
    -------
    Block

    Raises
    ------
    BadInput
        When table, qkv and proj do not belong to a number of equal heads; names the tensor.

    Examples
    --------
    >>> shapes = {"b.attn.relative_position_bias_table": (225, 4), "b.mlp.fc1.weight": (100, 60)}
    >>> read_block(shapes | {"b.attn.qkv.weight": (120, 60), "b.attn.proj.weight": (60, 40)}, "b", 60)
    Block(heads=4, qk_width=10, v_width=10, hidden=100)
    """
    proj, qkv, table = (f"{path}.attn.{name}" for name in ("proj.weight", "qkv.weight", "relative_position_bias_table"))
    heads, rows, values, hidden = shapes[table][1], shapes[qkv][0], shapes[proj][1], shapes[f"{path}.mlp.fc1.weight"][0]
    if heads < 1 or hidden < 1:
        raise BadInput(
            f"{path} has {heads} heads in its attn.relative_position_bias_table and {hidden} hidden channels in its "
            "mlp.fc1.weight, expected at least one of each; keep one"
        )
    if not 0 < values <= embed_dim or values % heads:
        raise BadInput(
            f"{proj} has shape {shapes[proj]}, expected columns for the values of the {heads} heads that the bias "
            f"table has, at most {embed_dim}; remove a head from every tensor of its block"
        )
    queries, odd = divmod(rows - values, 2)
    if odd or not 0 < queries <= embed_dim or queries % heads:
        raise BadInput(
            f"{qkv} has shape {shapes[qkv]}, expected rows for the queries and as many keys of {heads} heads and for "
            f"{values} values, as bias table and proj have; remove a head from every tensor of its block"
        )
    return Block(heads, queries // heads, values // heads, hidden)


def trained_width(blocks: tuple[Block, ...], embed_dim: int) -> int | None:
    """d, the head width that a group was trained with, when at most whole heads were removed from it; else None.

    Whole heads leave all other heads as wide as they were: one width in the whole group, the same for queries and
    values, that divides C. (Channels removed from queries, keys and values alike, in the whole group and down to a
    divisor of C, look the same: shapes cannot tell.)

    Examples
    --------
    >>> trained_width((Block(4, 10, 10, 120), Block(5, 10, 10, 96)), embed_dim=60)
    10
    >>> trained_width((Block(6, 7, 10, 120), Block(6, 10, 10, 120)), embed_dim=60)
    """
    widths = {width for block in blocks for width in (block.qk_width, block.v_width)}
    return widths.pop() if len(widths) == 1 and embed_dim % max(widths) == 0 else None
