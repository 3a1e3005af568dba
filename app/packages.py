"""``karat export``, ``karat run`` and ``karat inspect``: Core ML packages on the command line."""

import io
import json as jsonlib
from collections import Counter
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from PIL import Image
from rich.table import Table

from ..convert.mil import open_package
from ..convert.mil.blob import bits_of
from ..convert.mil.ops import OPERATORS
from ..refimpl.errors import BadInput
from ..refimpl.load import load
from .against import run_against
from .amounts import parse_size
from .outputs import check_output, write_bytes
from .picture import FORMATS, check_target, read_picture, write_picture

MOST_CLASSES = 5  # of a classifier's result on the terminal


def run_export(console, weights, output, size, precision, storage, target, io, keep_float32, average):
    """Convert a checkpoint; see `karat.convert.export.coreml.export` for the options."""
    from ..convert.export.coreml import export

    shape = (1, 3, *parse_size(size))
    model = load(weights, **({"average": average} if average != 1 else {}))
    path = export(model, output, shape, precision, target, storage, io, keep_float32)
    console.print(f"{path} and {path.stem}.pairing.json written", highlight=False)


def run_package(console, package, source, output, profile, against=None, function=None):
    """Execute a package on a picture or on the arrays of an ``.npz``, and hold the results against expected ones.

    Returns
    -------
    int
        Exit code: 1 when ``against`` is given and rounding does not explain the difference.
    """
    if output is None and against is None:
        raise BadInput("nothing is to be done with the result, expected -o FILE or --against FILE.npz; give one")
    if output is not None:
        check_target(output, source, package, *([against] if against else []), also=(".npz",))
    program = open_package(package, function)
    inputs = _inputs(program, Path(source))
    expected = _arrays(Path(against)) if against else None
    results = program.predict(inputs, profile=profile)
    for name, value in results.items():
        console.print(f"{name}: {_shown(value)}", highlight=False, markup=False)
    results = {name: _array_of(value) for name, value in results.items()}
    if output is not None:
        _write_results(output, results, program)
    if output is not None:
        console.print(f"{output} written", highlight=False)
    return 0 if expected is None else run_against(console, program, inputs, results, expected, profile)


def _shown(value):
    """A result in a line: of a classifier its label, and the most probable classes."""
    if isinstance(value, dict):
        best = sorted(value.items(), key=lambda item: -item[1])[:MOST_CLASSES]
        return ", ".join(f"{label} {share:.4g}" for label, share in best) + f"; {len(value)} classes"
    if not isinstance(value, np.ndarray):
        return str(value)
    low, high = (float(f(value)) for f in (np.min, np.max))
    return f"{value.dtype} {value.shape} from {low:.4g} to {high:.4g}"


def _array_of(value):
    """A result as an array: of a classifier the probabilities in the order of its classes."""
    return np.array(list(value.values()) if isinstance(value, dict) else value)


def _write_results(output, results, program):
    """Write an ``.npz`` of all outputs, or the picture."""
    if Path(output).suffix.lower() == ".npz":
        content = io.BytesIO()
        np.savez(content, **results)
        write_bytes(output, content.getvalue())
    else:
        write_picture(output, _picture(results, program))


def _inputs(program, source):
    if source.suffix.lower() in FORMATS:
        if len(program.inputs) != 1:
            names = ", ".join(feature.name for feature in program.inputs)
            raise BadInput(f"the package takes {names}, a picture is one input; give an .npz with these arrays")
        feature, picture = program.inputs[0], read_picture(source)
        if feature.image is None:
            return {feature.name: picture}
        pixels = np.round(255 * picture[0].transpose(1, 2, 0)).astype(np.uint8)  # (H, W, 3)
        return {feature.name: Image.fromarray(pixels)}
    return _arrays(source)


def _arrays(source):
    """The arrays of an ``.npz`` by name."""
    try:
        with np.load(source, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise BadInput(f"{source} does not exist, expected an .npz of plain arrays; check the name") from None
    except (OSError, ValueError, AttributeError, TypeError, EOFError, BadZipFile):
        raise BadInput(f"{source} is no .npz of plain arrays, expected one; save it with numpy.savez") from None


def _picture(results, program):
    """The only picture among the results: (1, 3, H, W), red first, in [0, 1]."""
    pictures = [name for name, v in results.items() if v.ndim == 4 and v.shape[:2] == (1, 3)]
    if len(pictures) != 1:
        shapes = ", ".join(str(v.shape) for v in results.values())
        raise BadInput(f"the package gives {shapes}, a picture is one (1, 3, H, W); write an .npz instead")
    kind = next(feature.image for feature in program.outputs if feature.name == pictures[0])
    pixels = results[pictures[0]].astype(np.float64) / (255 if kind else 1)
    return pixels[:, ::-1] if kind == "BGR" else pixels


def run_inspect(console, package, json, function=None):
    """Print inputs, outputs, operators and constants of a package."""
    if json:
        check_output(json, package)
    program = open_package(package, function)
    unpacking = {operation.name: operation for operation in program.compressed.values()}
    operators = Counter(operation.type for operation in (*program.operations, *unpacking.values()))
    constants = _stored_bytes(program)
    unsupported = sorted(set(operators) - set(OPERATORS))
    name = program.path.resolve().name
    console.print(f"{name}: mlprogram, opset {program.opset}, specification {program.specification_version}\n")
    for title, features in (("input", program.inputs), ("output", program.outputs), ("state", program.states)):
        for f in features:
            console.print(f"{title:<7} {f.name}: {f.image or f.dtype} {f.allowed}", highlight=False)
    console.print()
    console.print(_bars("operator", operators, str))
    console.print()
    console.print(_bars("constants", constants, "{:,} bytes".format))
    if unsupported:
        console.print(f"\nnot executable here: {', '.join(unsupported)}", highlight=False)
    if json:
        document = {
            "opset": program.opset,
            "specification_version": program.specification_version,
            "inputs": [{"name": f.name, "shape": f.shape, "dtype": f.dtype} for f in program.inputs],
            "outputs": [{"name": f.name, "shape": f.shape, "dtype": f.dtype} for f in program.outputs],
            "states": [{"name": f.name, "shape": f.shape, "dtype": f.dtype} for f in program.states],
            "operators": dict(operators),
            "constant_bytes": dict(constants),
            "unsupported": unsupported,
        }
        write_bytes(json, jsonlib.dumps(document, indent=1).encode())


def _stored_bytes(program):
    """Bytes of the constants by the type that they are stored in; what compressed ones decompress to is not stored."""
    found = Counter()
    for name, value in program.constants.items():
        kind = "text" if value.dtype.kind == "U" else program.stored.get(name, value.dtype.name)
        if name not in program.compressed:
            found[kind] += value.nbytes if kind in ("text", "str") else (value.size * bits_of(kind) + 7) // 8
    return found


def _bars(title, counts, shown):
    """A table of counts, largest first, each with its bar."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column(title)
    table.add_column("", justify="right")
    table.add_column("")
    largest = max(counts.values(), default=1)
    for name, count in counts.most_common():
        table.add_row(name, shown(count), "▇" * max(1, round(30 * count / largest)))
    return table
