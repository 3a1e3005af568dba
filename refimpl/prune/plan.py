"""What goes from a network: one description for the masked form and for the removed one."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace

from ..checkpoint.messages import shown
from ..errors import BadInput
from ..models.swin_widths import Block

UNITS = {"heads": "head", "queries": "query channel", "values": "value channel", "hidden": "hidden channel"}
HIGHEST = 10**6  # of a unit's number: beyond every network


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
    def from_json(cls, text: str, name: str = "the plan") -> "Plan":
        """Read what `to_json` wrote.

        Parameters
        ----------
        text : str
        name : str
            What the plan is called in the reason, such as its file's name.

        Raises
        ------
        BadInput
            When the text is no plan, or names something twice.
        """
        twice = []

        def once(pairs):
            names = [key for key, _ in pairs]
            read = dict(pairs)
            twice.extend(key for key in read if len(read) < len(names) and names.count(key) > 1)
            return read

        try:
            read = json.loads(text, object_pairs_hook=once)
            found = f"names {shown(twice[0])} twice" if twice else _bent(read)
        except (ValueError, RecursionError):  # too deep, or a number of thousands of digits
            found = "is no JSON"
        if found:
            raise BadInput(
                f"{name} {found}, expected a cut by block path, as karat prune --plan writes it; write it again"
            )
        kinds = {path: {kind: _tuples(units) for kind, units in cut.items()} for path, cut in read.items()}
        return cls({path: replace(Cut(), **cut) for path, cut in kinds.items()})


def _bent(read):
    """What is wrong with a plan as it was read; None when nothing is."""
    if type(read) is not dict:
        return "lists no blocks by path"
    for path, cut in read.items():
        if type(cut) is not dict or not cut.keys() <= UNITS.keys():
            return f"has something else than {', '.join(UNITS)} under {shown(path)}"
        for kind, units in cut.items():
            lists = units if kind in ("queries", "values") else [units]
            if type(lists) is not list or not all(map(_are_numbers, lists)):
                return f"has something else than numbers of {UNITS[kind]}s under {shown(path)}"
    return None


def _are_numbers(units):
    return type(units) is list and all(type(unit) is int and abs(unit) <= HIGHEST for unit in units)


def _tuples(units):
    return tuple(map(_tuples, units)) if type(units) is list else units


def all_gone(count: int, unit: str, place: str) -> BadInput:
    """The reason when nothing of a kind would be left.

    Examples
    --------
    >>> str(all_gone(1, "head", " of layers.0"))
    'the only head of layers.0 would go, expected one to stay; leave it'
    """
    gone, advice = (f"all {count} {unit}s", "cut fewer") if count > 1 else (f"the only {unit}", "leave it")
    return BadInput(f"{gone}{place} would go, expected one to stay; {advice}")


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
            raise BadInput(f"{shown(path)} is no block of the network, expected {known[0]} to {known[-1]}; name one")
        block = blocks[path]
        _one_tuple_a_head(path, cut, block.heads)
        for unit, place, gone, count in _counted(cut, block):
            wrong = [n for n in gone if not 0 <= n < count]
            if wrong:
                raise BadInput(
                    f"{unit} {wrong[0]}{place} of {path} is not there (removed already?), expected a number from 0 to "
                    f"{count - 1}; plan with the network as it is"
                )
            if len(set(gone)) == count:
                raise all_gone(count, unit, f"{place} of {path}")
        _no_unit_twice(path, cut)


def _one_tuple_a_head(path, cut, heads):
    for kind in ("queries", "values"):
        lists = len(getattr(cut, kind))
        if lists not in (0, heads):
            raise BadInput(
                f"the plan has {lists} list{'s' if lists > 1 else ''} of {UNITS[kind]}s for {path}, expected {heads}, "
                "one for each head; plan with the network as it is"
            )


def _counted(cut, block):
    """(name, of which head, numbers that go, how many there are) of every kind of unit."""
    yield UNITS["heads"], "", cut.heads, block.heads
    for kind, width in (("queries", block.qk_width), ("values", block.v_width)):
        for head, gone in enumerate(getattr(cut, kind)):
            yield UNITS[kind], f" of head {head}", gone, width
    yield UNITS["hidden"], "", cut.hidden, block.hidden


def _no_unit_twice(path, cut):
    for field in fields(cut):
        lists = getattr(cut, field.name)
        for gone in lists if field.name in ("queries", "values") else (lists,):
            twice = [n for n in gone if gone.count(n) > 1]
            if twice:
                raise BadInput(
                    f"{UNITS[field.name]} {twice[0]} of {path} is named twice, expected each once; name it once"
                )
