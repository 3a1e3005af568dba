"""Eight families of defects in a device's arithmetic, under the declared profile fp32-accumulate."""

from dataclasses import replace

import numpy as np

from karat.refimpl.metrics import rms

from . import subjects
from .accumulate import in_bfloat16, sequential_half
from .surgery import Unsuitable

SUMS = ("conv", "linear", "matmul")
COMPUTING = (*SUMS, "layer_norm", "softmax", "gelu", "leaky_relu", "clip", "add", "sub", "mul", "avg_pool")
PROFILE = "fp32-accumulate"


class FaultyDevice:
    """A program whose typed run computes one operation wrongly; in float64 it is the honest one.

    Parameters
    ----------
    program : Program
    name : str
        Of the operation.
    faulty : callable
        (honest function, arguments, declared dtype) -> result, which is rounded once to the declared type.
    honest : Program, optional
        What it would be without the defect: a device may compute more exactly than ours and be honest.
    """

    def __init__(self, program, name, faulty, honest=None):
        self.program, self.name, self.faulty, self.honest = program, name, faulty, honest or program

    def __getattr__(self, name):
        return getattr(self.program, name)

    def predict(self, *arguments, **options):
        return type(self.program).predict(self, *arguments, **options)

    def trace(self, *arguments, **options):
        return type(self.program).trace(self, *arguments, **options)

    def compiled(self, profile):
        steps = self.program.compiled(profile)
        return steps if profile.name == "float64" else [self._step(step) for step in steps]

    def _step(self, step):
        if step.operation.name != self.name:
            return step
        honest, dtype = step.operator.function, step.operation.outputs[0].dtype

        def function(**arguments):
            return self.faulty(honest, arguments, np.dtype(dtype))

        return replace(step, operator=replace(step.operator, function=function))


def exactly(function, arguments):
    """The result in float64, of arguments as they are."""
    wide = {k: v.astype(np.float64) if is_float(v) else v for k, v in arguments.items()}
    return np.asarray(function(**wide))


def is_float(value):
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def exact_device(program, name):
    """A device that computes one operation in float64 and rounds once."""
    return FaultyDevice(program, name, lambda function, arguments, dtype: exactly(function, arguments))


def site(rng, kinds, faulty, stored=("float16", "float32"), exact=False):
    """A drawn operation of a drawn network on a device where it is computed so; without the defect, ``exact`` ly."""
    subject = subjects.draw(rng, transformer=kinds == ("gelu",))
    fits = [op for op in subject.program.operations if op.type in kinds and op.outputs[0].dtype in stored]
    if not fits:
        raise Unsuitable
    op = fits[rng.integers(len(fits))]
    honest = exact_device(subject.program, op.name) if exact else subject.program
    device = FaultyDevice(subject.program, op.name, faulty, honest)
    return subject, device, f"{op.type} {op.name} ({op.outputs[0].dtype})"


def gain(rng, magnitude=None):
    """Every result is too large by one part in a thousand, and rounded correctly."""
    size = 0.001 if magnitude is None else magnitude
    return *site(rng, COMPUTING, lambda f, a, _: exactly(f, a) * (1 + size), exact=True), f"1 + {size:.3g}"


def offset(rng, magnitude=None):
    """Every result is off by the same."""
    size = 2.0 ** -int(rng.integers(4, 9)) if magnitude is None else magnitude

    def faulty(function, arguments, dtype):
        result = exactly(function, arguments)
        return result + size * rms(result)

    return *site(rng, COMPUTING, faulty, exact=True), f"{size:.3g} rms"


def lane(rng, magnitude=None):
    """One lane of four is too large."""
    size = 2.0 ** -int(rng.integers(3, 9)) if magnitude is None else magnitude
    which = int(rng.integers(4))

    def faulty(function, arguments, dtype):
        result = exactly(function, arguments).copy()
        result.reshape(-1)[which::4] *= 1 + size
        return result

    return *site(rng, COMPUTING, faulty, exact=True), f"lane {which}, 1 + {size:.3g}"


def towards_zero(rng, magnitude=None):
    """Results are cut off where they are stored in half precision.

    In float32 a sum has rounded before it is stored, and the profile does not say how often.
    """

    def faulty(function, arguments, dtype):
        exact = exactly(function, arguments)
        rounded = exact.astype(dtype)
        return np.where(np.abs(rounded) > np.abs(exact), np.nextafter(rounded, dtype.type(0)), rounded)

    return *site(rng, COMPUTING, faulty, stored=("float16",), exact=True), ""


def range_cut(rng, magnitude=None):
    """Saturation at 2^15, or subnormal results flushed to zero."""
    if rng.integers(2):
        subject, name = subjects.loud(rng, 2.0**15)
        device = FaultyDevice(subject.program, name, lambda f, a, _: np.clip(f(**a), -(2.0**15), 2.0**15))
        return subject, device, f"conv {name}", "saturates at 32768"

    def faulty(function, arguments, dtype):
        result = np.asarray(function(**arguments)).astype(dtype)
        return np.where(np.abs(result) < np.finfo(dtype).tiny, dtype.type(0), result)

    return *site(rng, COMPUTING, faulty), "subnormals flushed"


def table(rng, magnitude=None):
    """GELU by straight lines between 33 knots."""
    knots = np.linspace(-8, 8, 33)

    def faulty(function, arguments, dtype):
        x = arguments["x"].astype(np.float64)
        inner = np.interp(x, knots, function(x=knots, mode=arguments.get("mode", "EXACT")))
        return np.where(np.abs(x) > 8, np.maximum(x, 0), inner)

    return *site(rng, ("gelu",), faulty), "33 knots"


def half_sums(rng, magnitude=None):
    """Sums in float16, one product after the other."""
    return *site(rng, SUMS, lambda f, a, _: sequential_half(f, a)), "float16"


def bfloat(rng, magnitude=None):
    """Operands in bfloat16."""
    return *site(rng, SUMS, lambda f, a, _: in_bfloat16(f, a)), "bfloat16"


FAMILIES = {
    "gain": gain,
    "offset": offset,
    "one lane of four": lane,
    "rounding towards zero": towards_zero,
    "range cut": range_cut,
    "activation by a table": table,
    "sums in float16": half_sums,
    "operands in bfloat16": bfloat,
}
SIZED = ("gain", "offset", "one lane of four")
