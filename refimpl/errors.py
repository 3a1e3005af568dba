"""The one exception a user is meant to read: what was found, what was expected, what to do next."""


class BadInput(ValueError):
    """Input that cannot be used. The message is one whole sentence; the command line prints it and exits with 2.

    Examples
    --------
    >>> raise BadInput("a.pth is empty, expected a checkpoint; train or download it again")
    Traceback (most recent call last):
        ...
    karat.refimpl.errors.BadInput: a.pth is empty, expected a checkpoint; train or download it again
    """


class UnsupportedOperator(BadInput):
    """An operator that this version cannot execute; the message names it, its place and what to do."""
