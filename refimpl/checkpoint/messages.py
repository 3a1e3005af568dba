"""How errors are worded, and how a stranger's own words are quoted in them."""

from ..errors import BadInput
from .limits import MAX_DIMENSIONS

_SHOWN = 60


def shown(value):
    """What a file says, as printable ASCII on one line and cut short: it goes into error messages.

    Containers are named by type only, save flat tuples of numbers: the repr of nested ones can take forever.

    Examples
    --------
    >>> print(shown("os\\nsystem"), shown((3, 4)), shown([]))
    'os\\nsystem' (3, 4) a list
    """
    if isinstance(value, tuple) and all(type(item) is int for item in value[:MAX_DIMENSIONS]):
        text = ascii(value[:MAX_DIMENSIONS])
    elif isinstance(value, (str, int)):
        text = ascii(value[: 2 * _SHOWN] if isinstance(value, str) else value)
    else:
        text = f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def damaged(found):
    """The error for a file that contradicts itself or ends early.

    Examples
    --------
    >>> str(damaged("the pickle has no end"))
    'the pickle has no end, expected an undamaged file; download or save it again'
    """
    return BadInput(f"{found}, expected an undamaged file; download or save it again")


def hostile(found, expected):
    """The error for what no program of good will writes.

    Examples
    --------
    >>> str(hostile("a name leads out of the zip", "names inside it"))
    'a name leads out of the zip, expected names inside it; check where the file comes from'
    """
    return BadInput(f"{found}, expected {expected}; check where the file comes from")


def save_again(found, expected):
    """The error for what torch can write, but a plain state_dict never holds.

    Examples
    --------
    >>> str(save_again("a tensor is sparse", "a dense one"))
    'a tensor is sparse, expected a dense one; if you trust it, torch.save its state_dict() alone'
    """
    return BadInput(f"{found}, expected {expected}; if you trust it, torch.save its state_dict() alone")
