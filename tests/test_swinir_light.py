"""SwinIR at the size that is deployed: packages of the seeded networks at 64 x 64, executed here."""

import numpy as np
import pytest
import torch
from skimage.data import astronaut

from karat.convert.export.coreml import export
from karat.convert.mil import open_package
from karat.convert.torch_models import twin
from karat.convert.torch_models.swin_blocks import Stepping
from karat.refimpl.load import load
from karat.refimpl.metrics import psnr

PICTURE = astronaut()[100:164, 200:264].transpose(2, 0, 1)[None] / 255  # (1, 3, 64, 64)


def half_storage(model):
    """PyTorch's output where every weight, layer and step is stored in half precision and computed in single."""
    net = twin(model)

    def store(name, value):
        return value.half().float()

    def store_output(module, inputs, output):
        return store("", output)

    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(store("", parameter))
        if hasattr(net, "conv_last"):  # a converter adds the mean in its bias, and what it stores is the rounded sum
            bias, mean = torch.from_numpy(model.parameters["conv_last.bias"]), net.mean.ravel()
            net.conv_last.bias.copy_(store("", bias + mean) - mean)
    for module in net.modules():
        module.register_forward_hook(store_output)
        if isinstance(module, Stepping):
            module.recorder = store
    with torch.no_grad():
        return net(store("", torch.from_numpy(PICTURE)).float()).numpy()


def executed(folder, model, **options):
    program = open_package(export(model, folder / "m.mlpackage", PICTURE.shape, **options))
    return program.predict({"x": PICTURE})["y"]


def check_float32(folder, model, **options):
    assert np.max(np.abs(executed(folder, model, precision="float32", **options) - model(PICTURE))) <= 1e-5


def check_float16(folder, model, **options):
    golden = model(PICTURE)
    assert abs(psnr(golden, executed(folder, model, **options)) - psnr(golden, half_storage(model))) <= 1


def test_light_in_float32(tmp_path):
    check_float32(tmp_path, load("zoo:light-x2-test"))


def test_light_in_float16_is_within_a_decibel_of_torch(tmp_path):
    check_float16(tmp_path, load("zoo:light-x2-test"))


@pytest.mark.long
@pytest.mark.parametrize("target", ["iOS16", "iOS18"])
def test_light_for_the_other_targets(tmp_path, target):
    check_float32(tmp_path, load("zoo:light-x2-test"), target=target)
    check_float16(tmp_path, load("zoo:light-x2-test"), target=target)


@pytest.mark.long
@pytest.mark.parametrize("name", ["classical-x2-test", "real-x4-test"])
def test_the_larger_networks(tmp_path, name):
    check_float32(tmp_path, load(f"zoo:{name}"))
    check_float16(tmp_path, load(f"zoo:{name}"))
