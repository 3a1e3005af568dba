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


def share(rate: float, units: int) -> int:
    """How many of a layer's units a rate takes: never the last.

    Examples
    --------
    >>> share(0.3, 10), share(0.9, 2), share(0.1, 2)
    (3, 1, 0)
    """
    return min(round(rate * units), units - 1)


def lowest(scores: np.ndarray, count: int) -> tuple[int, ...]:
    """Numbers of the ``count`` lowest, in order; of equal ones the first go.

    Examples
    --------
    >>> lowest(np.array([3.0, 1.0, 2.0, 1.0]), 3)
    (1, 2, 3)
    """
    return tuple(sorted(np.argsort(scores, kind="stable")[:count].tolist()))


def lowest_of_all(scores: Mapping[str, np.ndarray], count: int) -> dict[str, tuple[int, ...]]:
    """The ``count`` lowest of all layers together, but of no layer the last one that it has.

    Infinite scores never go: that is how units are left out that are gone already.

    Parameters
    ----------
    scores : mapping of str to ndarray
        By layer, (units,).
    count : int

    Returns
    -------
    dict of str to tuple of int
        Numbers by layer, in order; layers that lose none are left out.

    Examples
    --------
    >>> lowest_of_all({"a": np.array([1.0, 2.0]), "b": np.array([5.0, 4.0, 3.0])}, 3)
    {'a': (0,), 'b': (1, 2)}
    """
    places = [(path, unit) for path, values in scores.items() for unit in range(len(values))]
    values = np.concatenate([np.asarray(one, np.float64) for one in scores.values()])
    left = {path: int(np.isfinite(one).sum()) for path, one in scores.items()}
    most = sum(max(n - 1, 0) for n in left.values())
    if not 0 < count <= most:
        raise BadInput(
            f"{count} units were to go and {most} can, since every layer keeps one; ask for a number from 1 to {most}"
        )
    found: dict[str, list[int]] = {}
    for index in np.argsort(values, kind="stable"):
        path, unit = places[index]
        if count and left[path] > 1 and np.isfinite(values[index]):
            found.setdefault(path, []).append(unit)
            left[path] -= 1
            count -= 1
    return {path: tuple(sorted(found[path])) for path in scores if path in found}
