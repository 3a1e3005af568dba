"""`karat upscale`: bands without seams, and pictures that keep what they came with."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import FORMS
from PIL import Image, ImageCms
from skimage.data import astronaut

import karat
from karat.app.picture import FORMATS, read_picture, write_picture
from karat.app.upscale import BAND, upscale_bands
from karat.refimpl.errors import BadInput
from karat.refimpl.models import quicksrnet


def dyadic_model(form, input_to_output, seed):
    """A network whose float64 sums are exact in any order: weights are multiples of 1/8, pictures of 1/256."""
    subpixel, unshuffle, average = FORMS[form]
    config = quicksrnet.Config(3, 1, subpixel, unshuffle, input_to_output, average)
    rng = np.random.default_rng(seed)
    shapes = quicksrnet.parameter_shapes(config).items()
    return quicksrnet.Model(quicksrnet, config, {name: rng.integers(-4, 5, shape) / 8 for name, shape in shapes})


def dyadic_picture(height, width, seed):
    return np.random.default_rng(seed).integers(0, 257, (1, 3, height, width)) / 256


def opened(path):
    """(pixels, mode, info) of a picture, the file closed again."""
    with Image.open(path) as image:
        return np.asarray(image), image.mode, dict(image.info)


def whole(model, x):
    """The picture at once: padded by its edge to what the network takes, and cut back."""
    (height, width), step = x.shape[2:], model.config.multiple_of
    padded = np.pad(x, ((0, 0), (0, 0), (0, -height % step), (0, -width % step)), mode="edge")
    return model(padded)[:, :, : int(model.scale * height), : int(model.scale * width)]


heights = st.one_of(st.integers(1, 9), st.integers(BAND - 3, BAND + 3), st.integers(2 * BAND - 2, 2 * BAND + 9))


@given(st.sampled_from(sorted(FORMS)), st.booleans(), heights, st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_bands_are_the_whole_picture(form, input_to_output, height, width, seed):
    model, x = dyadic_model(form, input_to_output, seed), dyadic_picture(height, width, seed)
    y = upscale_bands(model, x)
    assert y.shape == (1, 3, int(model.scale * height), int(model.scale * width))
    assert np.array_equal(y, whole(model, x))


@pytest.mark.parametrize("form", sorted(FORMS))
def test_a_radius_too_small_leaves_a_seam(form):
    """The check above can fail: without an overlap, rows near a band's edge differ."""
    model, x = dyadic_model(form, True, 3), dyadic_picture(2 * BAND, 5, 3)

    def blind(x):
        return model(x)

    blind.scale, blind.config = model.scale, SimpleNamespace(radius=0, multiple_of=model.config.multiple_of)
    differs = upscale_bands(blind, x) != whole(model, x)  # (1, 3, sH, sW)
    rows = np.flatnonzero(differs.any(axis=(0, 1, 3))) / model.scale
    assert len(rows) > 0
    assert np.abs(rows - BAND).max() <= model.config.radius


def test_progress_counts_rows():
    seen = []
    upscale_bands(dyadic_model("x2", False, 0), dyadic_picture(2 * BAND + 1, 2, 0), lambda *step: seen.append(step))
    assert seen == [(BAND, 2 * BAND + 1), (2 * BAND, 2 * BAND + 1), (2 * BAND + 1, 2 * BAND + 1)]


def test_the_file_holds_what_the_network_gives(tmp_path):
    Image.fromarray(astronaut()[90:121, 200:233]).save(tmp_path / "in.png")  # 31 x 33: odd sides
    karat.upscale(tmp_path / "in.png", tmp_path / "out.png")
    x = (astronaut()[90:121, 200:233].transpose(2, 0, 1)[None] / 255).astype(np.float32)
    expected = np.round(np.clip(karat.load("zoo:quicksrnet-small-x2")(x)[0], 0, 1) * 255).transpose(1, 2, 0)
    assert np.array_equal(opened(tmp_path / "out.png")[0], expected.astype(np.uint8))


def test_the_x15_network_on_odd_sides(tmp_path):
    Image.fromarray(astronaut()[:7, :9]).save(tmp_path / "in.png")
    model = quicksrnet.identity(replace(dyadic_model("x1.5", False, 0).config, features=3))
    karat.upscale(tmp_path / "in.png", tmp_path / "out.png", model)
    assert opened(tmp_path / "out.png")[0].shape == (10, 13, 3)


@pytest.mark.parametrize("suffix", sorted(FORMATS))
def test_grey_stays_grey(tmp_path, suffix):
    for mode in ("1", "L"):
        Image.fromarray(astronaut()[:16, :16]).convert(mode).save(tmp_path / "in.png")
        karat.upscale(tmp_path / "in.png", tmp_path / f"out{suffix}")
        assert opened(tmp_path / f"out{suffix}")[1] == "L"


@pytest.mark.parametrize("suffix", sorted(FORMATS))
def test_the_colour_profile_stays(tmp_path, suffix):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for mode in ("RGB", "L"):
        Image.fromarray(astronaut()[:8, :8]).convert(mode).save(tmp_path / f"in{suffix}", icc_profile=profile)
        karat.upscale(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}")
        assert opened(tmp_path / f"out{suffix}")[2]["icc_profile"] == profile


def test_a_palette_becomes_rgb(tmp_path):
    Image.fromarray(astronaut()[:8, :8]).quantize(7).save(tmp_path / "in.png")
    karat.upscale(tmp_path / "in.png", tmp_path / "out.png")
    assert opened(tmp_path / "out.png")[1] == "RGB"


# EXIF orientation -> how an upright picture was turned when it was stored (EXIF 2.32, tag 0x0112)
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[:, ::-1],
}


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("orientation", sorted(STORED))
def test_the_picture_comes_out_upright(tmp_path, orientation, suffix):
    """And a viewer must not turn the output again."""
    upright = astronaut()[:24, :40]
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](upright)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / f"in{suffix}", exif=exif)
    pixels, _ = read_picture(tmp_path / f"in{suffix}")
    assert pixels.shape == (1, 3, 24, 40)
    if suffix == ".png":
        assert np.array_equal(np.round(pixels[0].transpose(1, 2, 0) * 255), upright)
    karat.upscale(tmp_path / f"in{suffix}", tmp_path / "out.jpg")
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.size == (80, 48)
        assert image.getexif().get(0x0112, 1) == 1


def test_real_cameras_pictures_come_upright(data):
    """libvips' eight shots of one scene, one for each orientation."""
    for n in range(1, 9):
        with Image.open(data / f"camera/rotation_{n}.jpg") as stored:
            size = stored.size[::-1] if n >= 5 else stored.size
        pixels, _ = read_picture(data / f"camera/rotation_{n}.jpg")
        assert pixels.shape[:1:-1] == size


@given(st.data())
def test_a_damaged_file_is_read_or_refused(tmp_path_factory, data):
    """Bytes changed or cut off: pixels or one sentence, nothing else."""
    path = tmp_path_factory.mktemp("damaged") / "in.png"
    form = data.draw(st.sampled_from(["PNG", "JPEG"]), label="format")
    Image.fromarray(astronaut()[:9, :11]).save(path, form)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4), label="changes")):
        content[data.draw(st.integers(0, len(content) - 1), label="at")] = data.draw(st.integers(0, 255), label="byte")
    path.write_bytes(content[: data.draw(st.integers(0, len(content)), label="length")])
    try:
        pixels, _ = read_picture(path)
    except BadInput as error:
        assert str(error).count("\n") == 0
    else:
        assert pixels.min() >= 0
        assert pixels.max() <= 1


def test_values_outside_are_cut_and_halves_are_rounded(tmp_path):
    pixels = np.full((1, 3, 1, 5), [-0.2, 0.0, 0.4999 / 255, 0.5001 / 255, 1.3])
    write_picture(tmp_path / "out.png", pixels)
    assert opened(tmp_path / "out.png")[0][0, :, 0].tolist() == [0, 0, 0, 1, 255]
    with pytest.raises(BadInput, match="JPEG holds 65500"):
        write_picture(tmp_path / "out.jpg", np.zeros((1, 3, 1, 65501)))
    assert not (tmp_path / "out.jpg").exists()


def test_a_network_without_a_reach_takes_the_whole_picture(tmp_path):
    """SwinIR's windows begin at the picture's corner: a band would see others."""
    from swinir_networks import random_swinir

    from karat.refimpl.load import load

    arguments = {"img_size": 8, "embed_dim": 12, "depths": [2], "num_heads": [2], "window_size": 4}
    net = random_swinir(arguments | {"upscale": 2, "upsampler": "pixelshuffledirect"}, 0)
    model = load({name: value.numpy() for name, value in net.state_dict().items()})
    x = np.random.default_rng(0).random((1, 3, 70, 9))
    np.testing.assert_array_equal(upscale_bands(model, x), model(x))
