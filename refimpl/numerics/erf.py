"""The error function in float64 with NumPy alone, to 2 units in the last place.

References
----------
W. J. Cody, "Rational Chebyshev approximations for the error function", Mathematics of Computation 23(107), 1969,
pp. 631-637. doi:10.1090/S0025-5718-1969-0247736-4 (the approximations of about 18 digits in each of his three ranges)
"""

import math

import numpy as np

NEAR_END = 0.5  # Cody changes at 0.46875, where 1 - erfc loses a bit
# Numerators and denominators, highest power first; denominators are monic.
NEAR = (  # erf(x) / x in x^2, |x| <= 0.46875, and good to 0.5
    (
        1.85777706184603153e-1,
        3.16112374387056560e0,
        1.13864154151050156e2,
        3.77485237685302021e2,
        3.20937758913846947e3,
    ),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
MIDDLE = (  # erfc(x) exp(x^2) in x, 0.46875 <= x <= 4
    (
        2.15311535474403846e-8,
        5.64188496988670089e-1,
        8.88314979438837594e0,
        6.61191906371416295e1,
        2.98635138197400131e2,
        8.81952221241769090e2,
        1.71204761263407058e3,
        2.05107837782607147e3,
        1.23033935479799725e3,
    ),
    (
        1.0,
        1.57449261107098347e1,
        1.17693950891312499e2,
        5.37181101862009858e2,
        1.62138957456669019e3,
        3.29079923573345963e3,
        4.36261909014324716e3,
        3.43936767414372164e3,
        1.23033935480374942e3,
    ),
)
FAR = (  # (1 / sqrt(pi) - x erfc(x) exp(x^2)) x^2 in 1 / x^2, x >= 4
    (
        1.63153871373020978e-2,
        3.05326634961232344e-1,
        3.60344899949804439e-1,
        1.25781726111229246e-1,
        1.60837851487422766e-2,
        6.58749161529837803e-4,
    ),
    (
        1.0,
        2.56852019228982242e0,
        1.87295284992346725e0,
        5.27905102951428412e-1,
        6.05183413124413191e-2,
        2.33520497626869185e-3,
    ),
)


BLOCK = 2**13  # elements at a time, so that the many steps of a polynomial stay in the cache


def erf(x):
    """2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.

    Parameters
    ----------
    x : array_like

    Returns
    -------
    ndarray of float64, shape of x

    Examples
    --------
    >>> erf([0.0, 0.5, -np.inf])
    array([ 0.        ,  0.52049988, -1.        ])
    """
    x = np.asarray(x, np.float64)
    flat, out = x.ravel(), np.empty(x.size)
    for start in range(0, x.size, BLOCK):
        out[start : start + BLOCK] = _erf(flat[start : start + BLOCK])
    return out.reshape(x.shape)


def _erf(x):
    """Both ranges of every element: choosing first would take longer."""
    size = np.abs(x)
    inside = _near(np.clip(x, -NEAR_END, NEAR_END))
    outside = np.copysign(1 - _tail(np.maximum(size, NEAR_END)), x)
    return np.where(size > NEAR_END, outside, inside)


def _near(x):
    """erf(x) for |x| <= 0.5: x, and a correction of at most an eighth of it, whose rounding errors weigh as little."""
    numerator, denominator = NEAR
    excess = tuple(a - b for a, b in zip(numerator, denominator, strict=True))
    return x + x * _ratio((excess, denominator), x * x)


def _tail(x):
    """1 - erf(x) for x >= 0.46875, zero beyond 27."""
    x = np.minimum(x, 27.3)
    scaled = _ratio(MIDDLE, np.minimum(x, 4.0))
    far = x > 4
    if far.any():
        z = 1 / (x[far] * x[far])
        scaled[far] = (1 / math.sqrt(math.pi) - z * _ratio(FAR, z)) / x[far]
    coarse = np.trunc(x * 16) / 16  # its square is exact, so that exp(-x^2) keeps all digits
    return scaled * np.exp(-coarse * coarse) * np.exp(-(x - coarse) * (x + coarse))


def _ratio(coefficients, x):
    return _polynomial(coefficients[0], x) / _polynomial(coefficients[1], x)


def _polynomial(coefficients, x):
    """Horner's scheme in one array."""
    out = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        out *= x
        out += coefficient
    return out
