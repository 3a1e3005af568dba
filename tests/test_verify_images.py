"""`verify` on packages that take and give images: bytes of 0 .. 255, red or blue first, clipped or not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as drawn_arrays
from skimage.data import astronaut

import karat
from karat.convert.fidelity import verify
from karat.convert.fidelity.budget import error_budget
from karat.convert.fidelity.culprit import isolate
from karat.convert.fidelity.interface import Interface
from karat.convert.mil import open_package
from karat.refimpl.errors import BadInput
from karat.refimpl.metrics import decibels

pytestmark = pytest.mark.filterwarnings("ignore")
ct = pytest.importorskip("coremltools", reason="coremltools writes the packages; install karat[convert]")
torch = pytest.importorskip("torch", reason="the networks are written in PyTorch; install karat[test]")

from swinir_networks import arrays, explicit, random_swinir  # noqa: E402 - needs torch

from karat.convert.torch_models import twin  # noqa: E402

SIZE = (16, 24)
PICTURE = astronaut()[100 : 100 + SIZE[0], 200 : 200 + SIZE[1]].transpose(2, 0, 1)[None] / 255
NETWORKS = ["zoo:quicksrnet-small-x2", "zoo:swinir-small-x2"]
RGB, BGR = {"color_layout": ct.colorlayout.RGB}, {"color_layout": ct.colorlayout.BGR}
BYTES = {"scale": 1 / 255}


class Wrapped(torch.nn.Module):
    """A network with something before and behind it."""

    def __init__(self, network, before, behind):
        super().__init__()
        self.network, self.before, self.behind = network, before, behind

    def forward(self, x):
        return self.behind(self.network(self.before(x)))


def converted(path, model, into=None, out=None, before=lambda x: x, behind=lambda y: y, net=None, **settings):
    """The network behind images (arguments of ct.ImageType) or tensors (None)."""
    precision = settings.get("precision", "FLOAT16")
    shape = (1, model.config.channels, *SIZE)
    net = twin(model, torch.float32) if net is None else net
    sized = settings.get("shape", shape)
    traced = torch.jit.trace(Wrapped(net, before, behind).eval(), torch.rand(shape), check_trace=False)
    package = ct.convert(
        traced,
        inputs=[ct.TensorType(name="x", shape=sized) if into is None else ct.ImageType(name="x", shape=sized, **into)],
        outputs=[ct.TensorType(name="y") if out is None else ct.ImageType(name="y", **out)],
        minimum_deployment_target=ct.target.iOS16,
        compute_precision=ct.precision[precision],
        convert_to="mlprogram",
        pass_pipeline=settings.get("pipeline"),
        skip_model_load=True,
    )
    package.save(str(path))
    return open_package(path)


def cases(names, *short):
    """(network, name) of all; of SwinIR, which takes ten times as long, only the ``short`` ones unless asked for."""
    small, large = NETWORKS
    rest = [pytest.param(large, name, marks=pytest.mark.long) for name in names if name not in short]
    return [*((small, name) for name in names), *((large, name) for name in short), *rest]


def white(y):
    return y * 255


HONEST = {
    "image in": {"into": BYTES | RGB},
    "divided inside": {"into": RGB, "before": lambda x: x / 255},
    "image out": {"out": RGB, "behind": white},
    "both": {"into": BYTES | RGB, "out": RGB, "behind": white},
    "float32": {"into": BYTES | RGB, "out": RGB, "behind": white, "precision": "FLOAT32"},
    "clipped before": {"into": BYTES | RGB, "out": RGB, "behind": lambda y: y.clamp(0, 1) * 255},
    "clipped behind": {"into": BYTES | RGB, "out": RGB, "behind": lambda y: (y * 255).clamp(0, 255)},
    "clipped twice": {"into": BYTES | RGB, "out": RGB, "behind": lambda y: (y.clamp(0, 1) * 255).clamp(0, 255)},
    "rounded": {"into": BYTES | RGB, "out": RGB, "behind": lambda y: (y * 255).clamp(0, 255).round()},
    "rounded, then clipped": {"into": BYTES | RGB, "out": RGB, "behind": lambda y: (y * 255).round().clamp(0, 255)},
    "rounded by floor": {"out": RGB, "behind": lambda y: (y * 255 + 0.5).floor().clamp(0, 255)},
    "from -1 to 1 and back": {"into": RGB | {"scale": 1 / 127.5, "bias": [-1] * 3}, "before": lambda x: x * 0.5 + 0.5},
    "to -1 to 1 and back": {"out": RGB, "behind": lambda y: (y * 2 - 1) * 127.5 + 127.5},
    "three factors": {"out": RGB, "behind": lambda y: y * torch.tensor([255.0] * 3).view(1, 3, 1, 1)},
    "blue first": {"into": BYTES | BGR, "before": lambda x: x.flip(1), "out": BGR, "behind": lambda y: 255 * y.flip(1)},
}


@pytest.mark.parametrize(("network", "how"), cases(HONEST, "both", "blue first", "from -1 to 1 and back"))
def test_an_honest_package_of_images_is_faithful(tmp_path, network, how):
    model, options = karat.load(network), HONEST[how]
    program = converted(tmp_path / "m.mlpackage", model, **options)
    verdict = verify(model, program, PICTURE)
    assert verdict.faithful is True, "\n".join(verdict.summary())
    layers = [row.layer for row in verdict.rows]
    assert (":from_bytes" in layers) == ("into" in options)
    assert (":to_bytes" in layers) == ("out" in options)
    assert len(verdict.ledger.untraced) == (how == "rounded by floor")  # the half that is added
    golden = model(PICTURE)  # this picture is made of bytes
    golden = golden.clip(0, 1) if how.startswith(("clipped", "rounded")) else golden
    golden = np.rint(255 * golden) / 255 if how.startswith("rounded") else golden
    assert np.abs(verdict.golden - golden).max() < 1e-12
    budget = error_budget(verdict, model, program, PICTURE)  # in power of pictures in [0, 1], as the shares
    assert decibels(budget.total**0.5) == pytest.approx(verdict.shares["total"])
    assert decibels(np.mean(np.square(verdict.output - verdict.golden)) ** 0.5) == pytest.approx(
        verdict.shares["total"]
    )
    assert verdict.shares["total"] > (45 if how.startswith("rounded") else 55)


IMAGES = {"into": BYTES | RGB, "out": RGB, "behind": white}
DEFECTS = {
    "not scaled": (":from_bytes", IMAGES | {"into": RGB}),
    "scaled by 256": (":from_bytes", IMAGES | {"into": RGB | {"scale": 1 / 256}}),
    "from -1 to 1": (":from_bytes", IMAGES | {"into": RGB | {"scale": 2 / 255, "bias": [-1, -1, -1]}}),
    "blue first into red": (":from_bytes", IMAGES | {"into": BYTES | BGR}),
    "left in [0, 1]": (":to_bytes", IMAGES | {"behind": lambda y: y}),
    "256 for 255": (":to_bytes", IMAGES | {"behind": lambda y: y * 256}),
    "blue first out": (":to_bytes", IMAGES | {"out": BGR}),
    "scaled twice": (":from_bytes", IMAGES | {"before": lambda x: x / 255}),
    "a bias": (":from_bytes", IMAGES | {"into": BYTES | RGB | {"bias": [0.01, 0, 0]}}),
    "one of three factors": (
        ":to_bytes",
        IMAGES | {"behind": lambda y: y * torch.tensor([255.0, 255, 250]).view(1, 3, 1, 1)},
    ),
    "added before": (":to_bytes", IMAGES | {"behind": lambda y: (y + 0.01) * 255}),
    "from -1 to 1 and not back": (":to_bytes", IMAGES | {"behind": lambda y: (y * 2 - 1) * 127.5}),
    "clipped at 254": (":clip_bytes", IMAGES | {"behind": lambda y: (y * 255).clamp(0, 254)}),
    "bytes clipped at 1": (":clip_bytes", IMAGES | {"behind": lambda y: (y * 255).clamp(0, 1)}),
}


@pytest.mark.parametrize(("network", "what"), cases(DEFECTS, "scaled twice", "blue first out", "added before"))
def test_a_defect_around_the_network_is_called_there(tmp_path, network, what):
    layer, options = DEFECTS[what]
    model = karat.load(network)
    program = converted(tmp_path / "m.mlpackage", model, **options)
    verdict = verify(model, program, PICTURE)
    assert verdict.faithful is False
    assert verdict.culprit.layer == layer, verdict.culprit
    if what == "scaled by 256":
        assert isolate(verdict, model, program, PICTURE).shows


@pytest.mark.parametrize(("network", "sizes"), cases(["listed", "ranged"], "listed"))
def test_images_of_several_sizes(tmp_path, network, sizes):
    model, sides = karat.load(network), (ct.RangeDim(8, 64, default=16), ct.RangeDim(8, 64, default=24))
    listed = ct.EnumeratedShapes([(1, 3, 16, 24), (1, 3, 8, 8)], default=(1, 3, 16, 24))
    shape = listed if sizes == "listed" else ct.Shape((1, 3, *sides))
    program = converted(tmp_path / "m.mlpackage", model, **HONEST["image in"], shape=shape)
    assert verify(model, program, PICTURE).faithful is True
    if "swinir" in network:  # a trace keeps the mask of the size that it was made with
        assert verify(model, program, PICTURE[..., :8, :8]).faithful is False
        return
    assert verify(model, program, PICTURE[..., :8, :8]).faithful is True
    (verdict,) = karat.assert_faithful(model, program)
    assert verdict.golden.shape[2:] == ((32, 48) if sizes == "listed" else (128, 128))


def test_what_only_bounds_on_one_side_is_not_judged(tmp_path):
    model = karat.load(NETWORKS[0])
    program = converted(tmp_path / "m.mlpackage", model, **IMAGES | {"behind": lambda y: (y * 255).clamp(min=0)})
    assert verify(model, program, PICTURE).faithful is None


def test_a_name_that_is_used_twice_is_refused(tmp_path):
    model = karat.load(NETWORKS[0])
    program = converted(tmp_path / "m.mlpackage", model, pipeline=ct.PassPipeline.EMPTY, **IMAGES)
    with pytest.raises(BadInput, match="computed twice"):
        verify(model, program, PICTURE)


def test_a_defect_inside_the_network_is_called_there(tmp_path):
    model = karat.load(NETWORKS[0])
    net = twin(model, torch.float32)
    with torch.no_grad():
        net.cnn[2].weight[3, 1, 0, 2] *= 1.01
    verdict = verify(model, converted(tmp_path / "m.mlpackage", model, net=net, **IMAGES), PICTURE)
    assert verdict.culprit.layer == "cnn.2"


def test_grey_images(tmp_path):
    arguments = {"img_size": 8, "in_chans": 1, "embed_dim": 8, "depths": [2], "num_heads": [2], "window_size": 4}
    arguments |= {"mlp_ratio": 2, "upscale": 2, "img_range": 1.0, "upsampler": "pixelshuffledirect"}
    arguments |= {"resi_connection": "1conv", "qk_scale": None, "qkv_bias": True, "ape": False, "patch_norm": True}
    net = random_swinir(arguments, 3).float()
    model = karat.load({name: value.astype(np.float32) for name, value in arrays(net).items()}, **explicit(arguments))
    grey = {"color_layout": ct.colorlayout.GRAYSCALE}
    program = converted(tmp_path / "m.mlpackage", model, BYTES | grey, grey, behind=white, net=net)
    verdict = verify(model, program, PICTURE[:, :1])
    assert verdict.faithful is True, "\n".join(verdict.summary())
    assert {":from_bytes", ":to_bytes"} <= {row.layer for row in verdict.rows}


@given(
    drawn_arrays(np.uint8, st.tuples(st.just(1), st.just(3), st.integers(1, 4), st.integers(1, 4))),
    st.sampled_from([None, "RGB", "BGR", "GRAYSCALE"]),
)
def test_what_enters_leaves(pixels, space):
    both = Interface(space, space)
    entered = both.enter(pixels / 255)
    if space:
        assert np.array_equal(entered, pixels[:, ::-1] if space == "BGR" else pixels)
    assert np.abs(both.leave(entered) - pixels / 255).max() < 2.0**-52


def test_tensors_need_nothing_around():
    model = karat.load(NETWORKS[0])
    assert Interface(None, None).around(model) is model
