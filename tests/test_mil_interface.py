"""Interfaces that coremltools writes: images with scale and bias, flexible shapes, several functions, states."""

import numpy as np
import pytest
from PIL import Image

from karat.convert.mil import open_package
from karat.refimpl.errors import BadInput

pytestmark = pytest.mark.filterwarnings("ignore")
ct = pytest.importorskip("coremltools", reason="coremltools writes the packages; install karat[convert]")
torch = pytest.importorskip("torch", reason="the networks are written in PyTorch; install karat[test]")
SETTINGS = {"convert_to": "mlprogram", "skip_model_load": True}


class Twice(torch.nn.Module):
    def forward(self, x):
        return 2 * x


def converted(path, module, shape, target=ct.target.iOS17, **interface):
    traced = torch.jit.trace(module.eval(), torch.zeros(shape))
    precision = interface.pop("precision", ct.precision.FLOAT32)
    model = ct.convert(traced, minimum_deployment_target=target, compute_precision=precision, **interface, **SETTINGS)
    model.save(str(path))
    return open_package(path)


@pytest.mark.parametrize("layout", ["RGB", "BGR"])
def test_scale_and_bias_of_an_image_are_operators(tmp_path, layout):
    bias = [-0.1, -0.2, -0.3]
    image = ct.ImageType(name="x", shape=(1, 3, 2, 4), scale=1 / 255, bias=bias, color_layout=ct.colorlayout[layout])
    program = converted(tmp_path / "m.mlpackage", Twice(), (1, 3, 2, 4), inputs=[image])
    assert program.inputs[0].image == layout
    (found,) = program.predict({"x": Image.new("RGB", (4, 2), (255, 51, 102))}).values()
    pixel = np.array([1, 0.2, 0.4])[:: 1 if layout == "RGB" else -1]
    np.testing.assert_allclose(found[0, :, 1, 3], 2 * (pixel + bias), atol=4 * 2.0**-24)  # four roundings below one


@pytest.mark.parametrize("layout", ["GRAYSCALE", "GRAYSCALE_FLOAT16"])
def test_grey_images_come_and_go(tmp_path, layout):
    kind = {"color_layout": ct.colorlayout[layout]}
    half = layout.endswith("16")
    program = converted(
        tmp_path / "m.mlpackage",
        Twice(),
        (1, 1, 2, 4),
        inputs=[ct.ImageType(name="x", shape=(1, 1, 2, 4), **kind)],
        outputs=[ct.ImageType(name="y", **kind)],
        precision=ct.precision.FLOAT16 if half else ct.precision.FLOAT32,
    )
    assert (program.inputs[0].image, program.outputs[0].image) == (layout, layout)
    found = program.predict({"x": Image.new("L", (4, 2), 100)})["y"]
    assert found.shape == (1, 1, 2, 4)
    assert np.all(found == 200)


def test_shapes_in_a_range(tmp_path):
    shape = ct.Shape((1, 3, ct.RangeDim(2, 8, default=4), ct.RangeDim(2, 300, default=4)))
    program = converted(tmp_path / "m.mlpackage", Twice(), (1, 3, 4, 4), inputs=[ct.TensorType(name="x", shape=shape)])
    for size in ((2, 2), (8, 300)):
        (found,) = program.predict({"x": np.ones((1, 3, *size))}).values()
        assert found.shape == (1, 3, *size)
    for size in ((1, 2), (9, 2)):
        with pytest.raises(BadInput, match=r"the program takes \(1, 3, 2 to 8, 2 to 300\)"):
            program.predict({"x": np.ones((1, 3, *size))})


def test_listed_shapes_of_tensors_and_images(tmp_path):
    shapes = ct.EnumeratedShapes([(1, 3, 4, 4), (1, 3, 8, 6)], default=(1, 3, 4, 4))
    kinds = {"t": ct.TensorType(name="x", shape=shapes), "i": ct.ImageType(name="x", shape=shapes)}
    for name, kind in kinds.items():
        program = converted(tmp_path / f"{name}.mlpackage", Twice(), (1, 3, 4, 4), inputs=[kind])
        assert sorted(program.inputs[0].sizes) == [(1, 3, 4, 4), (1, 3, 8, 6)]
        (found,) = program.predict({"x": np.ones((1, 3, 8, 6))}).values()
        assert found.shape == (1, 3, 8, 6)
        with pytest.raises(BadInput, match="one of"):
            program.predict({"x": np.ones((1, 3, 4, 6))})


def test_an_optional_input(tmp_path):
    shape = ct.Shape((1, ct.RangeDim(1, 9, default=4)))
    kind = ct.TensorType(name="x", shape=shape, default_value=np.full((1, 4), 3.5, np.float32))
    program = converted(tmp_path / "m.mlpackage", Twice(), (1, 4), inputs=[kind])
    (found,) = program.predict({}).values()
    assert found.tolist() == [[7.0] * 4]


class Counter(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("total", torch.zeros(1, 3))

    def forward(self, x):
        self.total.add_(x)
        return 2 * self.total


def test_a_state(tmp_path):
    states = [ct.StateType(wrapped_type=ct.TensorType(shape=(1, 3), dtype=np.float16), name="total")]
    inputs = [ct.TensorType(name="x", shape=(1, 3), dtype=np.float16)]
    half = ct.precision.FLOAT16
    program = converted(
        tmp_path / "m.mlpackage", Counter(), (1, 3), ct.target.iOS18, inputs=inputs, states=states, precision=half
    )
    state = program.make_state()
    for run in (1, 2, 3):
        (found,) = program.predict({"x": [[1, 2, 3]]}, state=state).values()
        assert found.tolist() == [[2 * run, 4 * run, 6 * run]]
        assert state["total"].tolist() == [[run, 2 * run, 3 * run]]


def test_functions(tmp_path):
    class Thrice(torch.nn.Module):
        def forward(self, x):
            return 3 * x

    many = ct.utils.MultiFunctionDescriptor()
    for name, module in (("two", Twice()), ("three", Thrice())):
        tensor = ct.TensorType(name="x", shape=(1, 2))
        converted(tmp_path / f"{name}.mlpackage", module, (1, 2), ct.target.iOS18, inputs=[tensor])
        many.add_function(str(tmp_path / f"{name}.mlpackage"), "main", name)
    many.default_function_name = "three"
    ct.utils.save_multifunction(many, str(tmp_path / "m.mlpackage"))
    for name, factor in (("two", 2), ("three", 3), (None, 3)):
        program = open_package(tmp_path / "m.mlpackage", function=name)
        (found,) = program.predict({"x": np.ones((1, 2))}).values()
        assert found.tolist() == [[factor] * 2]
    with pytest.raises(BadInput, match=r"no function 'main', found \['three', 'two'\]"):
        open_package(tmp_path / "m.mlpackage", function="main")
