"""The result of a comparison: one row per layer, and one answer."""

import json
import math
import re
from dataclasses import asdict, dataclass, field

import numpy as np
from rich.table import Table

from ...refimpl.numerics.formats import FLOAT16, NEURAL_ENGINE_LARGEST
from .arithmetic import OperatorFigures
from .budget import Budget
from .judge import DEFECT, OK, OVERFLOW, UNKNOWN, Row
from .ledger import Ledger
from .movement import Movement
from .picture_error import PictureError
from .ranges.certificate import DOES, Certificate
from .ranges.limits import HALF
from .shown import elided, finite

LIMITS = {"fp16's 65504": FLOAT16.largest, "32768 (Neural Engine, reported)": NEURAL_ENGINE_LARGEST}
FEW = 0.01  # of the results of one operation, that need not be mentioned
_COLOURS = {OK: "green", DEFECT: "bold red", OVERFLOW: "bold red", UNKNOWN: "yellow"}


@dataclass(frozen=True)
class Verdict:
    """Whether a package is the network it was converted from.

    Attributes
    ----------
    rows : list of Row
        One per layer in execution order, ":output" last where the package adds operations behind the last layer.
    shares : dict of str to float
        PSNR in dB of the whole loss and of each cause: "total", "weights", "input", "arithmetic".
    ledger : Ledger
        The package's constants and what they stand for.
    profile : str
        Arithmetic that the package was run in.
    golden, output : ndarray, (N, C, H, W)
        The golden picture and the package's.
    notes : tuple of str
        What a reader should know beside the rows.
    error : PictureError or None
        Where in the picture the package's error lies; None where the pictures' shapes differ.
    operators : tuple of OperatorFigures
        The arithmetic of every executed operation, in execution order.
    movements : tuple of Movement
        Rearrangements that were followed with labels.
    certificate : Certificate or None
        What no image can do to the package's range, where that was asked for.
    budget : Budget or None
        What the picture loses by each cause alone, where that was asked for.
    """

    rows: list[Row]
    shares: dict[str, float]
    ledger: Ledger
    profile: str
    golden: np.ndarray = field(repr=False)
    output: np.ndarray = field(repr=False)
    notes: tuple[str, ...] = ()
    error: PictureError | None = None
    operators: tuple[OperatorFigures, ...] = ()
    movements: tuple[Movement, ...] = ()
    certificate: Certificate | None = None
    budget: Budget | None = None

    @property
    def faithful(self) -> bool | None:
        """True: only rounding. False: a defect or an overflow. None: something could not be judged."""
        verdicts = {row.verdict for row in self.rows}
        if verdicts & {DEFECT, OVERFLOW} or self.overflowing:
            return False
        return True if verdicts == {OK} else None

    @property
    def overflowing(self) -> bool:
        """Whether the search of a certificate found an image that half precision cannot hold."""
        return self.certificate is not None and self.certificate.status(HALF.name) == DOES

    @property
    def culprit(self) -> Row | None:
        """The first defect or overflow; without one, the first row that is not ok."""
        wrong = (row for kinds in ({DEFECT, OVERFLOW}, {UNKNOWN}) for row in self.rows if row.verdict in kinds)
        return next(wrong, None)

    def range_report(self) -> dict:
        """How near the values come to what half precision and a device's arithmetic can hold.

        Returns
        -------
        dict
            "limits": {name: magnitude}; "largest" and "layer": the largest magnitude and where it is (masked scores are
            large on purpose and left out); "beyond": {name: layers that reach the limit}.
        """
        sizes = {row.layer: row.measured.largest for row in self.rows if row.measured}
        for found in self.operators:  # what is inside a layer too
            sizes[found.layer or found.name] = max(sizes.get(found.layer or found.name, 0.0), found.largest)
        beyond = {name: [k for k, size in sizes.items() if size >= limit] for name, limit in LIMITS.items()}
        sizes = {k: size for k, size in sizes.items() if not k.endswith(":mask")}
        layer = max(sizes, key=sizes.__getitem__, default="")
        return {"limits": LIMITS, "largest": sizes.get(layer), "layer": layer, "beyond": beyond}

    def table(self, compact=False) -> Table:
        """The rows as a rich table.

        With ``compact``, for a narrow terminal, layers of one block stand under its name, without their operators.

        "f64 diff" is the relative difference in float64, "error" the largest difference from the golden layer. "made
        here" is the root mean square of the error that the layer's own operations make, "came in" that of the error
        that they pass on, and the bar the part of the power that was made here; ``compact`` has only the bar.
        """
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
        table.add_column("layer", overflow="fold")
        for name in ("type",) if compact else ("operator", "type"):
            table.add_column(name, no_wrap=True)
        for name in ("f64 diff", "error", "SQNR", "max|x|", *(() if compact else ("made here", "came in"))):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("made here" if compact else "", no_wrap=True)
        table.add_column("verdict", no_wrap=True)
        block = ""
        for row in self.rows:
            m, name = row.measured, row.layer
            if compact:
                inside = re.fullmatch(r"(.+\.\d+)([.:].+)", name)
                if name == block:
                    name = " (the block)"
                elif inside:
                    if inside[1] != block:
                        table.add_row(elided(inside[1]))
                    block, name = inside[1], f" {inside[2]}"
            figures = [f"{m.max_abs:.1e}", f"{m.sqnr:.1f}", f"{m.largest:.3g}"] if m else ["-"] * 3
            errors = () if compact else (row.local_rms, row.inherited_rms)
            figures += ["-" if error is None else f"{error:.0e}" for error in errors]
            share = "-" if row.local_rms is None else _bar(_part(row.local_rms, row.inherited_rms))
            structure = "-" if row.structure is None else f"{row.structure:.0e}"
            verdict = f"[{_COLOURS.get(row.verdict, 'yellow')}]{row.verdict}[/]"
            dtype = row.dtype.replace("float", "fp")
            kind = () if compact else (row.operator,)
            table.add_row(name, *kind, dtype, structure, *figures, share, verdict)
        return table

    def summary(self) -> list[str]:
        """What the table means, one sentence a line."""
        lines = self._constant_lines()
        lines += self._movement_lines()
        lines += self.notes
        if self.shares:
            causes = ", ".join(f"{cause} {decibel:.1f} dB" for cause, decibel in self.shares.items())
            lines.append(f"loss against the golden picture: {causes}")
        lines += self.budget.lines() if self.budget else []
        lines += self._range_lines()
        lines += self.certificate.lines() if self.certificate else []
        lines += self.error.lines() if self.error else []
        answer = {True: "faithful", False: "NOT FAITHFUL", None: "UNKNOWN"}[self.faithful]
        reason = "only rounding"
        if self.culprit is not None:
            kind = f" ({self.culprit.kind})" if self.culprit.kind else ""
            reason = f"{self.culprit.verdict} at {self.culprit.layer}{kind}: {self.culprit.note}"
        elif self.overflowing:
            reason = "an image was found that overflows it, see the range"
        compared = sum(1 for row in self.rows if row.variable)
        lines.append(f"{answer}: {reason}; {compared} of {len(self.rows)} values compared")
        return lines

    def _constant_lines(self):
        ledger = self.ledger
        held = sum(1 for e in ledger.entries if not e.wrong)
        lines = [
            f"{held} of {len(ledger.entries)} constants are bit for bit what they stand for, rounded to their type"
        ]
        shared = {name: owners for name, owners in ledger.owners.items() if len(owners) > 1}
        if shared:
            name, owners = max(shared.items(), key=lambda item: len(item[1]))
            lines[0] += f"; {len(shared)} are stored once for several layers ({name} for {len(owners)})"
        for what, names in (("stand for nothing known", ledger.untraced), ("are read by nothing", ledger.unread)):
            lines += [f"constants that {what}: {', '.join(names)}"] if names else []
        return lines

    def _movement_lines(self):
        right = [movement for movement in self.movements if movement.count and not movement.wrong]
        count = sum(movement.count for movement in right)
        what = f"{len(right)} of {len(self.movements)} rearrangements are proved for every picture"
        merged = sum(1 for movement in self.movements if not movement.count)
        others = f"; {merged} are merged with arithmetic, and held in float64 only" if merged else ""
        return [f"{what}: {count:,} numbers come from where they should{others}"] if self.movements else []

    def _range_lines(self):
        report = self.range_report()
        if report["largest"] is None:
            return []
        shares = ", ".join(f"{100 * report['largest'] / limit:.2g} % of {name}" for name, limit in LIMITS.items())
        lines = [f"range: largest magnitude {report['largest']:.4g} at {report['layer']}, {shares}"]
        for name, layers in report["beyond"].items():
            lines += [f"{len(layers)} layers reach {name}: {', '.join(layers[:5])}"] if layers else []
        small = max(self.operators, key=lambda found: found.subnormals, default=None)
        if small and small.subnormals > FEW:
            where = f"{small.layer or small.name} ({small.op_type})"
            lines.append(f"subnormal results, at most {small.subnormals:.0%} at {where}: a note, their bound allows it")
        return lines

    def to_json(self) -> str:
        """The verdict as JSON.

        "faithful", "rows", "operators", "shares", "budget", "range", "certificate", "error", "movements", "constants",
        "owners", "untraced", "unread", "notes", "profile".
        """
        rows = []
        for row in self.rows:
            flat = {k: v for k, v in vars(row).items() if k not in ("measured", "operators")}
            flat |= {"share": row.share, "local_rms": row.local_rms, "inherited_rms": row.inherited_rms}
            rows.append(flat | (asdict(row.measured) if row.measured else {}))
        document = {
            "faithful": self.faithful,
            "profile": self.profile,
            "shares": self.shares,
            "range": self.range_report(),
            "budget": asdict(self.budget) | {"gap": self.budget.gap} if self.budget else None,
            "certificate": self.certificate.to_dict() if self.certificate else None,
            "error": self.error.to_dict() if self.error else None,
            "rows": rows,
            "operators": [asdict(found) for found in self.operators],
            "movements": [asdict(movement) for movement in self.movements],
            "constants": [asdict(entry) for entry in self.ledger.entries],
            "owners": self.ledger.owners,
            "untraced": self.ledger.untraced,
            "unread": self.ledger.unread,
            "notes": list(self.notes),
        }
        return json.dumps(finite(document), indent=1, allow_nan=False)

    def to_html(self, plan=None, title="karat verify") -> str:
        """The verdict as one self-contained page; ``plan``, of `page.read_plan`, adds the curve of mixed precision."""
        from .page import to_html

        return to_html(self, plan, title)


def _part(own, other):
    """The share that the first of two independent errors has of their power."""
    power = own**2 + other**2
    return own**2 / power if power and math.isfinite(power) else 0.0


def _bar(share, width=4):
    """A share of one as a bar and a percentage."""
    filled = round(min(share, 1.0) * width)
    return "▇" * filled + "·" * (width - filled) + f" {min(share, 9.99):.0%}"
