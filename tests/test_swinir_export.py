"""SwinIR packages: exported under the official layer names, and executed here to what the golden model computes."""

import numpy as np
import pytest
from swinir_networks import random_swinir

from karat.convert.export.coreml import export
from karat.convert.mil import open_package
from karat.convert.mil.ops import OPERATORS
from karat.refimpl.load import load
from karat.refimpl.metrics import relative_rms

BASE = {"img_size": 8, "embed_dim": 12, "depths": [2], "num_heads": [2], "window_size": 4, "mlp_ratio": 2.0}
FORMS = {
    "classical x2, 3conv": {"upsampler": "pixelshuffle", "upscale": 2, "resi_connection": "3conv"},
    "lightweight x3, padded": {"upsampler": "pixelshuffledirect", "upscale": 3},
    "real-world x4": {"upsampler": "nearest+conv", "upscale": 4},
    "JPEG, grey, window 7": {"upsampler": "", "upscale": 1, "in_chans": 1, "img_range": 255.0, "window_size": 7},
}


@pytest.mark.parametrize("form", FORMS)
def test_the_package_computes_what_the_golden_model_does(tmp_path, form):
    arguments = BASE | FORMS[form]
    net = random_swinir(arguments | {"img_size": 2 * arguments["window_size"]}, seed=1).float()
    explicit = {"img_range": arguments.get("img_range", 1.0)}
    model = load({name: value.numpy() for name, value in net.state_dict().items()}, **explicit)
    height, width = (7, 9) if "padded" in form else (2 * model.config.window, model.config.window)
    x = np.random.default_rng(0).random((1, model.config.channels, height, width))
    program = open_package(export(model, tmp_path / "m.mlpackage", x.shape, precision="float32"))
    assert {operation.type for operation in program.operations} <= set(OPERATORS)
    assert max(len(out.shape) for operation in program.operations for out in operation.outputs) <= 5
    y = program.predict({"x": x}, profile="float64")["y"]
    assert y.shape == model(x).shape
    assert relative_rms(model(x), y) < 1e-6  # the package's constants are rounded to float32
    assert net.fixed_size is None
    modules = {name for name, _ in net.named_modules()}
    assert set(program.layers().values()) <= modules
    convolutions = {layer for layer, operator in model.layers.items() if operator in ("conv2d", "linear")}
    # the converter folds the added mean into the bias of conv_last, which then belongs to the sum
    assert convolutions - {"conv_last"} <= set(program.layers().values())


@pytest.mark.parametrize("io", ["float32", "float16"])
@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("target", ["iOS16", "iOS17", "iOS18"])
def test_every_target_and_precision(tmp_path, target, precision, io):
    """In float64 all that is left is the rounding of constants; in the package's own types, that of every value."""
    arguments = BASE | FORMS["classical x2, 3conv"]
    net = random_swinir(arguments, seed=1).float()
    model = load({name: value.numpy() for name, value in net.state_dict().items()})
    x = np.random.default_rng(0).random((1, 3, 7, 9)).astype(io)
    package = export(model, tmp_path / "m.mlpackage", x.shape, precision=precision, target=target, io=io)
    program, roundoff = open_package(package), float(np.finfo(precision).eps)
    assert program.opset == {"iOS16": "CoreML6", "iOS17": "CoreML7", "iOS18": "CoreML8"}[target]
    golden = model(x.astype(np.float64))
    assert relative_rms(golden, program.predict({"x": x}, profile="float64")["y"]) < 10 * roundoff
    y = program.predict({"x": x})["y"]
    assert y.dtype == io
    assert relative_rms(golden, y) < 10 * roundoff + 2 * float(np.finfo(io).eps)
