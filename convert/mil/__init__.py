"""Core ML programs (.mlpackage) without a Mac: read, inspect and execute them with NumPy."""

from ...refimpl.errors import UnsupportedOperator
from .execute import OpRecord
from .package import open_package
from .program import Program

__all__ = ["OpRecord", "Program", "open_package", "predict"]


def predict(package_path, inputs, state=None):
    """Open a package and run it once.

    Parameters
    ----------
    package_path : path_like
    inputs : dict of str to array_like
    state : mapping, optional
        Must be empty: programs with state are not executed.

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    BadInput
        As ``open_package`` and ``Program.predict``.
    UnsupportedOperator
        Also when a state is given.
    """
    if state:
        raise UnsupportedOperator(f"karat runs no program with state {sorted(state)}; export one without state")
    return open_package(package_path).predict(inputs)
