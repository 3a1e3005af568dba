"""Packages that other people trained and converted: what they compute, beside a network built from their constants."""

import numpy as np
import pytest
from mil_programs import DATA
from PIL import Image

import karat
from karat.refimpl.errors import BadInput
from karat.refimpl.metrics import psnr

FOREIGN = DATA / "coreml"
RGB = [2, 1, 0]  # both networks of ResoMax's package see blue first


def package(name):
    """A package of the data set, or a skipped test."""
    path = FOREIGN / name
    if not path.exists():
        pytest.skip(f"{path} is not there; set KARAT_DATA to a folder that has coreml/")
    return karat.open_package(path)


def photograph():
    """64 x 64 pixels of a face, (1, 3, 64, 64) in 0 .. 255."""
    from skimage.data import astronaut

    return astronaut()[70:134, 180:244].transpose(2, 0, 1)[None].astype(np.float32)


def real_esrgan(program):
    """The published network (SRVGGNetCompact: 32 convolutions, PReLU, pixel shuffle, nearest image added) in torch."""
    torch = pytest.importorskip("torch")

    class Compact(torch.nn.Module):
        def __init__(self):
            super().__init__()
            sizes = [3, *[64] * 33, 48]
            self.body = torch.nn.ModuleList()
            for i in range(34):
                self.body.append(torch.nn.Conv2d(sizes[i], sizes[i + 1], 3, padding=1))
                if i < 33:
                    self.body.append(torch.nn.PReLU(64))

        def forward(self, x):
            x = x[:, RGB]
            y = x
            for layer in self.body:
                y = layer(y)
            y = torch.nn.functional.pixel_shuffle(y, 4)
            return (y + torch.nn.functional.interpolate(x, scale_factor=4, mode="nearest"))[:, RGB]

    network, state = Compact(), {}
    for name in network.state_dict():
        stored = f"model_{name.replace('.', '_')}_to_fp16"
        if stored not in program.constants:  # PReLU's slopes are parameters of the operation
            place = int(name.split(".")[1])
            stored = [o for o in program.operations if o.type == "prelu"][place // 2].inputs["alpha"]
        state[name] = torch.from_numpy(program.constants[stored].astype(np.float64))
    network.double().load_state_dict(state)
    return lambda x: network(torch.from_numpy(x.astype(np.float64))).detach().numpy()


def test_real_esrgan_is_the_network_of_its_constants():
    program, x = package("RealESRGAN_x4v3_tensor.mlpackage"), photograph()
    scale = float(program.constants[program.operations[0].inputs["y"]])
    expected = real_esrgan(program)(x.astype(np.float64) * scale)
    exact = program.predict({"input_image": x}, profile="float64")["output_image"]
    assert np.abs(exact - expected).max() < 1e-12 * np.abs(expected).max() * 34 * 576
    half = program.predict({"input_image": x})["output_image"]
    assert psnr(half, expected, 1.0) > 55
    wrong = real_esrgan(program)(x[:, RGB].astype(np.float64) * scale)
    assert psnr(half, wrong, 1.0) < 40


def test_real_esrgan_upscales_a_photograph_sensibly():
    """Made small again it is the photograph; large it has the detail that interpolation has not."""
    program, x = package("RealESRGAN_x4v3_tensor.mlpackage"), photograph()
    large = np.clip(program.predict({"input_image": x})["output_image"], 0, 1)  # (1, 3, 256, 256)
    assert psnr(large.reshape(1, 3, 64, 4, 64, 4).mean((3, 5)), x / 255, 1.0) > 26
    planes = [np.asarray(Image.fromarray(plane).resize((256, 256), Image.Resampling.BICUBIC)) for plane in x[0]]
    detail = [np.abs(np.diff(picture, axis=-1)).mean() for picture in (large[0], np.stack(planes) / 255)]
    assert detail[0] > 1.05 * detail[1]


def test_a_picture_is_taken_as_a_picture():
    program, x = package("RealESRGAN_x4v3_tensor.mlpackage"), photograph()
    picture = Image.fromarray(x[0].transpose(1, 2, 0).astype(np.uint8))
    from_picture = program.predict({"input_image": picture})["output_image"]
    assert np.array_equal(from_picture, program.predict({"input_image": x})["output_image"])


def test_rcan_runs():
    """It was never trained: only that the numbers are those of the same program in float64."""
    program, x = package("RCAN_4x.mlpackage"), photograph()
    half, exact = (
        program.predict({"input_image": x}, profile=p)["output_image"] for p in ("fp32-accumulate", "float64")
    )
    assert half.shape == (1, 3, 256, 256)
    assert psnr(half, exact, float(np.ptp(exact))) > 50


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("SwinIR_4x_missing_weights.mlpackage", "weight.bin"),
        ("waifu2x_photo_noise1_neuralnetwork.mlmodel", "neuralnetwork"),
    ],
)
def test_unusable_ones_are_refused_with_a_reason(name, words):
    with pytest.raises(BadInput, match=words):
        package(name)
