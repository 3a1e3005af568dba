"""One operation of a program, as data."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Operation:
    """One operation of a program.

    Attributes
    ----------
    type : str
        As in MIL: "conv", "add" ...
    name : str
        Name of its first output.
    inputs : dict of str to (str or tuple of str)
        Parameter -> name of the variable or constant; a tuple for a parameter that takes several.
    outputs : tuple of Variable
    """

    type: str
    name: str
    inputs: dict
    outputs: tuple

    def reads(self):
        """Names of the variables and constants that it reads, in the order of its parameters."""
        names = []
        for value in self.inputs.values():
            names += [value] if isinstance(value, str) else value
        return names

    def __str__(self):
        return f"{self.type} {self.name!r}"
