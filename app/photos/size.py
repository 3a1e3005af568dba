"""How large the result becomes: what a person asks for, as passes through the network and a resampling."""

import re
from dataclasses import dataclass

from ...refimpl.errors import BadInput

PASSES = 4  # more would be drawn from nothing


@dataclass(frozen=True)
class Target:
    """The way to a size: passes through the network, then a resampling where that gives another size.

    Attributes
    ----------
    width, height : int
        Of the result.
    sizes : tuple of (width, height)
        Of the picture, and after each pass.
    """

    width: int
    height: int
    sizes: tuple[tuple[int, int], ...]

    @property
    def passes(self) -> int:
        """Through the network."""
        return len(self.sizes) - 1

    @property
    def resampled(self) -> bool:
        """Whether the last pass gives another size than the result's."""
        return self.sizes[-1] != (self.width, self.height)

    @property
    def line(self) -> str:
        """For people."""
        ways = [f"{w} x {h}" for w, h in self.sizes]
        return " -> ".join(ways) + (f", resampled (Lanczos) to {self.width} x {self.height}" if self.resampled else "")


def plan_size(width, height, network_scale, scale=None, size=None) -> Target:
    """The passes and the size for what was asked.

    Parameters
    ----------
    width, height : int
        Of the picture, upright.
    network_scale : float
        Output pixels per input pixel along one axis of one pass.
    scale : float, optional
        Of the result. Without it and without ``size``: one pass.
    size : str, optional
        "4000x3000" (width x height: the largest picture inside, its sides in proportion), "long=4000" or "short=3000".

    Returns
    -------
    Target

    Raises
    ------
    BadInput
        When both or neither make sense, or more than `PASSES` passes would be needed.

    Examples
    --------
    >>> plan_size(640, 480, 2).line
    '640 x 480 -> 1280 x 960'
    >>> plan_size(640, 480, 2, size="long=2000").line
    '640 x 480 -> 1280 x 960 -> 2560 x 1920, resampled (Lanczos) to 2000 x 1500'
    """
    if scale is not None and size is not None:
        raise BadInput("both a scale and a size were given, expected one; leave one out")
    if scale is None and size is None:
        wanted = int(width * network_scale), int(height * network_scale)
    else:
        factor = _factor(width, height, size) if size is not None else _checked(scale)
        wanted = max(1, round(width * factor)), max(1, round(height * factor))
    sizes = [(width, height)]
    while sizes[-1][0] < wanted[0] or sizes[-1][1] < wanted[1]:
        if len(sizes) > PASSES or network_scale <= 1:
            raise BadInput(
                f"{wanted[0]} x {wanted[1]} pixels were asked for of a picture of {width} x {height}, expected at most "
                f"{PASSES if network_scale > 1 else 0} passes of an x{network_scale:g} network; ask for less"
            )
        sizes.append((int(sizes[-1][0] * network_scale), int(sizes[-1][1] * network_scale)))
        if sizes[-1] == sizes[-2]:
            raise BadInput(f"a picture of {width} x {height} does not grow by x{network_scale:g}; give a larger one")
    if network_scale == 1 and wanted == sizes[0]:
        sizes.append(sizes[0])  # a network that restores
    return Target(*wanted, tuple(sizes))


def check_size(size: str) -> None:
    """Raise BadInput unless a text can be read as a size."""
    _factor(1, 1, size)


def _checked(scale):
    if not isinstance(scale, (int, float)) or not 0 < scale <= 100:
        raise BadInput(f"the scale is {scale!r}, expected more than 0 and at most 100; choose one")
    return scale


def _factor(width, height, size):
    match = isinstance(size, str) and re.fullmatch(r"(?:(long|short)=(\d{1,6})|(\d{1,6})x(\d{1,6}))", size)
    if not match or any(group is not None and group.strip("0") == "" for group in match.groups()[1:]):
        raise BadInput(f"the size is {size!r}, expected 4000x3000, long=4000 or short=3000; write it so")
    if match[1]:
        return int(match[2]) / (max if match[1] == "long" else min)(width, height)
    return min(int(match[3]) / width, int(match[4]) / height)
