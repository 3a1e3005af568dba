"""What Python code may give for each option: the command line has looked at its own words."""

import os
from numbers import Integral, Real

from ..refimpl.errors import BadInput

NUMBER, TEXT, WHOLE, SWITCH, PATH = "a number", "a text", "a whole number", "True or False", "a path"
SHARD, SIZE, BYTES = "a text such as 1/4", "a text such as long=4000", "bytes, or a text such as 2GB"
TILE, BITS = "a side, or (height, width)", "auto, 8, 10, 12 or 16"
TYPES = {
    NUMBER: (Real,),
    TEXT: (str,),
    SHARD: (str,),
    SIZE: (str,),
    WHOLE: (Integral,),
    SWITCH: (bool,),
    PATH: (str, bytes, os.PathLike),
    BYTES: (Integral, str),
    TILE: (Integral, str, tuple, list),
    BITS: (Integral, str),
}
KINDS = {
    "scale": NUMBER,
    "size": SIZE,
    "precision": TEXT,
    "threads": WHOLE,
    "max_memory": BYTES,
    "halo": WHOLE,
    "tile": TILE,
    "overlap": WHOLE,
    "format": TEXT,
    "quality": WHOLE,
    "bits": BITS,
    "metadata": TEXT,
    "color": TEXT,
    "recursive": SWITCH,
    "overwrite": SWITCH,
    "resume": SWITCH,
    "dry_run": SWITCH,
    "linear": SWITCH,
    "shard": SHARD,
    "jobs": WHOLE,
    "json": PATH,
    "compare": PATH,
    "truth": PATH,
}


def of_kind(given: dict) -> dict:
    """Options as they were given, NumPy's numbers as Python's.

    Parameters
    ----------
    given : dict
        None leaves an option out.

    Raises
    ------
    BadInput
        For an option that there is not, and for a value that is not of its kind.

    Examples
    --------
    >>> of_kind({"threads": 2, "max_memory": "2GB", "size": None})
    {'threads': 2, 'max_memory': '2GB', 'size': None}
    """
    for name, value in given.items():
        if name not in KINDS:
            raise BadInput(f"there is no option {name!r}, expected one of {', '.join(sorted(KINDS))}; choose one")
        kind = KINDS[name]
        if value is None:
            continue
        if not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != SWITCH):
            raise BadInput(f"{name} is {value!r}, expected {kind}; give it so")
        if kind == TILE and isinstance(value, (tuple, list)):
            _check_pair(name, value)
    return {name: _plain(value) for name, value in given.items()}


def _plain(value):
    if isinstance(value, bool) or not isinstance(value, Real):
        return value
    return int(value) if isinstance(value, Integral) else float(value)


def _check_pair(name, value):
    if len(value) != 2 or not all(isinstance(n, Integral) and not isinstance(n, bool) for n in value):
        raise BadInput(f"{name} is {value!r}, expected {TILE}; give it so")
