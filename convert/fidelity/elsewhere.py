"""How far an honest computation of the same network elsewhere may be from this package's own float64 run.

Elsewhere nobody rounded the constants as this package stores them (a converter folds a batch normalisation into the
weights, and rounds these anew), and every operation rounds in its own way. Both are drawn: constants off by up to half
a unit in the last place, independently; every operation off by what it is off here, with signs drawn anew. What samples
between pixels is also off by its positions, which karat has in float64 and others in float32.
"""

import numpy as np

from ...refimpl.numerics.formats import BFLOAT16, FORMATS, spacing
from ..mil.profiles import profile_named

# Drawn computations. Twice the largest of 4, and this run's own error, are exceeded by an honest result of 10
# independent numbers once in 500,000 times, of a single number once in 80 with 4 draws and once in 3,000 with 16.
DRAWS, DRAWS_OF_FEW, FEW = 4, 16, 10
TWIN = 2  # an error may be twice that of a plain computation in the same type: other orders of sums, fused factors
STRUCTURAL = ("scale_factor_height", "scale_factor_width")  # parameters that decide about sizes
SAMPLING = {"upsample_bilinear", "resize_bilinear", "resize", "crop_resize", "resample", "affine"}
SUMS, ORDER = {"conv", "conv_transpose"}, 2  # PyTorch adds in another order: off by 0.9 to 2.2 times as much in float32
POSITION = 2.0**-23  # relative: the ratio of the sizes is rounded to float32, and its product with the sample's number


def moved(program, rng):
    """The program with every floating-point constant off by up to half a unit in the last place of its stored type.

    Parameters
    ----------
    program : Program
    rng : numpy.random.Generator

    Returns
    -------
    Program
        Its constants are float64. Sizes (the factors of an upsampling), infinities and single whole numbers stay:
        these were written so, and a square of negative numbers is none with an exponent of 2.0000001.
    """
    sizes = {op.inputs[name] for op in program.operations for name in STRUCTURAL if name in op.inputs}
    constants = {}
    for name, value in program.constants.items():
        fmt = BFLOAT16 if program.stored.get(name) == BFLOAT16.name else FORMATS.get(value.dtype.name)
        wide = value.astype(np.float64) if fmt else value
        if fmt is None or name in sizes or (wide.size == 1 and wide.item().is_integer()):
            constants[name] = value
            continue
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
        max |other - own float64| over all draws and all numbers that are finite there.
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
                apart = distance(values[record.name], record.shadow)
                found[record.name] = max(found[record.name], np.max(apart, initial=0.0, where=np.isfinite(apart)))
        if index != done:
            done, freed = index, record.evidence.step.frees
    return {name: float(size) for name, size in found.items()}


def _disturb(record, values, profile, rng):
    """Add what the operation is off by in the profile, with signs drawn anew."""
    if profile == "float64" or record.value.dtype.kind != "f":
        return
    error = record.local_error
    if record.op_type in SAMPLING:
        error = error + _misplaced(record.wide)
    if record.op_type in SUMS and record.value.dtype == np.float32:
        error = error * ORDER
    if np.any(error) and np.isfinite(error).all():
        values[record.name] = values[record.name] + error * rng.choice([-1.0, 1.0], error.shape)


def _misplaced(y):
    """What samples (..., H, W) are off by when their positions are: that much of the step to a neighbour."""
    off = np.zeros(y.shape)
    for axis in range(max(y.ndim - 2, 0), y.ndim):
        step = np.abs(np.diff(y, axis=axis))
        none = np.zeros_like(np.take(y, [0], axis))
        before, behind = (np.concatenate(parts, axis) for parts in ((none, step), (step, none)))
        off += POSITION * y.shape[axis] * np.maximum(before, behind)
    return off


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
