"""Mixed precision by need: the few operators to keep in float32 so that a package reaches a PSNR."""

import tempfile
from pathlib import Path

import numpy as np

from ...refimpl.errors import BadInput
from ...refimpl.metrics import psnr
from ...refimpl.models.model import check_picture
from ..mil import open_package
from .choose import Losses
from .mixed import export_forms
from .planned import Kept, Plan, Point, Union, load_selector, selector_code
from .sensitivity import gram, roundings
from .trial import Trial

STAGES = ("exporting", "sensitivity", "search", "whole classes", "exporting mixtures")
EXPORTED = 3  # points of the curve between the two ends that are exported and run


def plan(model, x, target_psnr, progress=lambda stage, share=0.0: None) -> Plan:
    """Find few operators to keep in float32 so that the Core ML package reaches a PSNR against the golden picture.

    1. Sensitivity: what every single rounding to float16 does to the picture, in an otherwise exact run.
    2. Search, on the model that these errors add up, where a rounding happens unless all operators between the one
       that computes a value and the one that reads it are kept: so data movement is kept where it would round.
    3. Correction: what is found is run with exactly the roundings of its package, until it reaches the target.
    4. Confirmation: the code that comes out is given to coremltools, and its package is executed.

    Parameters
    ----------
    model : Model
        From `karat.load`.
    x : ndarray, (N, channels, H, W)
        A picture in [0, 1]. Every value of a run is kept: 64 x 64 pixels are enough, and quick.
    target_psnr : float
        In dB against the golden picture, peak 1.
    progress : callable
        Called with the name of the stage (`STAGES`) and the share of it that is done.

    Returns
    -------
    Plan

    Raises
    ------
    BadInput
        When the target is no number, or ``x`` no picture for the network or too large.

    Examples
    --------
    >>> plan(karat.load("zoo:swinir-small-x2"), x, 80).kept  # doctest: +SKIP
    (Kept(name='19', type='sub', layer=''), ...)
    """
    if not np.isfinite(target_psnr):
        raise BadInput(f"the target is {target_psnr} dB, expected a finite number; give one such as 80")
    check_picture(x, model.config.channels, model.config.multiple_of)
    with tempfile.TemporaryDirectory() as folder:
        progress(STAGES[0])
        forms = export_forms(model, x.shape, Path(folder))
        golden = model(np.asarray(x, np.float64))
        wide = psnr(golden, _run(forms.wide, x))
        found = roundings(forms, x, lambda share: progress(STAGES[1], share))
        progress(STAGES[2])
        trial = Trial(forms, losses_of(forms, found, 10 ** (-wide / 10)), x, golden)
        package = _Exported(model, trial, target_psnr, Path(folder))
        possible = wide >= target_psnr
        kept = trial.reaching(target_psnr) if possible else np.ones(len(trial.names), bool)
        sets, looked = {"plan": kept}, ()
        if possible:
            progress(STAGES[3])
            *looked, sets["classes"] = trial.best_union(target_psnr)
        exported = [*_spread(trial, EXPORTED), *sets.values()]
        for index, some in enumerate(exported):
            progress(STAGES[4], index / len(exported))
            package.measured(some)
        return _result(model, trial, package, sets, looked)


def _result(model, trial, package, sets, looked):
    """The Plan, from what was searched and exported."""
    kept, x, none = sets["plan"], trial.x, np.zeros(len(trial.names), bool)
    mirrored, union = np.ascontiguousarray(x[..., ::-1]), None
    if looked:
        classes = sets["classes"]
        union = Union(looked[0], int(classes.sum()), package.measured(classes), looked[1])
    program = package(kept)
    return Plan(
        network=model.fingerprint,
        target=float(package.target),
        shape=x.shape,
        kept=tuple(_kept(trial.forms, name) for name in trial.names[kept]),
        operators=len(trial.names),
        achieved=package.measured(kept),
        own=psnr(_run(program, x, "float64"), _run(program, x)),
        second=psnr(model(mirrored.astype(np.float64)), _run(program, mirrored)),
        half=package.measured(none),
        wide=package.measured(~none),
        curve=_points(trial, package, sets),
        union=union,
        code=package.code(kept),
    )


def losses_of(forms, found, floor) -> Losses:
    """What the search needs of the roundings that were found; ``floor`` is the loss of float32 itself."""
    place = {name: index for index, name in enumerate(forms.operators)}
    needs = np.zeros((len(found), len(place)), bool)
    for row, rounding in zip(needs, found, strict=True):
        row[[place[name] for name in rounding.needs]] = True
    return Losses(needs, gram(found), floor)


def _run(program, x, profile="fp32-accumulate"):
    return program.predict({program.inputs[0].name: x}, profile)[program.outputs[0].name]


def _kept(forms, name):
    operation = forms.operators[name]
    return Kept(str(name), operation.type, forms.layers.get(operation.name, ""))


class _Exported:
    """Packages of sets of operators, by way of the code that a user gets; each is exported once."""

    def __init__(self, model, trial, target, folder):
        self.model, self.trial, self.target, self.path = model, trial, target, folder / "mixed.mlpackage"
        none = np.zeros(len(trial.names), bool)
        self.programs = {none.tobytes(): trial.forms.half, (~none).tobytes(): trial.forms.wide}

    def code(self, kept):
        """The text that defines the ``op_selector`` of a set."""
        names = [str(name) for name in self.trial.names[kept]]
        return selector_code(names, len(kept), self.target, self.trial.x.shape)

    def __call__(self, kept):
        """Program of the package."""
        from ..export.coreml import export  # torch and coremltools

        key = kept.tobytes()
        if key not in self.programs:
            selector = load_selector(self.code(kept))
            package = export(self.model, self.path, self.trial.x.shape, op_selector=selector)
            self.programs[key] = open_package(package)
        return self.programs[key]

    def measured(self, kept):
        """PSNR in dB of the executed package."""
        return psnr(self.trial.golden, _run(self(kept), self.trial.x))


def _spread(trial, count):
    """Sets of the curve that are about equally far apart in dB, without its ends."""
    levels = np.array([trial.predicted(kept) for kept in trial.front])
    wanted = np.linspace(levels[0], levels[-1], count + 2)[1:-1]
    return [trial.front[np.argmin(np.abs(levels - level))] for level in wanted]


def _points(trial, package, others):
    """The Pareto curve, and other sets beside it, by number of operators."""
    marked = {kept.tobytes() for kept in others.values()}
    sets = [("curve", kept) for kept in trial.front if kept.tobytes() not in marked] + list(others.items())
    known = {kept.tobytes() for _, kept in sets} & package.programs.keys()
    points = [
        Point(int(k.sum()), trial.predicted(k), package.measured(k) if k.tobytes() in known else None, kind)
        for kind, k in sets
    ]
    return tuple(sorted(points, key=lambda point: point.operators))
