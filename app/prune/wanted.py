"""What a person asks `karat prune` for, and what of it makes no sense before the network is even read."""

import re
from dataclasses import dataclass
from pathlib import Path

from ...refimpl.errors import BadInput
from ...refimpl.load import file_of
from ...refimpl.prune.choose import check_rate
from ..outputs import check_outputs

ON_PICTURES = ("taylor", "sensitivity")
SCORES = ("l1", *ON_PICTURES)
KINDS = ("heads", "queries", "values", "hidden")


@dataclass(frozen=True)
class Wanted:
    """Options of the command.

    Attributes
    ----------
    heads : int or None
        To go of every layer, or of the whole network.
    hidden, queries, values : float or None
        Shares of channels.
    unstructured : float or None
        Share of the weights of all linear layers together.
    cut : tuple of str
        Heads by name, as ``layers.0.residual_group.blocks.1:0,2``.
    by : str
        One of `SCORES`, or a .safetensors of scores, such as the importances that a training learnt.
    images : Path or None
        Folder of pictures to score on.
    globally, masked : bool
    from_plan, plan, json : Path or None
        Files to read and to write.
    """

    heads: int | None = None
    hidden: float | None = None
    queries: float | None = None
    values: float | None = None
    unstructured: float | None = None
    cut: tuple[str, ...] = ()
    by: str = "l1"
    images: Path | None = None
    globally: bool = False
    masked: bool = False
    from_plan: Path | None = None
    plan: Path | None = None
    json: Path | None = None

    @property
    def scored(self) -> dict[str, float]:
        """Kinds of units that are chosen by their scores, and how many go."""
        return {kind: getattr(self, kind) for kind in KINDS if getattr(self, kind) is not None}

    @property
    def scores(self) -> Path | None:
        """File of scores, where ``by`` names one."""
        return Path(self.by) if self.by.endswith(".safetensors") else None

    @property
    def form(self) -> str:
        """What is done to heads and channels."""
        return "masked" if self.masked else "removed"

    def check(self, model, output):
        """Raise BadInput unless the options make sense together and their files can be written.

        Parameters
        ----------
        model : str
            What `karat.load` takes.
        output : Path
        """
        _check_choices(self)
        if output.suffix != ".safetensors":
            raise BadInput(f"the output is {output.name}, expected a name that ends in .safetensors; rename it")
        check_outputs([output, self.plan, self.json], file_of(model), self.from_plan, self.scores)

    def named_heads(self) -> dict[str, tuple[int, ...]]:
        """Heads of ``--cut`` by block.

        Examples
        --------
        >>> Wanted(cut=("layers.0.residual_group.blocks.1:0,2",)).named_heads()
        {'layers.0.residual_group.blocks.1': (0, 2)}
        """
        found = {}
        for text in self.cut:
            match = re.fullmatch(r"([\w.]+):(\d{1,4}(?:,\d{1,4})*)", text)
            if match is None:
                raise BadInput(
                    f"--cut is {text!r}, expected BLOCK:HEAD,HEAD such as layers.0.residual_group.blocks.1:0,2; "
                    "write it so"
                )
            found[match[1]] = found.get(match[1], ()) + tuple(map(int, match[2].split(",")))
        return found


def _check_choices(wanted):
    structured = bool(wanted.scored or wanted.cut)
    if not structured and wanted.from_plan is None and wanted.unstructured is None:
        raise BadInput(
            "nothing was asked to go, expected some of --heads, --hidden, --queries, --values, --unstructured, --cut "
            "and --from-plan; give one"
        )
    if wanted.from_plan and structured:
        raise BadInput("--from-plan says what goes, expected neither --cut nor numbers of heads and channels; drop one")
    if wanted.cut and wanted.heads is not None:
        raise BadInput("--cut names heads and --heads counts them, expected one of both; leave the other out")
    if wanted.by not in SCORES and wanted.scores is None:
        raise BadInput(
            f"--by is {wanted.by!r}, expected one of {', '.join(SCORES)} or a .safetensors of scores; choose one"
        )
    if wanted.by != "l1" and not wanted.scored:
        raise BadInput(f"--by {wanted.by} has nothing to score, expected --heads or a rate of channels; give one")
    if wanted.images and wanted.by not in ON_PICTURES:
        raise BadInput(
            f"--images is given and --by {wanted.by} looks at no picture, expected taylor or sensitivity; change one"
        )
    if wanted.globally and wanted.heads is None and wanted.hidden is None:
        raise BadInput("--globally ranks heads and hidden channels, expected --heads or --hidden with it; give one")
    if wanted.plan and not structured and wanted.from_plan is None:
        raise BadInput("--plan lists heads and channels, and none of them is to go; leave it out")
    if wanted.masked and not structured and wanted.from_plan is None:
        raise BadInput("--masked is for heads and channels, and none of them is to go; leave it out")
    for rate in (wanted.hidden, wanted.queries, wanted.values, wanted.unstructured):
        if rate is not None:
            check_rate(rate)
