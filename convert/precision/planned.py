"""The result of ``karat plan``: which operators to keep in float32, what that buys, and code that does it."""

import json
import math
from dataclasses import asdict, dataclass
from typing import NamedTuple

from ..fidelity.shown import finite

CODE = '''"""Operators that stay in float32: {count} of {total}, for {target:g} dB.

Made by `karat plan` for an input of {shape}; operators are called otherwise in another network or at another size.
Use it with float32 input and output for iOS 17, as the plan was measured (coremltools' default is float16):

    ct.convert(
        traced,
        inputs=[ct.TensorType("x", {shape}, dtype=np.float32)],
        outputs=[ct.TensorType("y", dtype=np.float32)],
        minimum_deployment_target=ct.target.iOS17,
        compute_precision=ct.transform.FP16ComputePrecision(op_selector=op_selector),
    )
"""

KEEP_FLOAT32 = frozenset({{
{names}}})


def op_selector(op):
    """Whether coremltools lowers an operator to float16."""
    return op.name not in KEEP_FLOAT32
'''


MARKS = {"curve": "●", "classes": "○", "plan": "◆"}  # of what was exported and run; a dot is predicted


class Kept(NamedTuple):
    """One operator that stays in float32: its name when coremltools asks, its MIL type, and the layer it came from."""

    name: str
    type: str
    layer: str


class Point(NamedTuple):
    """One set of operators: how many, predicted PSNR in dB, that of its package if exported, and what set it is.

    The kind is "curve" for a point of the predicted Pareto curve, "plan" or "classes".
    """

    operators: int
    predicted: float
    measured: float | None
    kind: str


class Union(NamedTuple):
    """The smallest union of operator types that reaches the target, the PSNR of its package, and what was looked at."""

    types: tuple[str, ...]
    operators: int
    measured: float
    looked: str


@dataclass(frozen=True)
class Plan:
    """Which operators to keep in float32 for a PSNR against the golden picture.

    Attributes
    ----------
    network : str
        Fingerprint of the model.
    target : float
        In dB.
    shape : tuple of int
        (N, C, H, W) of the input.
    kept : tuple of Kept
        In execution order; every operator when not even that reaches the target.
    operators : int
        All that can be lowered.
    achieved, own, second : float
        PSNR in dB of the re-exported and re-executed package: against the golden picture, against its own float64 run,
        and against the golden picture of the mirrored input, which the search has not seen.
    half, wide : float
        PSNR in dB of the packages without and with every operator in float32.
    curve : tuple of Point
        By number of operators.
    union : Union or None
        None when the target cannot be reached.
    code : str
        Python that defines ``op_selector``.
    """

    network: str
    target: float
    shape: tuple[int, ...]
    kept: tuple[Kept, ...]
    operators: int
    achieved: float
    own: float
    second: float
    half: float
    wide: float
    curve: tuple[Point, ...]
    union: Union | None
    code: str

    @property
    def reached(self) -> bool:
        """Whether the re-executed package reaches the target."""
        return self.achieved >= self.target

    def to_json(self) -> str:
        """Everything, for programs; infinity is the text "inf"."""
        kept = [k._asdict() for k in self.kept]
        curve = [p._asdict() for p in self.curve]
        union = self.union._asdict() if self.union else None
        document = asdict(self) | {"reached": self.reached, "kept": kept, "curve": curve, "union": union}
        return json.dumps(finite(document), indent=1, allow_nan=False)

    def lines(self) -> list[str]:
        """What a terminal shows: the operators, the curve, and the answer."""
        found = [f"{k.type:<16} {k.name:<24} {k.layer}".rstrip() for k in self.kept if self.reached]
        found += ["", *drawn(self.curve, self.target), ""]
        if not self.reached:
            best = f"float32 everywhere gives {self.wide:.2f} dB, float16 everywhere {self.half:.2f} dB"
            return [*found, f"NOT REACHED: {self.target:g} dB were asked for; {best}"]
        found.append(
            f"{self.target:g} dB reached with {len(self.kept)} of {self.operators} operators in float32: "
            f"{self.achieved:.2f} dB re-exported and re-executed ({self.own:.2f} dB against its own float64 run, "
            f"{self.second:.2f} dB on the mirrored picture)"
        )
        found.append(f"float16 everywhere gives {self.half:.2f} dB, float32 everywhere {self.wide:.2f} dB")
        if self.union:
            types = ", ".join(self.union.types) or "none"
            found.append(
                f"best whole classes: {self.union.operators} operators ({types}), {self.union.measured:.2f} dB; "
                f"{self.union.looked}"
            )
        return found


def selector_code(names, total, target, shape):
    """Python that defines ``op_selector`` for coremltools.

    Parameters
    ----------
    names : sequence of str
        Operators to keep in float32.
    total : int
        Operators that can be lowered.
    target : float
    shape : tuple of int

    Returns
    -------
    str

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> selector = load_selector(selector_code(["conv_1"], 2, 80, (1, 3, 8, 8)))
    >>> selector(SimpleNamespace(name="conv_1")), selector(SimpleNamespace(name="conv_2"))
    (False, True)
    """
    listed = "".join(f"    {name!r},\n" for name in names)
    return CODE.format(count=len(names), total=total, target=target, shape=tuple(shape), names=listed)


def load_selector(code):
    """The function that the code of a plan defines."""
    namespace = {}
    exec(code, namespace)  # the text that `selector_code` made: what is measured is what is handed out
    return namespace["op_selector"]


def drawn(curve, target, width=64, height=12):
    """The Pareto curve in characters: PSNR in dB upwards, operators in float32 to the right; see MARKS.

    Parameters
    ----------
    curve : sequence of Point
    target : float
        Drawn as a line where it lies inside.
    width, height : int

    Returns
    -------
    list of str
    """
    values = [v for p in curve for v in (p.predicted, p.measured) if v is not None and math.isfinite(v)]
    low, high, last = min(values), max(values), max(p.operators for p in curve)

    def row(value):
        share = (min(value, high) - low) / (high - low or 1)
        return round((1 - share) * (height - 1))

    grid = [[" "] * (width + 1) for _ in range(height)]
    if low <= target <= high:
        grid[row(target)] = ["-"] * (width + 1)
    marks = [(p, p.predicted, "·") for p in curve if p.kind == "curve"]
    marks += [(p, p.measured, MARKS[p.kind]) for kind in MARKS for p in curve if p.kind == kind]
    for p, value, mark in marks:
        if value is not None and math.isfinite(value):
            grid[row(value)][round(p.operators / (last or 1) * width)] = mark
    scale = [high - (high - low) * i / (height - 1) for i in range(height)]
    lines = [f"{dB:6.1f} |{''.join(cells)}".rstrip() for dB, cells in zip(scale, grid, strict=True)]
    lines += [f"    dB +{'-' * (width + 1)}", f"        0{str(last).rjust(width)}  operators in float32"]
    lines += ["", "   · predicted   ● exported and run   ◆ the plan   ○ the best whole classes", ""]
    for p in curve:
        if p.measured is not None:
            figures = f"{p.measured:6.2f} dB (predicted {p.predicted:.2f})"
            lines.append(f"{MARKS[p.kind]} {p.operators:>6} in float32: {figures}")
    return lines
