"""Core ML programs (.mlpackage) without a Mac: read, inspect and execute them with NumPy."""

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
    state : dict of str to ndarray, optional
        As for ``Program.predict``: it holds the new values afterwards.

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    BadInput
        As ``open_package`` and ``Program.predict``.
    UnsupportedOperator
        When the program has an operator that karat cannot execute.
    """
    return open_package(package_path).predict(inputs, state=state)
