"""How far an honest computation of the same network elsewhere may be from this package's own float64 run.

Elsewhere nobody rounded the constants as this package stores them (a converter folds a batch normalisation into the
weights, and rounds these anew), and every operation rounds in its own way. Both are drawn: constants off by up to half
a unit in the last place, independently; every operation off by what it is off here, with signs drawn anew.
"""

import numpy as np

from ...refimpl.numerics.formats import BFLOAT16, FORMATS, spacing
from ..mil.profiles import profile_named

# Drawn computations. Twice the largest of 4, and this run's own error, are exceeded by an honest result of 10
# independent numbers once in 500,000 times, of a single number once in 80 with 4 draws and once in 3,000 with 16.
DRAWS, DRAWS_OF_FEW, FEW = 4, 16, 10
TWIN = 2  # an error may be twice that of a plain computation in the same type: other orders of sums, fused factors
STRUCTURAL = ("scale_factor_height", "scale_factor_width")  # parameters that decide about sizes


def moved(program, rng):
    """The program with every floating-point constant off by up to half a unit in the last place of its stored type.

    Parameters
    ----------
    program : Program
    rng : numpy.random.Generator

    Returns
    -------
    Program
        Its constants are float64; sizes (the factors of an upsampling) and infinities stay.
    """
    sizes = {op.inputs[name] for op in program.operations for name in STRUCTURAL if name in op.inputs}
    constants = {}
    for name, value in program.constants.items():
        fmt = BFLOAT16 if program.stored.get(name) == BFLOAT16.name else FORMATS.get(value.dtype.name)
        if fmt is None or name in sizes:
            constants[name] = value
            continue
        wide = value.astype(np.float64)
        finite = np.where(np.isfinite(wide), wide, 0.0)
        constants[name] = np.asarray(wide + spacing(finite, fmt) * rng.uniform(-0.5, 0.5, wide.shape))
    return program.with_constants(constants)


def distances(program, inputs, profile, names, draws=DRAWS, seed=0):
    """Draw computations elsewhere, and measure how far they are from the package's own float64 run.

    All run side by side, step by step, beside one run in the profile that tells the errors of the operations.

    Parameters
    ----------
    program : Program
    inputs : dict of str to ndarray
    profile : str
        Arithmetic of the other computation; in "float64" only the constants are off.
    names : collection of str
        Outputs.
    draws : int
    seed : int

    Returns
    -------
    dict of str to float
        max |other - own float64| over all draws; 0 where it is not finite.
    """
    rng, exact = np.random.default_rng(seed), profile_named("float64")
    others = [moved(program, rng) for _ in range(draws)]
    steps = [other.compiled(exact) for other in others]
    runs = [other.bind(inputs, exact) for other in others]
    found, done, freed = dict.fromkeys(names, 0.0), -1, ()
    for record in program.trace(inputs, profile=profile):
        index = record.evidence.index
        for own, values in zip(steps, runs, strict=True):
            if index != done:
                for name in freed:
                    del values[name]
                own[index](values)
            _disturb(record, values, profile, rng)
            if record.name in found:
                found[record.name] = max(found[record.name], largest_distance(values[record.name], record.shadow))
        if index != done:
            done, freed = index, record.evidence.step.frees
    return {name: size if np.isfinite(size) else 0.0 for name, size in found.items()}


def _disturb(record, values, profile, rng):
    """Add what the operation is off by in the profile, with signs drawn anew."""
    if profile == "float64" or record.value.dtype.kind != "f":
        return
    error = record.local_error
    if np.any(error) and np.isfinite(error).all():
        values[record.name] = values[record.name] + error * rng.choice([-1.0, 1.0], error.shape)


def distance(found, expected):
    """|found - expected|: zero for equal infinities, infinite where only one is finite or either is NaN.

    Examples
    --------
    >>> distance([1.0, np.inf, np.inf], [1.5, np.inf, 0.0])
    array([0.5, 0. , inf])
    """
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    with np.errstate(invalid="ignore"):
        apart = np.where(found == expected, 0.0, np.abs(found - expected))
    return np.where(np.isnan(apart), np.inf, apart)


def largest_distance(found, expected):
    """The largest `distance`; 0 of nothing."""
    return float(np.max(distance(found, expected), initial=0.0))
