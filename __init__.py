"""Assay converted super-resolution networks against a golden reference, layer by layer.

The face of the package. It is lazy: ``import karat`` loads nothing but this file; each name loads what it needs.

    model   = karat.load("zoo:quicksrnet-small-x2")
    program = karat.open_package("m.mlpackage")
    verdict = karat.verify(model, program, x)
    fast    = karat.compile(model)
    karat.upscale("photo.png", "large.png")
"""

from importlib import import_module

__version__ = "0.1.0"

_HOME = {
    "load": ".refimpl.load",
    "open_package": ".convert.mil",
    "verify": ".convert.fidelity",
    "assert_faithful": ".app.testing",
    "upscale": ".app.batch.upscale",
    "upscale_array": ".app.photos.array",
    "compile": ".kernels.compile",
    "BadInput": ".refimpl.errors",
    "UnsupportedOperator": ".refimpl.errors",
}
__all__ = [*_HOME, "__version__"]


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"karat has no {name!r}")
    return getattr(import_module(_HOME[name], __name__), name)


def __dir__():
    return __all__
