"""From a PyTorch module to a Core ML ``.mlpackage``, with a sidecar that says which operator came from which layer."""

import math
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ...refimpl.errors import BadInput
from ...refimpl.models import Model
from ..mil.pairing import sidecar_path, write_pairing
from ..torch_models import twin
from ..torch_models.swinir import SwinIR
from .quiet import quiet

PRECISIONS = ("float16", "float32")
MOST_PIXELS = 2**26  # of the input; every feature map is some ten times that
TARGETS = ("iOS16", "iOS17", "iOS18")


def export(
    model,
    path,
    input_shape=(1, 3, 64, 64),
    precision="float16",
    target="iOS17",
    storage=None,
    io="float32",
    keep_float32=(),
    op_selector=None,
):
    """Convert a network to a Core ML mlprogram.

    Parameters
    ----------
    model : Model or torch.nn.Module
        A golden model (its torch twin is converted) or any module that traces.
    path : str or Path
        Where the ``.mlpackage`` goes; replaced as a whole, and only after the conversion succeeded. The pairing of
        operators with layers is written beside it, as ``NAME.pairing.json``.
    input_shape : tuple of int
        Fixed (N, C, H, W) of the one input, ``x``; the one output is ``y``.
    precision : {"float16", "float32"}
        Type that operators compute in.
    target : {"iOS16", "iOS17", "iOS18"}
        Minimum deployment target.
    storage : {"float16", "float32"}, optional
        Type that weights are stored in; by default that of ``precision``. "float32" under "float16" leaves a cast
        behind every constant.
    io : {"float32", "float16"}
        Type of ``x`` and ``y``. float16 output rounds the picture itself (about 77 dB).
    keep_float32 : sequence of str
        Layer names ("conv_last", "cnn.0") or MIL operator types ("conv") that stay in float32.
    op_selector : callable, optional
        Instead of ``keep_float32``: takes coremltools' operator and says whether to lower it to float16, as for
        ``coremltools.transform.FP16ComputePrecision``. ``karat plan`` writes such functions.

    Returns
    -------
    Path
        Of the package.

    Raises
    ------
    BadInput
        For an unknown option, or a ``keep_float32`` entry that matches no operator.

    Examples
    --------
    >>> import tempfile
    >>> from karat.refimpl.models import quicksrnet
    >>> model = quicksrnet.identity(quicksrnet.Config(features=4, layers=1, subpixel=2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export(model, folder + "/toy.mlpackage", input_shape=(1, 3, 8, 8)).name
    'toy.mlpackage'
    """
    path, storage = Path(path), storage or precision
    check_path(path)
    if math.prod(input_shape) > MOST_PIXELS:
        raise BadInput(f"the input is {input_shape}, expected at most {MOST_PIXELS} values; export a smaller size")
    _check_options(precision, target, storage, io)
    if keep_float32 and precision == "float32":
        raise BadInput("keep_float32 under precision float32 has nothing to keep; leave it out")
    if op_selector is not None and (keep_float32 or precision == "float32"):
        raise BadInput("op_selector goes with precision float16 and without keep_float32; leave one of them out")
    module = twin(model) if isinstance(model, Model) else model
    keep = _Keep(keep_float32, Layers(module))
    with quiet():
        converted = _convert(module, tuple(input_shape), precision, target, storage, io, op_selector or keep.lowers)
    if keep.unmatched():
        raise BadInput(
            f"keep_float32 names {', '.join(keep.unmatched())}, which matches no operator of this network; "
            f"its layers are {', '.join(sorted(keep.layers))}"
        )
    return _write(converted, pairing(converted, keep.layer_of), path)


def check_path(path):
    """Raise BadInput unless a package can be written there."""
    path = Path(path)
    if path.suffix != ".mlpackage":
        raise BadInput(f"the output is {path.name}, expected a name that ends in .mlpackage; rename it")
    if path.is_dir() and any(path.iterdir()) and not (path / "Manifest.json").is_file():
        raise BadInput(f"{path} is another folder, expected a package or nothing there; choose another name")
    if path.is_file():
        raise BadInput(f"{path} is a file, expected a folder or nothing there; remove it or choose another name")
    if not path.parent.is_dir():
        raise BadInput(f"the folder {path.parent} does not exist, expected the output's folder to; make it first")


def _check_options(precision, target, storage, io):
    choices = [("precision", precision, PRECISIONS), ("target", target, TARGETS), ("storage", storage, PRECISIONS)]
    for name, value, known in [*choices, ("io", io, PRECISIONS)]:
        if value not in known:
            raise BadInput(f"{name} is {value!r}, expected one of {', '.join(known)}; choose one of these")
    if precision == "float32" and storage == "float16":
        raise BadInput("float16 storage under float32 compute is no Core ML form; choose float32 storage")


class _Keep:
    """Decides per operator whether it stays in float32, and remembers what it met."""

    def __init__(self, names, layer_of):
        self.names, self.layer_of, self.met, self.layers = tuple(names), layer_of, set(), set()

    def lowers(self, op):
        """Whether to lower ``op`` to float16 (the question coremltools asks)."""
        labels = {op.op_type, self.layer_of(op)}
        self.layers.add(self.layer_of(op))
        self.met |= labels
        return not labels & set(self.names)

    def unmatched(self):
        return [name for name in self.names if name not in self.met]


def _convert(module, input_shape, precision, target, storage, io, lowers):
    import coremltools as ct  # 2.5 s and 300 MB: only when something is exported

    compute = ct.precision.FLOAT32
    if precision == "float16":
        compute = ct.transform.FP16ComputePrecision(op_selector=lowers)
    pipeline: Any = ct.PassPipeline.DEFAULT  # a new copy at every access
    if precision != storage:  # unfolded constants stay in float32, each with a cast behind it
        pipeline.set_options("common::const_elimination", {"skip_const_by_size": "0"})
    dtype = {"float32": np.float32, "float16": np.float16}[io]
    traced = _trace(module.eval(), input_shape)
    return ct.convert(
        traced,
        inputs=[ct.TensorType("x", input_shape, dtype=dtype)],
        outputs=[ct.TensorType("y", dtype=dtype)],
        convert_to="mlprogram",
        compute_precision=compute,
        minimum_deployment_target=getattr(ct.target, target),
        pass_pipeline=pipeline,
        skip_model_load=True,
    )


def _trace(module, input_shape):
    """Trace at one size. A SwinIR takes it as Python integers, so that no arithmetic on shapes is traced."""
    fixed = isinstance(module, SwinIR)
    if fixed:
        module.fixed_size = input_shape[2:]
    try:
        with torch.no_grad():
            return torch.jit.trace(module, torch.rand(input_shape))
    finally:
        if fixed:
            module.fixed_size = None


class Layers:
    """Module path that a MIL operator was converted from; an empty string at the top level.

    coremltools 9.0 leaves the names of module lists out of an operator's scopes: they are put back.
    """

    def __init__(self, module):
        lists = {name for name, child in module.named_modules() if isinstance(child, nn.ModuleList)}
        self.paths = {}
        for name in [name for name, _ in module.named_modules() if name not in lists]:
            parts = name.split(".")
            kept = [part for i, part in enumerate(parts) if ".".join(parts[: i + 1]) not in lists]
            self.paths[".".join(kept)] = name

    def is_leaf(self, path):
        """Whether the module of that path has no modules inside."""
        return not any(other.startswith(f"{path}.") for other in self.paths.values())

    def __call__(self, op):
        from coremltools.converters.mil.mil.scope import ScopeSource

        path = ".".join(op.scopes.get(ScopeSource.TORCHSCRIPT_MODULE_NAME, [])[:-1])  # the last entry names the value
        return self.paths.get(path, path)


def pairing(converted, layer_of):
    """Which operator computes which layer, read while the converter still knows.

    Returns
    -------
    dict
        Output variable -> {"layer": module path, "torch": torch operator, "last": whether it is the layer's output}.
        Casts between float types are the converter's own and are not listed.
    """
    from coremltools.converters.mil.mil.scope import ScopeSource

    operators, last, previous, again = {}, {}, None, set()
    for op in converted._mil_program.functions["main"].operations:
        layer = layer_of(op)
        if op.op_type in ("const", "cast"):
            continue
        if layer in last and layer != previous and layer_of.is_leaf(layer):
            again.add(layer)  # a module that is called twice: which call is which, the comparison finds out
        previous = layer
        if not layer:
            continue
        torch_type = op.scopes.get(ScopeSource.TORCHSCRIPT_MODULE_TYPE, [""])[-1]
        for output in op.outputs:
            operators[output.name] = {"layer": layer, "torch": torch_type, "last": False}
        last[layer] = op.outputs[-1].name
    for layer, name in last.items():
        operators[name]["last"] = layer not in again
    return operators


def _write(converted, operators, path):
    """Write package and sidecar beside their places, then move both there."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as folder:
        fresh = Path(folder) / path.name
        with quiet():
            converted.save(str(fresh))
        sidecar = Path(folder) / "pairing.json"
        write_pairing(sidecar, fresh, operators)
        if path.exists():
            shutil.move(path, Path(folder) / "replaced.mlpackage")
        os.replace(fresh, path)
        os.replace(sidecar, sidecar_path(path))
    return path
