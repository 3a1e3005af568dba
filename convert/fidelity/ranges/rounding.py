"""Roundings of a float32 computation, which every rule allows for."""

from ....refimpl.numerics.formats import FLOAT32

U = FLOAT32.unit_roundoff  # operators compute in float32 or finer
TINY = 2.0**-126  # a float32 result below this may be flushed to zero


def gamma(terms):
    """gamma_n = n u / (1 - n u) of float32: the relative error of n roundings in any order.

    References
    ----------
    N. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 3.1. doi:10.1137/1.9780898718027
    """
    return terms * U / (1 - terms * U)
