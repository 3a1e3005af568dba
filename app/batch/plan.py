"""What will be done, as far as it is known before the first pixel."""

from dataclasses import dataclass
from pathlib import Path

from ...refimpl.errors import BadInput
from ..photos.photo import Header
from ..photos.size import Target
from .inputs import Found, Source
from .memory import Needs


@dataclass(frozen=True)
class Refused:
    """A photograph of which nothing becomes.

    Attributes
    ----------
    source : Source
    error : str
        Why.
    fatal : bool
        Whether nothing at all is begun: it cannot be as it was asked for. Otherwise it cannot be read, and the others
        go on.
    """

    source: Source
    error: str
    fatal: bool = False


@dataclass(frozen=True)
class Item:
    """One photograph: what it is, and what becomes of it.

    Attributes
    ----------
    source : Source
    output : Path
    header : Header
    format : str
        Of the result.
    target : Target
    needs : Needs
        Memory.
    size : int
        Bytes of the result, about.
    """

    source: Source
    output: Path
    header: Header
    format: str
    target: Target
    needs: Needs
    size: int

    @property
    def work(self) -> int:
        """Pixels of the result."""
        return self.target.width * self.target.height


@dataclass
class Plan:
    """What will be done.

    Attributes
    ----------
    entries : list of Item or Refused
    folder : Path or None
        For results; None where the output names a file.
    found : Found
    problem : str
        What is wrong with all of them together.
    """

    entries: list[Item | Refused]
    folder: Path | None
    found: Found
    problem: str = ""

    @property
    def items(self) -> list[Item]:
        """What will be upscaled."""
        return [entry for entry in self.entries if isinstance(entry, Item)]

    @property
    def unread(self) -> list[Refused]:
        """What cannot be read."""
        return [entry for entry in self.entries if isinstance(entry, Refused) and not entry.fatal]

    @property
    def memory(self) -> int:
        """Bytes of the photograph that needs most."""
        return max((item.needs.most for item in self.items), default=0)

    @property
    def size(self) -> int:
        """Bytes that will be written, about."""
        return sum(item.size for item in self.items)

    def check(self) -> None:
        """Raise BadInput for what cannot be, before anything is begun."""
        problems = [entry.error for entry in self.entries if isinstance(entry, Refused) and entry.fatal]
        problems += [self.problem] * bool(self.problem)
        if problems:
            more = f" ({len(problems) - 1} more like this: --dry-run shows all)" if len(problems) > 1 else ""
            raise BadInput(problems[0] + more)
