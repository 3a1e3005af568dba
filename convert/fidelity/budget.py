"""The error budget: what the picture loses by each cause alone, and whether the causes add up to the whole."""

from dataclasses import dataclass

import numpy as np

from ...refimpl.metrics import decibels
from ..mil.profiles import profile_named
from .graph import Graph
from .interface import interface

SINGLE = 16  # so many operations that round are listed one by one, more of them by type
CLOSE = 0.5  # dB that the sum may be away from the measured total and still explain it


@dataclass(frozen=True)
class Budget:
    """Mean squared errors of the picture.

    Attributes
    ----------
    causes : dict of str to float
        When only this cause is switched on: "input", "weights", "constants", and "arithmetic of ..." of operators.
    total : float
        Measured: the package's picture against the golden one.
    """

    causes: dict[str, float]
    total: float

    @property
    def gap(self) -> float:
        """Decibels of the causes' sum above the total; positive where they explain more than there is."""
        explained = sum(self.causes.values())
        return 0.0 if explained == self.total else decibels(self.total**0.5) - decibels(explained**0.5)

    def lines(self) -> list[str]:
        """The largest causes first, each with its share of the measured power."""
        total = self.total or 1.0
        ordered = sorted(self.causes.items(), key=lambda item: -item[1])
        shares = ", ".join(f"{name} {100 * power / total:.1f} %" for name, power in ordered if power > 0)
        lines = [f"budget of the error, in power: {shares or 'no error'}"]
        if abs(self.gap) <= CLOSE:
            lines.append(f"the causes add up to the measured total within {abs(self.gap):.2f} dB")
        else:
            missing = 100 * (1 - sum(self.causes.values()) / total)
            what = "is unexplained" if missing > 0 else "is explained twice: the causes work on each other"
            lines.append(f"{abs(missing):.1f} % of the measured power {what} ({self.gap:+.2f} dB)")
        return lines


def error_budget(verdict, model, program, x, progress=lambda done, total: None):
    """Switch on one cause after the other.

    Weights and constants: the golden model carrying the package's, against the golden model. Input and arithmetic: the
    package in float64, into which the errors are put that the typed run made in these operations, each the difference
    to its own recomputation in float64.

    Parameters
    ----------
    verdict : Verdict
        Of the same model, program and picture.
    model : Model
    program : Program
    x : ndarray, (N, C, H, W)
    progress : callable of (int, int)

    Returns
    -------
    Budget or None
        None where the pictures have different shapes or the package overflows.
    """
    golden, typed = verdict.golden, verdict.output
    if golden.shape != typed.shape or not np.isfinite(typed).all():
        return None
    through = interface(program, Graph(program))
    model, x = through.around(model), through.enter(np.asarray(x, np.float64))
    carried = verdict.ledger.carried
    weights = {key: value for key, value in carried.items() if key in model.parameters}
    causes = {"weights": _power(through.leave(model.carrying(weights)(x)), golden)}
    rest = {key: value for key, value in carried.items() if key not in weights}
    causes["constants"] = _power(through.leave(model.carrying(rest)(x)), golden) if rest else 0.0
    pictures = _switched(program, x, verdict.profile, _classes(program, verdict), progress)
    exact = through.leave(pictures.pop(""))
    causes |= {name: _power(through.leave(picture), exact) for name, picture in pictures.items()}
    return Budget(causes, _power(golden, typed))


def _power(a, b):
    return float(np.mean(np.square(a.astype(np.float64) - b)))


def _classes(program, verdict):
    """The cause that every operation's error is counted under, by its name; operations without an error have none."""
    entry = program.inputs[0].name
    graph = Graph(program)
    live = graph.operation.values()
    entering = {op.name for op in live if op.type == "cast" and entry in op.reads}
    constant = {op.name for op in live if op.name not in graph.varying}  # float32 weights, cast when it runs
    rounding = {found.name: found for found in verdict.operators if found.local_max > 0}
    single = len(rounding) <= SINGLE
    classes = {}
    for operation in live:
        found = next((rounding[out.name] for out in operation.outputs if out.name in rounding), None)
        if operation.name in entering:
            classes[operation.name] = "input"
        elif operation.name in constant:
            classes[operation.name] = "weights, cast"
        elif found:
            what = f"{found.layer or found.name} ({found.op_type})" if single else found.op_type
            classes[operation.name] = f"arithmetic of {what}"
    return classes


def _switched(program, x, profile, classes, progress):
    """Output pictures in float64 with the errors of one class each; "" has none.

    All run side by side, step by step: a float64 run for every class, and the typed run that tells the errors.
    """
    source, output = program.inputs[0].name, program.outputs[0].name
    steps = program.compiled(profile_named("float64"))
    rounded = profile_named(profile).store(x, program.inputs[0].dtype).astype(np.float64)
    names = ["", "input", *sorted(set(classes.values()) - {"input"})]
    values = {name: {source: rounded if name == "input" else x} for name in names}
    records = program.trace({source: x}, profile=profile)
    for done, step in enumerate(steps):
        errors = {}
        for _ in step.operation.outputs:
            record = next(records)
            if record.name in classes or step.operation.name in classes:
                errors[record.name] = record.value.astype(np.float64) - record.exact
        for name, held in values.items():
            results = step.compute(held)
            if classes.get(step.operation.name) == name:
                results = {out: value + errors[out] for out, value in results.items()}
            held |= results
            for freed in step.frees:
                del held[freed]
        progress(done + 1, len(steps))
    return {name: held[output] for name, held in values.items()}
