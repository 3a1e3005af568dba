"""What goes from a network: one description for the masked form and for the removed one."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace

from ..errors import BadInput
from ..models.swin_widths import Block


@dataclass(frozen=True)
class Cut:
    """What goes from one Swin block, by number in the network that the plan is for.

    Attributes
    ----------
    heads, hidden : tuple of int
        Attention heads, and hidden channels of the multilayer perceptron.
    queries, values : tuple of tuple of int
        Channels of every head's queries (and of its keys: they go together) and of its values, one tuple for each head
        of the block; empty where no head loses any.

    Examples
    --------
    >>> Cut(heads=(1,), queries=((0, 3), (), (2, 4)))
    Cut(heads=(1,), queries=((0, 3), (), (2, 4)), values=(), hidden=())
    """

    heads: tuple[int, ...] = ()
    queries: tuple[tuple[int, ...], ...] = ()
    values: tuple[tuple[int, ...], ...] = ()
    hidden: tuple[int, ...] = ()

    def joined(self, other: "Cut") -> "Cut":
        """Both; channels of heads that go are left out."""
        heads = self.heads + other.heads

        def per_head(first, second):
            count = max(len(first), len(second))
            padded = (part + ((),) * (count - len(part)) for part in (first, second))
            return tuple(
                () if head in heads else tuple(sorted(a + b)) for head, (a, b) in enumerate(zip(*padded, strict=True))
            )

        queries, values = per_head(self.queries, other.queries), per_head(self.values, other.values)
        return Cut(tuple(sorted(heads)), queries, values, tuple(sorted(self.hidden + other.hidden)))


@dataclass(frozen=True)
class Plan:
    """What goes from a network: a `Cut` by module path of the block, as ``layers.0.residual_group.blocks.1``.

    Examples
    --------
    >>> path = "layers.0.residual_group.blocks.0"
    >>> plan = Plan({path: Cut(heads=(2,))}).joined(Plan({path: Cut(hidden=(0, 5))}))
    >>> plan.cuts[path]
    Cut(heads=(2,), queries=(), values=(), hidden=(0, 5))
    >>> Plan.from_json(plan.to_json()) == plan
    True
    """

    cuts: Mapping[str, Cut]

    def joined(self, other: "Plan") -> "Plan":
        """Both plans as one; both number the units of the same network.

        Raises
        ------
        BadInput
            When a unit goes in both.
        """
        paths = dict.fromkeys([*self.cuts, *other.cuts])
        cuts = {path: self.cuts.get(path, Cut()).joined(other.cuts.get(path, Cut())) for path in paths}
        for path, cut in cuts.items():
            _no_unit_twice(path, cut)
        return Plan(cuts)

    def to_json(self) -> str:
        """As JSON, by block path."""
        return json.dumps({path: asdict(cut) for path, cut in self.cuts.items()})

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """Read what `to_json` wrote.

        Raises
        ------
        BadInput
            When the text is no plan.
        """
        try:
            read = json.loads(text)
            kinds = {path: {kind: _READERS[kind](u) for kind, u in cut.items()} for path, cut in read.items()}
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
            raise BadInput(
                f"the plan bends {error}, expected a cut by block path; use what Plan.to_json wrote"
            ) from None
        return cls({path: replace(Cut(), **cut) for path, cut in kinds.items()})


def _numbers(units):
    if type(units) is not list or any(type(unit) is not int for unit in units):
        raise TypeError(f"at {units!r}")
    return tuple(units)


def _lists(heads):
    return tuple(_numbers(units) for units in heads)


_READERS = {"heads": _numbers, "queries": _lists, "values": _lists, "hidden": _numbers}


def check(plan: Plan, blocks: Mapping[str, Block]) -> None:
    """Raise BadInput unless every unit of the plan is there and every block keeps one of each kind.

    Parameters
    ----------
    plan : Plan
    blocks : mapping of str to Block
        Widths by path, as ``config.paths``.

    Examples
    --------
    >>> path = "layers.0.residual_group.blocks.0"
    >>> check(Plan({path: Cut(heads=(0, 1))}), {path: Block(2, 8, 8, 32)})
    Traceback (most recent call last):
        ...
    karat.refimpl.errors.BadInput: all 2 heads of layers.0.residual_group.blocks.0 would go, expected one to stay; \
cut fewer
    """
    for path, cut in plan.cuts.items():
        if path not in blocks:
            known = list(blocks)
            raise BadInput(f"{path} is no block of the network, expected {known[0]} to {known[-1]}; name one of them")
        block = blocks[path]
        _one_tuple_a_head(path, cut, block.heads)
        for name, gone, count in _counted(cut, block):
            wrong = [n for n in gone if not 0 <= n < count]
            if wrong:
                raise BadInput(
                    f"{name.removesuffix('s')} {wrong[0]} of {path} is not there (removed already?), expected a number "
                    f"from 0 to {count - 1}; plan with the network as it is"
                )
            if len(set(gone)) == count:
                raise BadInput(f"all {count} {name} of {path} would go, expected one to stay; cut fewer")
        _no_unit_twice(path, cut)


def _one_tuple_a_head(path, cut, heads):
    for kind in ("queries", "values"):
        if len(getattr(cut, kind)) not in (0, heads):
            raise BadInput(
                f"the plan lists channels of {len(getattr(cut, kind))} heads under {kind} of {path}, expected one list "
                f"for each of its {heads} heads; plan with the network as it is"
            )


def _counted(cut, block):
    """(name, numbers that go, how many there are) of every kind of unit; heads that go lose no channels."""
    yield "heads", cut.heads, block.heads
    for kind, width in (("queries", block.qk_width), ("values", block.v_width)):
        for head, gone in enumerate(getattr(cut, kind)):
            yield f"{kind} channels of head {head}", gone, width
    yield "hidden channels", cut.hidden, block.hidden


def _no_unit_twice(path, cut):
    for field in fields(cut):
        lists = getattr(cut, field.name)
        for gone in lists if field.name in ("queries", "values") else (lists,):
            twice = [n for n in gone if gone.count(n) > 1]
            if twice:
                raise BadInput(
                    f"number {twice[0]} of the {field.name} of {path} goes twice (removed already), expected each unit "
                    "once; leave it out of one plan"
                )
