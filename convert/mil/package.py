"""A .mlpackage on disk becomes a Program. Nothing outside the package is read, whatever it says."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path, PurePosixPath

from ...refimpl.errors import BadInput
from .blob import BlobFile
from .decompress import decompress
from .features import Feature, feature
from .operation import Operation
from .program import Program
from .schema import TYPES
from .scope import Scope
from .values import Variable, constant, enough_memory, tensor_type, variable
from .wire import MAX_BYTES, read_message

MAX_WEIGHT_BYTES = 2**33
OTHER_MODELS = {
    "neuralNetwork": "a neuralnetwork",
    "neuralNetworkClassifier": "a neuralnetwork classifier",
    "neuralNetworkRegressor": "a neuralnetwork regressor",
    "pipeline": "a pipeline",
    "pipelineClassifier": "a pipeline classifier",
    "pipelineRegressor": "a pipeline regressor",
}


def open_package(path, function=None):
    """Open a Core ML program.

    Parameters
    ----------
    path : path_like
        A .mlpackage folder.
    function : str, optional
        Of a package with several functions: which one; its default one if not given.

    Returns
    -------
    Program
        With all constants in memory, compressed ones decompressed; operators that karat cannot execute are refused when
        it runs, not here.

    Raises
    ------
    BadInput
        When it is no mlprogram package, or damaged, or its weights are missing, or it has no such function.

    Examples
    --------
    >>> open_package("m.mlpackage")
    Traceback (most recent call last):
        ...
    karat.refimpl.errors.BadInput: m.mlpackage does not exist; give the path of a .mlpackage folder
    """
    path = Path(path)
    if not path.exists():
        raise BadInput(f"{path} does not exist; give the path of a .mlpackage folder")
    try:
        _check_kind(path)
        model_path = _model_path(path)
        with enough_memory("the package"):
            return _program(path, _read_model(model_path), _Blobs(path, model_path.parent), function)
    except BadInput as error:
        raise BadInput(f"{path.name or path.resolve().name}: {error}") from error


def _check_kind(path):
    """Raise BadInput for what is taken for a package at times, and is none."""
    if path.is_dir():
        if (path / "coremldata.bin").exists() or path.suffix == ".mlmodelc":
            raise BadInput("this is a compiled model; give the .mlpackage folder that it was compiled from")
        if not (path / "Manifest.json").exists():
            raise BadInput("this folder has no file 'Manifest.json', so it is no .mlpackage; copy it again")
        return
    if not path.is_file():
        raise BadInput("this is neither a folder nor a file; give a .mlpackage folder")
    if zipfile.is_zipfile(path):
        raise BadInput("this is a zip archive; unpack it and give the .mlpackage folder in it")
    _read_model(path)
    raise BadInput("this is a bare model file without its weights; give its .mlpackage folder")


def _model_path(package):
    """Where Manifest.json says that the model is."""
    manifest = _inside(package, "Manifest.json", package)
    try:
        content = json.loads(_bytes(manifest, 2**20))
        entry = content["itemInfoEntries"][content["rootModelIdentifier"]]["path"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise BadInput("Manifest.json names no root model; copy or export the package again") from error
    if not isinstance(entry, str):
        raise BadInput(f"Manifest.json has {entry!r} as path of the model; export the package again")
    return _inside(package / "Data", entry, package)


def _inside(folder, name, package):
    """folder / name, refused when that is outside the package or no file."""
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or parts[0] == "/" or "\\" in name or "\0" in name:
        raise BadInput(f"it refers to {name!r}, expected a path inside it; do not trust this package")
    target = folder.joinpath(*parts)
    try:
        if not target.is_file():
            raise BadInput(f"there is no file {str(target.relative_to(package))!r}; copy or export the package again")
        inside = target.resolve().is_relative_to(package.resolve())
    except (OSError, RuntimeError) as error:  # a name too long for the system, links in a circle
        raise BadInput(f"it refers to {name[:80]!r}, which is no usable path; export the package again") from error
    if not inside:
        raise BadInput(f"its {name!r} is a link to outside; do not trust this package")
    return target


def _bytes(path, most):
    """The content of a file of at most ``most`` bytes."""
    try:
        size = path.stat().st_size
        if size > most:
            raise BadInput(f"{path.name} has {size} bytes, at most {most} are read; is it the right file?")
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path.name} cannot be read ({error.strerror}); check its permissions") from error


def _read_model(path):
    """The Model message of a file, if it is an mlprogram."""
    content = _bytes(path, MAX_BYTES)
    if not content:
        raise BadInput("the model's file is empty; copy or export the package again")
    model = read_message(content, "Model", TYPES)
    if model.mlProgram is None:
        kind = next((text for name, text in OTHER_MODELS.items() if getattr(model, name) is not None), "no mlprogram")
        raise BadInput(f"the model is {kind}, karat reads mlprograms; convert with convert_to='mlprogram'")
    return model


class _Blobs:
    """The weight files of a package, each read once."""

    def __init__(self, package, folder):
        self.package, self.folder, self.files = package, folder, {}

    def __call__(self, name):
        if name not in self.files:
            prefix = "@model_path/"
            if not name.startswith(prefix):
                raise BadInput(f"a constant is in {name!r}, expected a file at {prefix}; do not trust this package")
            path = _inside(self.folder, name.removeprefix(prefix), self.package)
            self.files[name] = BlobFile(path, _bytes(path, MAX_WEIGHT_BYTES))
        return self.files[name]


def _program(path, model, blobs, wanted):
    """A Program from its messages."""
    name, function, block = _chosen(model, wanted)
    states = {named.name: _state(named) for named in function.inputs if _is_state(named)}
    constants, operations, stored = {}, [], {}
    scope = Scope((n.name for n in function.inputs), (n.name for m in block.operations for n in m.outputs))
    for number, message in enumerate(block.operations):
        if message.type == "const":
            constant_name = _add_constant(message, number, constants, blobs, scope)
            stored[constant_name] = variable(message.outputs[0]).dtype
        else:
            operations.append(_operation(message, number, constants, blobs, states, scope))
    operations, constants, compressed = decompress(operations, constants)
    described_in, described_out = _descriptions(model.description, name)
    inputs = [feature(variable(n), described_in.get(n.name)) for n in function.inputs if n.name not in states]
    known = {v.name: v for v in inputs} | {v.name: v for operation in operations for v in operation.outputs}
    known |= {
        name: Variable(name, "str" if a.dtype.kind == "U" else a.dtype.name, a.shape) for name, a in constants.items()
    }
    missing = [output for output in block.outputs if output not in known]
    if missing:
        raise BadInput(f"output {missing[0]!r} is computed nowhere; the file is damaged, export it again")
    same = [output for output in block.outputs if output in scope.hidden]
    if same:
        raise BadInput(f"output {same[0]!r} is called like an input, expected another name; rename it and export again")
    outputs = [feature(known[output], described_out.get(output)) for output in block.outputs]
    parts = (path, model.specificationVersion, name, function.opset, inputs, outputs, constants, operations)
    return Program(*parts, states=list(states.values()), compressed=compressed, stored=stored)


def _chosen(model, wanted):
    """(name, Function message, Block message) of the wanted function, or of the default one."""
    default = (model.description.defaultFunctionName if model.description else "") or "main"
    name, functions = wanted or default, model.mlProgram.functions
    if name not in functions:
        todo = "name one of these" if wanted else "export the model again"
        raise BadInput(f"there is no function {name!r}, found {sorted(functions)}; {todo}")
    function = functions[name]
    block = function.block_specializations.get(function.opset)
    if block is None:
        raise BadInput(f"function {name!r} has no block for its opset {function.opset!r}; export the model again")
    return name, function, block


def _descriptions(description, function):
    """What the interface says of a function's (inputs, outputs), by name."""
    if description is None:
        return {}, {}
    own = next((one for one in description.functions if one.name == function), description)
    return {f.name: f for f in own.input}, {f.name: f for f in own.output}


def _is_state(named):
    return named.type is not None and named.type.stateType is not None


def _state(named):
    """The Feature of a state: what it wraps."""
    return Feature(named.name, *tensor_type(named.type.stateType.wrappedType, f"state {named.name!r}"))


def _keep(constants, name, value, blobs):
    """Put the value of a Value message under its name."""
    if name in constants:
        raise BadInput(f"there are two constants {name!r}; the file is damaged, export it again")
    constants[name] = constant(value, f"constant {name!r}", blobs)


def _add_constant(message, number, constants, blobs, scope):
    """Keep the value of a const operation, and return its name."""
    if len(message.outputs) != 1 or "val" not in message.attributes:
        raise BadInput(f"const number {number} has no single value; the file is damaged, export it again")
    name = scope.define(message.outputs[0].name)
    _keep(constants, name, message.attributes["val"], blobs)
    return name


def _operation(message, number, constants, blobs, states, scope):
    """An Operation; what it has as inline values and attributes becomes constants named ``operation.parameter``."""
    outputs = [variable(named) for named in message.outputs]
    if message.type == "write_state":  # has no output: what it changes is the state
        outputs = [states[n] for n in map(scope.seen, _bound_names(message, "input")) if n in states]
    if not message.type.isidentifier() or not outputs:
        raise BadInput(f"operation {number}, {message.type!r}, has no type or output; export the model again")
    name, inputs = outputs[0].name, {}
    for parameter, argument in message.inputs.items():
        names = _references(argument.arguments, f"{name}.{parameter}", constants, blobs, scope)
        inputs[parameter] = names[0] if len(names) == 1 else tuple(names)
    for attribute, value in message.attributes.items():
        if message.type.startswith("constexpr_") and attribute != "name":  # iOS16 keeps all of these in attributes
            inputs[attribute] = f"{name}.{attribute}"
            _keep(constants, inputs[attribute], value, blobs)
    if message.type != "write_state":  # only now: what it reads came before
        outputs = [replace(output, name=scope.define(output.name)) for output in outputs]
    return Operation(message.type, outputs[0].name, inputs, tuple(outputs))


def _bound_names(message, parameter):
    argument = message.inputs.get(parameter)
    return [binding.name for binding in argument.arguments] if argument else []


def _references(bindings, parameter, constants, blobs, scope):
    """Names that a parameter is bound to; inline values get the name of the parameter, and a number if several."""
    names = []
    for index, binding in enumerate(bindings):
        if binding.value is None:
            names.append(scope.seen(binding.name))
        else:
            names.append(parameter if len(bindings) == 1 else f"{parameter}.{index}")
            _keep(constants, names[-1], binding.value, blobs)
    return names
