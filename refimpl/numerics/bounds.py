"""How large the error of one operator may be: deterministic bounds for a declared arithmetic.

Every bound is for inputs that are exact, so it speaks of the operator alone. An operator computes in a format with unit
roundoff u and stores its result once in a format that may be coarser. Sums may be taken in any order, with or without
fused multiply-add.

References
----------
N. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., SIAM 2002. doi:10.1137/1.9780898718027
"""

import numpy as np

from .formats import nearest

# Relative error of float32 exp, tanh and the like in units of u. Measured for NumPy over every float32: exp 3.6 u in
# [-104, 0] (tests/test_bounds.py, marked long); others are allowed twice that, 4 units in the last place.
FUNCTION = 8


def gamma(n, u):
    """The constant gamma_n = n u / (1 - n u) of n roundings in a row (Higham, lemma 3.1).

    Parameters
    ----------
    n : int or ndarray
    u : float
        Unit roundoff.

    Returns
    -------
    float or ndarray
        Infinity where n u reaches 1: nothing is known then.

    Examples
    --------
    >>> gamma(1024, 2.0**-24)
    np.float64(6.103888176768602e-05)
    >>> gamma(2048, 2.0**-11)
    np.float64(inf)
    """
    product = np.asarray(n * u, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(product < 1, product / (1 - product), np.inf)[()]


def correctly_rounded(exact, fmt):
    """|fl(y) - y|: the error of an operator that returns the nearest number of the format, ties to even.

    Data movement, comparisons, and + - x / sqrt of numbers of the format are such operators, also when they compute in
    float32 and store in float16: rounding twice is harmless from 2 p + 2 bits on (Higham, section 2.3 and problem 2.14
    there; S. Figueroa, ACM SIGNUM Newsletter 30(3), 1995. doi:10.1145/221332.221334).

    Parameters
    ----------
    exact : ndarray of float64
    fmt : Format
        Of the store.

    Returns
    -------
    ndarray of float64, shape of exact

    Examples
    --------
    >>> from karat.refimpl.numerics.formats import FLOAT16
    >>> correctly_rounded(np.array([1.0, 2049.0]), FLOAT16)
    array([0., 1.])
    """
    with np.errstate(invalid="ignore"):
        return np.abs(nearest(exact, fmt) - exact)


def stored(exact, error, fmt):
    """The error of a result that is off by at most ``error`` before it is rounded to nearest, once.

    Rounding is monotone: the result lies between fl(y - error) and fl(y + error).

    Parameters
    ----------
    exact, error : ndarray of float64
    fmt : Format
        Of the store.

    Returns
    -------
    ndarray of float64
        Infinity where the result may overflow, and where nothing is known of it.

    Examples
    --------
    >>> from karat.refimpl.numerics.formats import FLOAT16
    >>> stored(np.array([2049.5, 2049.5]), np.array([0.0, 0.5]), FLOAT16)
    array([0.5, 1.5])
    """
    with np.errstate(invalid="ignore"):
        low, high = exact - nearest(exact - error, fmt), nearest(exact + error, fmt) - exact
        bound = np.maximum(low, high)
    return np.where(np.isnan(bound), np.inf, bound)


def dot(n, magnitude, fmt):
    """gamma_n sum |a_i| |b_i|: the error of a sum of n products, whatever its order (Higham, eq. 3.5 and section 4.2).

    Parameters
    ----------
    n : int
        Terms, a bias counted as one.
    magnitude : ndarray of float64
        Sum of the terms' magnitudes; may itself have been computed in ``fmt``.
    fmt : Format
        Of the accumulation.

    Returns
    -------
    ndarray of float64
        Infinity where a sum of some of the terms may overflow.

    Examples
    --------
    >>> from karat.refimpl.numerics.formats import FLOAT32
    >>> dot(60, np.array([1.0, 4e38]), FLOAT32) < [4e-6, np.inf]
    array([ True, False])
    """
    growth = gamma(n, fmt.unit_roundoff)
    with np.errstate(invalid="ignore"):
        error = growth * (1 + growth) * magnitude + n * fmt.smallest_subnormal
        return unless_overflow(error, magnitude * (1 + growth) ** 2, fmt)


def unless_overflow(error, size, fmt):
    """``error`` where nothing on the way is larger than ``size`` and the format holds that; else infinity.

    Examples
    --------
    >>> from karat.refimpl.numerics.formats import FLOAT16
    >>> unless_overflow(np.array([0.5, 0.5]), np.array([65000.0, 66000.0]), FLOAT16)
    array([0.5, inf])
    """
    return np.where((size <= fmt.largest) & ~np.isnan(error), error, np.inf)


def softmax(x, y, axis, fmt):
    """The error of e^(x - m) / sum e^(x - m) with the maximum m subtracted first.

    The subtraction's rounding |d| u, d = x - m, changes e^d by as much; exp adds `FUNCTION` u; the n terms of the sum
    bring the average of their own errors and gamma_n; the quotient one rounding more (P. Blanchard, D. Higham,
    N. Higham, IMA J. Numer. Anal. 41(4), 2021, section 4. doi:10.1093/imanum/draa038).

    Parameters
    ----------
    x, y : ndarray of float64, same shape
        Argument and exact result.
    axis : int
    fmt : Format
        In which it is computed.

    Returns
    -------
    ndarray of float64, shape of y

    Examples
    --------
    >>> from karat.refimpl.numerics.formats import FLOAT32
    >>> softmax(np.zeros((1, 4)), np.full((1, 4), 0.25), -1, FLOAT32)[0, 0] < 2e-6
    np.True_
    """
    u, n = fmt.unit_roundoff, y.shape[axis]
    with np.errstate(invalid="ignore"):
        distance = np.abs(x - np.max(x, axis=axis, keepdims=True))
        own = np.where(y > 0, distance, 0.0) + FUNCTION  # e^-infinity is 0 without an error
        relative = u * (own + np.sum(y * own, axis=axis, keepdims=True)) + gamma(n + 1, u)
        error = y * relative / np.maximum(1 - relative, 0) + 2 * fmt.smallest_subnormal
        return np.where(relative < 1, error, 1.0)  # a share is never off by more


def layer_norm(x, weight, bias, axes, epsilon, fmt):
    """The error of (x - mean) / sqrt(variance + eps) weight + bias, variance taken over centred values.

    With m = mean |x| the mean is off by at most gamma_n m =: e. Centred values are off by e and one rounding; the
    variance by gamma_(n+3) and e^2 relative to itself, its root by half of that; then a quotient, a product and a sum
    with one rounding each. Squares lose up to the smallest subnormal number each.

    Parameters
    ----------
    x : ndarray of float64
    weight, bias : ndarray of float64
        Broadcast against x; ones and zeros where the operator has none.
    axes : tuple of int
    epsilon : float
    fmt : Format
        In which it is computed.

    Returns
    -------
    ndarray of float64, shape of x
        Infinity where the sum, a square or the sum of squares may overflow, or the weighted quotient.

    Examples
    --------
    >>> from karat.refimpl.numerics.formats import FLOAT32
    >>> x = np.array([[-1.0, 1.0]])
    >>> layer_norm(x, np.ones(2), np.zeros(2), (1,), 1e-5, FLOAT32).max() < 1e-6
    np.True_
    """
    u = fmt.unit_roundoff
    n = int(np.prod([x.shape[axis] for axis in axes]))
    mean_error = gamma(n + 1, u) * np.mean(np.abs(x), axis=axes, keepdims=True) + fmt.smallest_subnormal
    centred = x - np.mean(x, axis=axes, keepdims=True)
    variance = np.mean(centred * centred, axis=axes, keepdims=True) + epsilon
    deviation = np.sqrt(variance)
    centred_error = mean_error + u * (np.abs(centred) + mean_error)
    # the sum of squares of values that are off by e in common grows by n e^2: their sum is zero
    relative = gamma(n + 5, u) + (centred_error / deviation) ** 2 + 2 * u * mean_error / deviation
    relative = relative + 2 * fmt.smallest_subnormal / variance
    root = relative / 2 / (1 - np.minimum(relative, 0.5)) + 2 * u
    quotient = np.abs(centred) / deviation
    error = (centred_error / deviation + quotient * (root + u)) * (1 + root) ** 2
    scaled = np.abs(weight) * (error + u * (quotient + error))
    error = scaled + u * (np.abs(quotient * weight) + np.abs(bias) + scaled) + 2 * fmt.smallest_subnormal
    sums = np.sum(np.abs(x), axis=axes, keepdims=True), np.sum(centred * centred, axis=axes, keepdims=True) + epsilon
    most = np.maximum(np.maximum(*sums) * (1 + relative) ** 2, np.abs(quotient * weight) + np.abs(bias) + scaled)
    return np.where(relative < 0.5, unless_overflow(error, most, fmt), np.inf)


def gelu(x, y, fmt):
    """The error of x Phi(x): of an error function that is good to (12 + x^2) u, and of one product.

    The lower tail of Phi is e^(-x^2 / 2) times a slow function, and the rounding of x^2 / 2 alone changes it by
    x^2 u / 2; 12 u are left for the rest.

    Parameters
    ----------
    x, y : ndarray of float64, same shape
        Argument and exact result.
    fmt : Format
        In which it is computed.

    Returns
    -------
    ndarray of float64

    Examples
    --------
    >>> from karat.refimpl.numerics.formats import FLOAT32
    >>> gelu(np.array([1.0]), np.array([0.8413447]), FLOAT32) < 1e-6
    array([ True])
    """
    steep = np.where(x < 0, np.minimum(np.square(x), 1600.0), 1.0)  # beyond -40 the result is zero
    return np.abs(y) * gamma(14 + steep, fmt.unit_roundoff) + 2 * fmt.smallest_subnormal * (1 + np.abs(x))
