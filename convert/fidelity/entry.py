"""One constant of a package, held bit for bit against the expression that it stands for."""

from dataclasses import dataclass

import numpy as np

from ...refimpl.numerics.formats import FORMATS, spacing

NOTHING = np.zeros(())


@dataclass(frozen=True)
class Entry:
    """One constant of the package and what it stands for.

    Attributes
    ----------
    layer, expression : str
        Where it belongs and what it should be ("cnn.0.weight", "0").
    constant : str
        Its name in the package; empty when the package has none.
    dtype : str
        Its stored type.
    wrong : int
        Elements that are not the expression rounded to nearest even, from float64 or from float32 (as converters
        compute), in the stored type.
    note : str
        For a wrong constant: which element, found, expected.
    stored : str
        How a compressed constant is stored; empty for others.
    """

    layer: str
    expression: str
    constant: str
    dtype: str
    wrong: int = 0
    note: str = ""
    stored: str = ""


def hold(layer, key, exact, name, value, dtype, factor=1.0, mean: np.ndarray = NOTHING):
    """Compare one constant with its expression, exact * factor + mean.

    Parameters
    ----------
    layer, key : str
        For the entry.
    exact : ndarray of float64
    name : str
    value : ndarray or None
        As stored; None when the package has none.
    dtype : str
        Of a constant that is not there.
    factor : float
    mean : ndarray of float64

    Returns
    -------
    entry : Entry
    carried : ndarray of float64, shape of exact
        What the golden side carries: the stored numbers where all of them stand for the expression, else it, rounded.
    """
    with np.errstate(over="ignore"):
        single = exact.astype(np.float32) * np.float32(factor) + mean.astype(np.float32)  # as converters compute
    exact = exact * factor + mean
    stored = value.dtype.name if value is not None else dtype
    fmt = FORMATS[stored]
    with np.errstate(over="ignore"):
        rounded = exact.astype(stored).astype(np.float64)
    if value is None:  # a converter may drop a bias that rounds to nothing
        wrong = int(np.count_nonzero(rounded))
        note = f"{key} is not in the package" if wrong else ""
        return Entry(layer, key, "", stored, wrong, note), rounded
    found = value.astype(np.float64).reshape(exact.shape)  # converters reshape biases; their values tell the order
    with np.errstate(over="ignore"):
        good = (found == rounded) | (found == single.astype(stored))
    good |= _kept_from_zero(found, exact, rounded, fmt)
    good &= np.isfinite(found)  # infinity is the nearest number to what overflows, and yet no number
    if good.all():
        return Entry(layer, key, name, stored), found
    distance = np.abs(found - exact) / spacing(exact, fmt)  # in units in the last place
    worst = np.unravel_index(np.argmax(np.where(good, -1, np.nan_to_num(distance, nan=np.inf))), exact.shape)
    away = distance[worst]
    place = f"[{', '.join(map(str, worst))}]" if exact.ndim else ""
    expected = f"{key}{place} = {exact[worst]:.6g}"
    note = f"{name}{place} is {found[worst]:.6g}, expected {expected} ({away:.3g} ulp of {stored} away)"
    return Entry(layer, key, name, stored, int(np.count_nonzero(~good)), note), rounded


def _kept_from_zero(found, exact, rounded, fmt):
    """The one honest exception to rounding to nearest, and at most one unit in the last place.

    In small arrays coremltools stores the smallest subnormal instead of a zero that a number would round to
    (``_check_underflow_to_zero`` of its quantisation pass, version 9.0).
    """
    return (rounded == 0) & (exact != 0) & (found == np.copysign(fmt.smallest_subnormal, exact))
