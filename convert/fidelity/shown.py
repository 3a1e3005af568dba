"""How names and numbers are shown: in a terminal, on a page, in JSON."""

import math


def finite(value):
    """JSON has no infinity: such numbers become the strings "inf", "-inf" and "nan"."""
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def elided(name):
    """A long dotted name without its middle.

    Examples
    --------
    >>> elided("layers.0.residual_group.blocks.1")
    'layers.0…blocks.1'
    """
    parts = name.split(".")
    return name if len(parts) <= 4 else f"{'.'.join(parts[:2])}…{'.'.join(parts[-2:])}"
