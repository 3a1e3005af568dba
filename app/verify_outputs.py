"""What ``karat verify`` writes beside the terminal: JSON, a page, and the part of the package that shows its defect."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..refimpl.errors import BadInput
from .outputs import check_output, write_bytes


@dataclass(frozen=True)
class Wanted:
    """What a person asked for besides the verdict.

    Attributes
    ----------
    json, report : Path or None
        Where the verdict goes as JSON, and as a page.
    plan : Path or None
        JSON of ``karat plan``, drawn on the page.
    culprit : Path or None
        New folder for the smallest part of the package that shows its first defect.
    certificate : bool
        Also bound the range for all images.
    budget : bool
        Also measure what every cause alone costs; a page always has it.
    """

    json: Path | None = None
    report: Path | None = None
    plan: Path | None = None
    culprit: Path | None = None
    certificate: bool = False
    budget: bool = False

    def check(self, *sources):
        """To be asked before any work is done.

        Raises
        ------
        BadInput
            When an output cannot be written, would replace one of the sources or another output, or the plan is none.
        """
        for output in filter(None, (self.json, self.report)):
            check_output(output, *sources, self.plan)
        if self.json and self.report and self.json.resolve() == self.report.resolve():
            raise BadInput(f"{self.report} is to hold the JSON and the page, expected two files; rename one")
        if self.plan and not self.report:
            raise BadInput(f"{self.plan} came without a page to draw it on; name one with --report")
        if self.culprit:
            from ..convert.fidelity.culprit import check_folder

            check_folder(self.culprit)
        _ = self.drawn  # a file that is no plan is refused now

    def check_plan(self, model):
        """Refuse a plan that was made for another network."""
        if self.drawn and self.drawn.get("network") != model.fingerprint:
            raise BadInput(f"{self.plan} is the plan of another network; make one for these weights with `karat plan`")

    @cached_property
    def drawn(self):
        """The plan that the page draws, read once, or None."""
        if not self.plan:
            return None
        from ..convert.fidelity.page import read_plan

        return read_plan(self.plan)

    def write(self, verdict, model, program, x, title):
        """Write all of it.

        Yields
        ------
        str
            What to tell the person.
        """
        if self.culprit:
            yield _write_culprit(verdict, model, program, x, self.culprit)
        if self.json:
            write_bytes(self.json, verdict.to_json().encode())
        if self.report:
            write_bytes(self.report, verdict.to_html(self.drawn, title).encode())
            yield f"{self.report} written"


def _write_culprit(verdict, model, program, x, folder):
    """Write the part of the package that shows its defect: what to say about it."""
    from ..convert.fidelity.culprit import command, write_culprit

    part = write_culprit(verdict, model, program, x, folder)
    if part is None:
        reason = "the package is faithful" if verdict.faithful else "no defect was found, only what could not be judged"
        return f"{reason}: there is nothing to write into {folder}"
    size = f"{len(part.program.operations)} of {len(program.operations)} operations"
    doubt = "" if part.shows else " (on this machine it agrees: only the judged run was wrong)"
    return f"{part.layer} alone, {size}, is in {folder}; this shows the defect{doubt}:\n{command(part, folder)}"
