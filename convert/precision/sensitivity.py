"""Which roundings to float16 cost the picture how much, each switched on alone in an otherwise exact run."""

from collections import ChainMap
from dataclasses import dataclass, replace

import numpy as np

from ...refimpl.errors import BadInput
from ..mil.execute import compile_steps
from ..mil.profiles import profile_named
from ..mil.step import Step
from .mixed import Forms

EXACT = profile_named("float64")
MOST_BYTES = 4 * 2**30  # of all values of one run, and of all errors of the picture


@dataclass(frozen=True)
class Rounding:
    """One rounding that an FP16 package does.

    Attributes
    ----------
    where : str
        Operator that reads the rounded value; "" where the picture is the reader.
    value : str
        Variable that is rounded, followed back through what only moves it; "" for the operator's constants.
    needs : frozenset of str
        Operators that must all stay in float32 for it not to happen: the one that makes the value, those that move it,
        the one that reads it.
    error : ndarray of float32
        What it alone changes in the picture, flattened.
    """

    where: str
    value: str
    needs: frozenset
    error: np.ndarray


def roundings(forms: Forms, x: np.ndarray, progress=lambda share: None) -> list[Rounding]:
    """Every rounding of a lowered program, with what it alone does to the picture.

    A value is rounded where an operator stores it, and where a cast before its reader does. An operator that only
    moves values (or scales by a power of two) can be told by rounding its input and its output: both give the same.
    Such a rounding happens as long as any operator between the one that computes and the one that reads is lowered,
    and however many are, it happens once.

    Parameters
    ----------
    forms : Forms
    x : ndarray, (N, C, H, W)
    progress : callable
        Called with the share that is done.

    Returns
    -------
    list of Rounding
        Those that change the picture.

    Raises
    ------
    BadInput
        When the picture is too large to keep all values at once.
    """
    run = _Run(forms, x)
    needs = {feature.name: frozenset() for feature in forms.wide.inputs}
    origin, found = {}, []
    for index, step in enumerate(run.steps):
        progress(index / len(run.steps))
        name = forms.names.get(step.operation.name)
        own = frozenset([name]) if name in forms.operators else frozenset()
        read = [u for u in dict.fromkeys(step.operation.reads) if run.floating(u)]
        moves = run.moves(step, read)
        for out in step.operation.outputs:
            needs[out.name] = own.union(*(needs[u] for u in read)) if moves else own
            origin[out.name] = origin.get(read[0], read[0]) if moves and len(read) == 1 else out.name
        if own and not moves:
            found += [(name, origin.get(u, u), own | needs[u], run.rounding_input(index, u)) for u in read]
        if own:
            found.append((name, "", own, run.rounding_constants(index, forms.lowered_constants(name))))
    output = forms.wide.outputs[0].name
    found.append(("", origin[output], needs[output], _half(run.values[output]) - run.values[output]))
    real = [(*said, error) for *said, error in found if np.any(error)]
    return [Rounding(where, value, kept, e.ravel().astype(np.float32)) for where, value, kept, e in real if kept]


def _half(value):
    """``value`` rounded to float16, as float64."""
    with np.errstate(over="ignore"):
        return value.astype(np.float16).astype(np.float64)


class _Run:
    """An exact run with every value kept, and variations of it that recompute only what they change."""

    def __init__(self, forms, x):
        program = forms.wide
        self.steps = [replace(step, frees=()) for step in compile_steps(program, EXACT)]
        sizes = [8 * int(np.prod(out.shape)) for op in program.operations for out in op.outputs]
        if sum(sizes) + 4 * len(sizes) * int(np.prod(program.outputs[0].shape)) > MOST_BYTES:
            raise BadInput(
                f"the picture is {x.shape[2]} x {x.shape[3]} pixels, too large to plan on; give a smaller one"
            )
        self.half, self.output = forms.half.constants, program.outputs[0].name
        self.values = {program.inputs[0].name: np.asarray(x, np.float64)}
        for step in self.steps:
            step(self.values)

    def floating(self, name):
        """Whether that is a computed value that can be rounded."""
        return name in self.values and self.values[name].dtype == np.float64

    def moves(self, step, read):
        """Whether the operator computes the same from rounded values as if its result were rounded."""
        rounded = ChainMap({u: _half(self.values[u]) for u in read}, self.values)
        step(rounded)
        names = [out.name for out in step.operation.outputs if self.floating(out.name)]
        return bool(read and names) and all(
            np.array_equal(rounded[n], _half(self.values[n]), equal_nan=True) for n in names
        )

    def rounding_input(self, index, name):
        """Change of the picture when one operator reads one value rounded."""
        return self._picture(index, self.steps[index], {name: _half(self.values[name])})

    def rounding_constants(self, index, lowered):
        """Change of the picture when one operator has its lowered constants."""
        step: Step = self.steps[index]
        names = {step.operation.inputs[parameter]: self.half[stored] for parameter, stored in lowered.items()}
        bound = {name: names[name].astype(np.float64) if name in names else v for name, v in step.bound.items()}
        if all(np.array_equal(bound[name], step.bound[name]) for name in names):
            return np.zeros(1)
        return self._picture(index, replace(step, bound=bound), {})

    def _picture(self, index, step, inputs):
        """Change of the picture when a step, and what depends on it, is computed again from other inputs."""
        view = ChainMap(dict(inputs), self.values)
        step(view)
        changed = {out.name: view.maps[0][out.name] for out in step.operation.outputs}
        for later in self.steps[index + 1 :]:
            if not changed.keys().isdisjoint(later.operation.reads):
                later(ChainMap(changed, self.values))
        return changed.get(self.output, self.values[self.output]) - self.values[self.output]


def gram(found: list[Rounding]) -> np.ndarray:
    """Mean products of the errors that roundings make in the picture.

    Two roundings of one value are one error on two ways, and the constants are the same in every run: their products
    are kept. Two values are rounded independently of each other (and otherwise as soon as their inputs differ): the
    product that one run happens to show is chance, a search would chase it, and it is set to its mean, zero.

    Returns
    -------
    ndarray of float64, (S, S)
    """
    errors = np.stack([rounding.error for rounding in found])  # (S, pixels)
    together = np.array([[a.value == b.value for b in found] for a in found])
    return np.where(together, errors @ errors.T / np.float32(errors.shape[1]), 0).astype(np.float64)
