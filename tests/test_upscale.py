"""`karat upscale`: what the file holds, and pictures that keep what they came with."""

import gc
import io
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from dyadic import dyadic_model
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms
from skimage.data import astronaut
from swinir_networks import random_swinir

import karat
from karat.app.amounts import UNITS, parse_bytes
from karat.app.photos.bands import HELD
from karat.app.picture import FORMATS, read_picture, write_picture
from karat.app.progress import bar, named_bar
from karat.app.quick import BLAS, quick_start
from karat.kernels import cpu
from karat.kernels.pictures.tile_plan import plan_tiles
from karat.kernels.pictures.tiling import fixed_plan, fixed_tiles
from karat.refimpl.errors import BadInput
from karat.refimpl.load import load
from karat.refimpl.models import quicksrnet


def opened(path):
    """(pixels, mode, info) of a picture, the file closed again."""
    with Image.open(path) as image:
        return np.asarray(image), image.mode, dict(image.info)


def bytes_of(y):
    return np.round(np.clip(y[0], 0, 1) * 255).transpose(1, 2, 0).astype(np.uint8)


def test_the_file_holds_what_the_network_gives(tmp_path):
    photo = astronaut()[90:121, 200:233]  # 31 x 33: odd sides
    Image.fromarray(photo).save(tmp_path / "in.png")
    karat.upscale(tmp_path / "in.png", tmp_path / "out.png")
    x = (photo.transpose(2, 0, 1)[None] / 255).astype(np.float32)
    assert np.array_equal(opened(tmp_path / "out.png")[0], bytes_of(karat.compile("zoo:quicksrnet-small-x2")(x)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pixels_are_the_nearest_of_their_type(tmp_path, dtype):
    values = np.arange(256, dtype=np.uint8)
    Image.fromarray(values.reshape(16, 16)).save(tmp_path / "all.png")
    pixels = read_picture(tmp_path / "all.png", dtype)
    assert pixels.dtype == dtype
    assert np.array_equal(pixels[0, 0].ravel(), (values / 255).astype(dtype))


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
    pixels = read_picture(tmp_path / f"in{suffix}")
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
        pixels = read_picture(data / f"camera/rotation_{n}.jpg")
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
        pixels = read_picture(path)
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


ARGUMENTS = {"img_size": 8, "embed_dim": 12, "depths": [2], "num_heads": [2], "window_size": 4}


@pytest.fixture(scope="module")
def swinir():
    net = random_swinir(ARGUMENTS | {"upscale": 2, "upsampler": "pixelshuffledirect"}, 0)
    return load({name: value.numpy() for name, value in net.state_dict().items()})


@pytest.fixture
def photo(tmp_path):
    """A file of 200 x 41 pixels, and what it holds."""
    pixels = astronaut()[90:290, 200:241]
    Image.fromarray(pixels).save(tmp_path / "in.png")
    return tmp_path / "in.png", (pixels.transpose(2, 0, 1)[None] / 255).astype(np.float32)


def test_fixed_tiles_are_written(tmp_path, swinir, photo):
    said, seen = [], []
    options = {"tile": (16, 24), "overlap": 4, "threads": 1}
    karat.upscale(photo[0], tmp_path / "out.png", swinir, lambda *step: seen.append(step), say=said.append, **options)
    expected = fixed_tiles(karat.compile(swinir, threads=1), photo[1], (16, 24), 4, 2)
    assert np.array_equal(opened(tmp_path / "out.png")[0], bytes_of(expected))
    tiles = len(fixed_plan(200, 41, (16, 24), 4))
    share = seen[-2][0]  # the rest is the encoder's
    assert 0 < share < 1
    assert seen[-1] == (1.0, 1)
    assert [done for done, _ in seen[:-1]] == pytest.approx([share * done / tiles for done in range(tiles + 1)])
    assert said[-1].startswith(cpu.target().line)
    assert "1 thread, tiles of 16 x 24 pixels that overlap by 4" in said[-1]


def test_little_memory_makes_tiles(tmp_path, swinir, photo):
    said = []
    fast = karat.compile(swinir, threads=1)
    planned = karat.upscale(photo[0], tmp_path / "out.png", swinir, threads=1, dry_run=True)["images"][0]
    assert planned["memory"] > fast.memory(200, 41)
    settings = {"threads": 1, "max_memory": planned["memory"] - 1, "halo": 4, "say": said.append}
    held = karat.upscale(photo[0], tmp_path / "out.png", swinir, **settings)
    assert held["images"][0]["memory"] < planned["memory"]
    plan = plan_tiles(fast, 200, 41, fast.memory(200, 41) - 1, 4, HELD)
    assert len(plan.tiles) > 1
    pixels = opened(photo[0])[0]
    tiled = karat.upscale_array(pixels, fast, max_memory=fast.memory(200, 41) - 1, halo=4)
    assert np.array_equal(opened(tmp_path / "out.png")[0], tiled)
    assert f"{len(plan.tiles)} tiles" in said[-1]
    assert "seams are possible" in said[-1]
    karat.upscale(photo[0], tmp_path / "whole.png", swinir, max_memory="1GB", say=said.append)
    assert "whole picture" in said[-1]
    assert np.array_equal(opened(tmp_path / "whole.png")[0], karat.upscale_array(pixels, fast))
    assert not np.array_equal(karat.upscale_array(pixels, fast), tiled)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_memory": "much"}, "'much', expected one such as 2GB"),
        ({"max_memory": "1KB"}, "max_memory leaves"),
        ({"max_memory": 10**9, "tile": 16}, "both a tile and max_memory"),
        ({"tile": 16, "overlap": 16}, "overlap by 16"),
        ({"precision": "float16"}, "precision is 'float16'"),
        ({"threads": 0}, "0 threads"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, swinir, photo, options, words):
    with pytest.raises(BadInput, match=words):
        karat.upscale(photo[0], tmp_path / "out.png", swinir, **options)
    assert not (tmp_path / "out.png").exists()


@given(st.integers(0, 10**6), st.sampled_from(sorted(UNITS)), st.booleans())
def test_amounts_of_memory(number, unit, spaced):
    text = f"{number}{' ' if spaced else ''}{unit}"
    assert parse_bytes(text) == parse_bytes(text.lower()) == number * UNITS[unit]


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "1TB", "1e9", "1,5GB", "nan", "9" * 19])
def test_what_is_no_amount(text):
    with pytest.raises(BadInput, match="expected one such as 2GB"):
        parse_bytes(text)


COMMAND = """
import sys
sys.argv = ["karat", "upscale", "in.png", "-o", "out.png", "--model", "zoo:swinir-small-x2", *sys.argv[1:]]
from karat.app.cli import main
try:
    main()
except SystemExit as stopped:
    print(stopped.code or 0, *sorted(sys.modules))
"""


def command(folder, *words):
    """(stdout but for its last line, exit code, modules) of ``karat upscale`` in a process of its own, and stderr."""
    command = [sys.executable, "-c", COMMAND, *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    *said, last = done.stdout.splitlines()
    code, *modules = last.split()
    return said, int(code), set(modules), done.stderr


def test_the_command_loads_no_more_than_it_needs(tmp_path, photo):
    """Nothing of SciPy, scikit-image or the executor, and the bars only where somebody looks."""
    karat.compile("zoo:swinir-small-x2")  # so that the cache is warm
    said, code, modules, stderr = command(tmp_path, "--threads", "1")
    assert (code, stderr) == (0, "")
    assert len(said) == 2
    assert said[0].startswith(f"zoo:swinir-small-x2: {cpu.target().line}, float32, 1 thread, whole picture, about ")
    assert said[1] == "out.png written"
    assert {"karat.kernels.compile", "numba", "PIL"} <= modules
    assert {"scipy.linalg", "skimage", "karat.convert.mil", "rich.progress", "torch"} & modules == set()


def test_the_command_takes_what_upscale_takes(tmp_path):
    Image.fromarray(astronaut()).save(tmp_path / "in.png")  # large enough for the network to count in all
    said, code, *_ = command(tmp_path, "--tile", "32x32", "--overlap", "8")
    assert code == 0
    assert "tiles of 32 x 32 pixels that overlap by 8" in said[0]
    whole = command(tmp_path, "--overwrite", "--threads", "1")[0][0]
    limit = int(re.search(r"whole picture, about (\d+) MB", whole)[1]) - 20
    said, code, *_ = command(tmp_path, "--max-memory", f"{limit}MB", "--halo", "0", "--threads", "1", "--overwrite")
    assert code == 0
    assert "pixels with a halo of 0" in said[0]
    said, code, _, stderr = command(tmp_path, "--max-memory", "much", "--overwrite")
    assert (said, code) == ([], 2)
    assert stderr.startswith("karat: the amount of memory is 'much'")


class Terminal(io.StringIO):
    """What rich takes for a terminal."""

    def isatty(self):
        return True


@pytest.mark.parametrize(("make", "step"), [(bar, (1, 2)), (named_bar, ("part", 1, 2))])
def test_a_bar_is_for_terminals(monkeypatch, make, step):
    written = {}
    for kind in (Terminal, io.StringIO):
        monkeypatch.setattr(sys, "stderr", kind())
        with make("working") as progress:
            progress(*step)
        written[kind] = sys.stderr.getvalue()
    assert "working" in written[Terminal]
    assert written[io.StringIO] == ""


def test_a_quick_start_leaves_nothing_behind():
    with quick_start():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert BLAS not in sys.modules or sys.modules[BLAS] is not None
