"""The lowest of some scores: in every layer, or of the whole network."""

from collections.abc import Mapping

import numpy as np

from ..errors import BadInput


def check_rate(rate: float) -> None:
    """Raise BadInput unless 0 < rate < 1.

    Examples
    --------
    >>> check_rate(1.5)
    Traceback (most recent call last):
        ...
    karat.refimpl.errors.BadInput: the rate is 1.5, expected a share between 0 and 1, such as 0.3; give another
    """
    if not 0 < rate < 1:  # NaN too
        raise BadInput(f"the rate is {rate}, expected a share between 0 and 1, such as 0.3; give another")


def share(rate: float, units: int, unit: str = "unit", place: str = "a layer") -> int:
    """How many of a layer's units a rate takes; raises BadInput where it would take the last.

    Examples
    --------
    >>> share(0.3, 10), share(0.5, 2), share(0.1, 2), share(0.5, 0)
    (3, 1, 0, 0)
    >>> share(0.9, 2)
    Traceback (most recent call last):
        ...
    karat.refimpl.errors.BadInput: a rate of 0.9 takes 2 of 2 units of a layer and 1 can go, expected a rate up to \
0.5; give a lower one
    """
    count = round(rate * units)
    if units and count >= units:
        highest = np.floor(1000 * max((units - 1) / units, 0.5)) / 1000  # half of one unit is none
        raise BadInput(
            f"a rate of {rate} takes {count} of {units} {unit}{'s' if units > 1 else ''} of {place} and {units - 1} "
            f"can go, expected a rate up to {highest:g}; give a lower one"
        )
    return count


def lowest(scores: np.ndarray, count: int) -> tuple[int, ...]:
    """Numbers of the ``count`` lowest, in order; of equal ones the first go.

    Examples
    --------
    >>> lowest(np.array([3.0, 1.0, 2.0, 1.0]), 3)
    (1, 2, 3)
    """
    return tuple(sorted(np.argsort(scores, kind="stable")[:count].tolist()))


def most_of_all(scores: Mapping[str, np.ndarray]) -> int:
    """How many can go of all layers together: of no layer the last that is left.

    Examples
    --------
    >>> most_of_all({"a": np.array([1.0, np.inf]), "b": np.array([5.0, 4.0, 3.0])})
    2
    """
    return sum(max(int(np.isfinite(one).sum()) - 1, 0) for one in scores.values())


def lowest_of_all(scores: Mapping[str, np.ndarray], count: int, unit: str = "unit") -> dict[str, tuple[int, ...]]:
    """The ``count`` lowest of all layers together, but of no layer the last one that it has.

    Infinite scores never go: that is how units are left out that are gone already.

    Parameters
    ----------
    scores : mapping of str to ndarray
        By layer, (units,).
    count : int
    unit : str
        What one is called, for the reason when so many cannot go.

    Returns
    -------
    dict of str to tuple of int
        Numbers by layer, in order; layers that lose none are left out.

    Examples
    --------
    >>> lowest_of_all({"a": np.array([1.0, 2.0]), "b": np.array([5.0, 4.0, 3.0])}, 3)
    {'a': (0,), 'b': (1, 2)}
    """
    places = [(path, number) for path, values in scores.items() for number in range(len(values))]
    values = np.concatenate([np.asarray(one, np.float64) for one in scores.values()])
    left = {path: int(np.isfinite(one).sum()) for path, one in scores.items()}
    _check_count(count, most_of_all(scores), unit)
    found: dict[str, list[int]] = {}
    for index in np.argsort(values, kind="stable"):
        path, number = places[index]
        if count and left[path] > 1 and np.isfinite(values[index]):
            found.setdefault(path, []).append(number)
            left[path] -= 1
            count -= 1
    return {path: tuple(sorted(found[path])) for path in scores if path in found}


def _check_count(count, most, unit):
    were = f"{count} {unit} was" if count == 1 else f"{count} {unit}s were"
    if count < 1:
        raise BadInput(f"{were} to go, expected at least 1; ask for more")
    if not most:
        raise BadInput(
            f"{were} to go and none can, since no layer has more than one {unit} left, expected a layer with more; "
            "cut something else"
        )
    if count > most:
        numbers = f"a number from 1 to {most}" if most > 1 else "1"
        raise BadInput(f"{were} to go and {most} can, since every layer keeps one; ask for {numbers}")
