"""The arithmetic of every executed operation: the error made here against its bound, and what it passes on.

An operation is computed again in float64 from the very inputs that it had. What it is off by then was made here, and
has to lie within the deterministic bound of the declared profile (`karat.refimpl.numerics.bounds`). A wrong factor that
hides inside the bound shows in all elements together: that is the gain.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from ...refimpl.metrics import rms
from ...refimpl.numerics.formats import FORMATS, nearest, spacing

DISTINCT = 2**15  # results that the gain is estimated from, at most
SEEN = 2**16  # values that the histogram of magnitudes is made of, at most
CHANCE = 2.0**-40  # that honest rounding is taken for a gain
OCTAVES = range(-25, 17)  # of the histogram of magnitudes


@dataclass(frozen=True)
class OperatorFigures:
    """One output of one operation of the typed run; floating numbers only.

    Attributes
    ----------
    name, op_type, layer, dtype : str
        Variable, MIL operator, layer of the golden model ("" when it belongs to none), type the value is held in.
    local_rms, local_max : float
        Error made here: against float64 from the same inputs.
    share : float or None
        Largest local error over its bound; above 1 the arithmetic is wrong. Of operators that are rounded correctly
        0 where every bit agrees, else infinity. None where no bound is known.
    inherited_rms : float
        Error that came in and was passed on: float64 from the same inputs against a run in float64 throughout.
    error_rms : float
        The whole: against a run in float64 throughout.
    size_rms, largest : float
        Root mean square and largest magnitude of the value.
    overflows : bool
        Something is infinite or no number that is finite in float64.
    reads : tuple of str
        The variables that the operation read.
    gain, gain_limit : float
        Systematic factor minus one, and what honest rounding stays below; 0 and infinity where too little is known.
    subnormals : float
        Share of results that are subnormal, and
    magnitudes : tuple of int
        how many values are zero or below 2^-25, in [2^-25, 2^-24), ... and 2^16 or above or not finite; both of `SEEN`
        evenly spaced ones of a large tensor.
    amplification : float or None
        Relative inherited error over the largest relative error of an input; see `amplified`.
    """

    name: str
    op_type: str
    layer: str
    dtype: str
    local_rms: float
    local_max: float
    share: float | None
    inherited_rms: float
    error_rms: float
    size_rms: float
    largest: float
    overflows: bool
    reads: tuple[str, ...]
    gain: float
    gain_limit: float
    subnormals: float
    magnitudes: tuple[int, ...]
    amplification: float | None = None

    @property
    def wrong(self) -> bool:
        """Whether rounding under the profile cannot explain the value."""
        return (self.share or 0) > 1 or abs(self.gain) > self.gain_limit

    @property
    def note(self) -> str:
        """What is wrong, as one sentence."""
        share = self.share or 0.0
        if share > 1:
            many = "it rounds correctly or is wrong" if math.isinf(share) else f"{share:.3g} x its bound"
            return f"{self.op_type} {self.name} is off by up to {self.local_max:.2g} from its own inputs, {many}"
        return (
            f"{self.op_type} {self.name} gives {1 + self.gain:.6f} times what its inputs give, "
            f"honest rounding 1 within {self.gain_limit:.1g}"
        )


def figures(record, layer):
    """Measure one record; asks for its shadow.

    Parameters
    ----------
    record : OpRecord
    layer : str

    Returns
    -------
    OperatorFigures or None
        None for values that are not floating, and for none at all.
    """
    fmt = FORMATS.get(record.value.dtype.name)
    if fmt is None or not record.value.size:
        return None
    with np.errstate(all="ignore"):
        value = record.wide
        share, local = _share(record, fmt)
        gain, limit = (0.0, math.inf) if record.correctly_rounded else _gain(record, value, fmt)
        inherited = rms(record.exact - record.shadow)
        whole = rms(value - record.shadow) if local[1] else inherited
        largest = float(max(np.max(value, initial=0.0), -np.min(value, initial=0.0)))
        largest = math.inf if math.isnan(largest) else largest
        sizes = np.abs(value.ravel()[:: max(1, value.size // SEEN)])
        subnormal = np.count_nonzero((sizes > 0) & (sizes < 2.0**fmt.min_exponent)) / max(sizes.size, 1)
        return OperatorFigures(
            record.name,
            record.op_type,
            layer,
            fmt.name,
            *local,
            share,
            inherited,
            whole,
            rms(value),
            largest,
            not math.isfinite(largest) and bool(np.any(np.isfinite(record.shadow) & ~np.isfinite(value))),
            tuple(record.evidence.inputs),
            gain,
            limit,
            subnormal,
            _magnitudes(sizes),
        )


def amplified(operators, relative):
    """The same figures with their amplification, which needs those of the operations before.

    Parameters
    ----------
    operators : dict of str to OperatorFigures
        By variable, in execution order.
    relative : dict of str to float
        Relative error of the program's inputs.

    Returns
    -------
    dict of str to OperatorFigures
    """
    relative, found = dict(relative), {}
    for name, own in operators.items():
        before = max((relative.get(read, 0.0) for read in own.reads), default=0.0)
        relative[name] = own.error_rms / own.size_rms if own.size_rms else 0.0
        passed = own.inherited_rms / own.size_rms / before if before and own.size_rms else None
        found[name] = replace(own, amplification=passed)
    return found


def _share(record, fmt):
    """(largest local error over its bound, (root mean square, maximum) of the local error)."""
    if record.correctly_rounded:
        if np.array_equal(record.wide, record.exact):  # nothing was rounded
            return 0.0, (0.0, 0.0)
        equal = np.array_equal(record.wide, nearest(record.exact, fmt), equal_nan=True)
        error = record.local_error
        return (0.0 if equal else math.inf), (rms(error), float(np.max(error, initial=0.0)))
    error, bound = record.local_error, record.bound
    local = (rms(error), float(np.max(error, initial=0.0)))
    if bound is None:
        return None, local
    if np.isnan(np.max(bound, initial=0.0)):  # behind an overflow
        bound = np.where(np.isnan(bound), 0.0, bound)
    return float(np.fmax.reduce(error / bound, axis=None, initial=0.0)), local  # 0 / 0 is NaN and is not the largest


def _gain(record, value, fmt):
    """Systematic relative error over different results, and its limit for honest rounding.

    Weighted least squares of value = (1 + g) exact. If the roundings are independent and have mean zero, which is the
    model of Higham & Mary (SIAM J. Sci. Comput. 41(5), 2019. doi:10.1137/18M1226312), Hoeffding's inequality keeps
    |g| below the limit but for `CHANCE`. Results that were rounded to the same number share their error: of those one,
    drawn by lot, is an observation. Those below the normal range, which all round the same way, are none.
    """
    if record.bound is None:
        return 0.0, math.inf
    rng = np.random.default_rng(0)
    places = rng.permutation(value.size) if value.size <= DISTINCT else rng.integers(0, value.size, DISTINCT)
    exact, found, bound = (array.ravel()[places] for array in (record.exact, value, record.bound))
    good = np.isfinite(found) & np.isfinite(bound) & (np.abs(exact) >= 2.0**fmt.min_exponent)
    _, first = np.unique(found[good], return_index=True)
    if not first.size:
        return 0.0, math.inf
    exact, found, bound = (array[good][first] for array in (exact, found, bound))
    bound = np.maximum(bound, spacing(exact, fmt) / 2)
    weight = np.square(exact / bound).sum()
    gain = np.sum((found - exact) * exact / np.square(bound)) / weight
    return float(gain), float(math.sqrt(2 * math.log(2 / CHANCE) / weight))


def _magnitudes(sizes):
    """Counts of magnitudes by octave."""
    _, exponent = np.frexp(sizes)  # 2^(e - 1) <= |x| < 2^e
    first, last = OCTAVES[0], OCTAVES[-1]
    octave = np.clip(exponent - first, 0, last - first + 1)
    octave = np.where(sizes == 0, 0, np.where(np.isfinite(sizes), octave, last - first + 1))
    return tuple(np.bincount(octave, minlength=len(OCTAVES) + 1).tolist())
