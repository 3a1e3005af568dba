"""One part of a job for each of several machines that do not know of one another."""

import re
from itertools import groupby

from ...refimpl.errors import BadInput


def parse_shard(text) -> tuple[int, int]:
    """(number, count) of a text such as 2/8.

    Raises
    ------
    BadInput

    Examples
    --------
    >>> parse_shard("2/8")
    (2, 8)
    """
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise BadInput(f"the shard is {text!r}, expected one such as 1/4, from 1/4 to 4/4; write it so")
    return int(match[1]), int(match[2])


def take_shard(sources, number: int, count: int) -> list:
    """Every count-th photograph; those that differ in nothing but their suffix stay together.

    Results that would get the same name are then planned, and refused, by one shard.

    Parameters
    ----------
    sources : list of Source
        All of them, in the same order on every machine.
    number, count : int
        From 1 to ``count``.
    """
    key = lambda source: (str(source.relative.parent).casefold(), source.relative.stem.casefold())  # noqa: E731
    groups = [list(group) for _, group in groupby(sorted(sources, key=key), key)]
    return [source for group in groups[number - 1 :: count] for source in group]
