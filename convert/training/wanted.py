"""What a person asks a training for, beside the recipe."""

import math
from dataclasses import dataclass
from pathlib import Path

from ...refimpl.errors import BadInput
from ...refimpl.load import file_of
from ...refimpl.prune.distillation import check_share
from ...refimpl.prune.scores import KINDS

SHARE, GAMMA = 0.5, 1e-5  # where a teacher, or importances, are given without them


@dataclass(frozen=True)
class Wanted:
    """What differs from the recipe; see ``python -m karat.convert.training --help``.

    Raises
    ------
    BadInput
        When a number makes no sense, or an option without another one that it belongs to.
    """

    seed: int = 0
    iterations: int | None = None
    rate: float | None = None
    start: str | None = None
    structure: str | None = None
    free_zeros: bool = False
    teacher: str | None = None
    share: float | None = None
    importances: str | None = None
    gamma: float | None = None

    def __post_init__(self):
        if self.start and self.structure:
            raise BadInput("--start and --structure were both given, expected one; leave out --structure")
        for option, value, other in (
            ("--share", self.share, "teacher"),
            ("--gamma", self.gamma, "importances"),
            ("--free-zeros", self.free_zeros or None, "start"),
        ):
            if value is not None and not getattr(self, other):
                raise BadInput(f"{option} was given without --{other}, which it belongs to; give both or neither")
        if self.share is not None:
            check_share(self.share)
        if self.importances is not None and self.importances not in KINDS:
            raise BadInput(f"--importances is {self.importances!r}, expected one of {', '.join(KINDS)}; choose one")
        if not 0 <= self.seed < 2**32:
            raise BadInput(f"--seed is {self.seed}, expected 0 to {2**32 - 1}; choose one")
        if self.iterations is not None and self.iterations < 1:
            raise BadInput(f"--iterations is {self.iterations}, expected 1 or more; ask for more")
        for option, value, most in (("--rate", self.rate, 1), ("--gamma", self.gamma, 1e6)):
            if value is not None and not (0 < value <= most and math.isfinite(value)):
                raise BadInput(f"{option} is {value}, expected a number above 0 and up to {most:g}; choose one")

    def told(self) -> dict[str, str]:
        """What was asked for, as text for the header of the weights."""
        given = {name: value for name, value in vars(self).items() if value is not None and value is not False}
        if self.teacher:
            given["share"] = self.share_or_default
        if self.importances:
            given["gamma"] = self.gamma_or_default
        return {name: str(given[name]) for name in sorted(given)}

    def files(self) -> list[Path]:
        """What is read beside the pictures, where it lies in files."""
        named = [file_of(source) for source in (self.start, self.structure, self.teacher) if source]
        return [path for path in named if path]

    def lasting(self) -> dict[str, str | None]:
        """What a training keeps to the end, files apart: not its length, and not its rate."""
        told = self.told()
        begun = "start" if self.start else "structure" if self.structure else None
        names = ("seed", "free_zeros", "share", "importances", "gamma")
        return {"begun_from": begun} | {name: told.get(name) for name in names}

    @property
    def share_or_default(self) -> float:
        """Of the teacher."""
        return SHARE if self.share is None else self.share

    @property
    def gamma_or_default(self) -> float:
        """Of |a|_1."""
        return GAMMA if self.gamma is None else self.gamma
