"""Names in a block: a value that is called like an input of the function hides it from what follows.

In Apple's published reader of programs (mlmodel/src/ILIL of coremltools 4: ``IRScope``) the inputs of a function stand
in one scope and the values of its block in a scope inside: a name may be used again inside, but not twice in a block.
coremltools does so when its pass that makes names unique is left out.
"""

from ...refimpl.errors import BadInput


class Scope:
    """Gives every value of a block a name of its own, in the order of execution.

    Parameters
    ----------
    outer : iterable of str
        Inputs and states of the function.
    inner : iterable of str
        Every name that the block defines.
    """

    def __init__(self, outer, inner):
        self.outer, self.taken, self.hidden = set(outer), {*outer, *inner}, {}

    def seen(self, name):
        """What an operation that reads ``name`` here means.

        Examples
        --------
        >>> scope = Scope(["x"], ["y", "x"])
        >>> scope.seen("x"), scope.define("x"), scope.seen("x")
        ('x', 'x_2', 'x_2')
        """
        return self.hidden.get(name, name)

    def define(self, name):
        """The name of a value that the block calls ``name``: another one where an input has it."""
        if name not in self.outer:
            return name
        if name in self.hidden:
            raise BadInput(f"variable {name!r} is computed twice; the file is damaged, export it again")
        number = 2
        while f"{name}_{number}" in self.taken:
            number += 1
        self.hidden[name] = f"{name}_{number}"
        self.taken.add(self.hidden[name])
        return self.hidden[name]
