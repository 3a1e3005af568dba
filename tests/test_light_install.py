"""What the core install can do: run, inspect, zoo and upscale need neither torch nor coremltools."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

import karat
from karat.convert.export.coreml import export

# As if the extras were not installed: importing one of these fails the way Python itself fails.
WITHOUT_EXTRAS = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "coremltools", "matplotlib", "pytest", "hypothesis"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A package and the picture for it."""
    folder = tmp_path_factory.mktemp("light")
    export(karat.load("zoo:quicksrnet-small-x2"), folder / "network.mlpackage", input_shape=(1, 3, 24, 32))
    Image.fromarray(astronaut()[100:124, 200:232]).save(folder / "photo.png")
    return folder


def light(folder, *words):
    """Run ``karat WORDS...`` without the extras."""
    program = f"{WITHOUT_EXTRAS}\nsys.argv = {['karat', *words]}\nfrom karat.app.cli import main\nmain()"
    return subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize(
    "words",
    [
        "zoo",
        "inspect network.mlpackage",
        "run network.mlpackage -i photo.png -o executed.png",
        "upscale photo.png -o upscaled.png",
        "prune zoo:swinir-small-x2 -o pruned.safetensors --heads 1 --by sensitivity",
        "table lightweight --counts-only",
    ],
)
def test_works_without_extras(folder, words):
    done = light(folder, *words.split())
    assert (done.returncode, done.stderr) == (0, "")


def test_the_package_gives_the_picture_of_the_reference(folder):
    for words in ("run network.mlpackage -i photo.png -o a.png", "upscale photo.png -o b.png"):
        assert light(folder, *words.split()).returncode == 0
    a, b = (np.asarray(Image.open(folder / name), int) for name in ("a.png", "b.png"))
    assert a.shape == b.shape == (48, 64, 3)
    assert np.abs(a - b).max() <= 1  # both are rounded to bytes, and fp16 may tip a half


def test_a_package_is_verified(folder):
    done = light(folder, "verify", "network.mlpackage", "-w", "zoo:quicksrnet-small-x2", "-i", "photo.png")
    assert (done.returncode, done.stderr) == (0, "")
    assert "faithful: only rounding" in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        "verify",
        "plan --target-psnr 80 -w zoo:quicksrnet-small-x2",
        "export -o out.mlpackage",
        "prune zoo:swinir-small-x2 -o out.safetensors --heads 1 --by taylor",
    ],
)
def test_what_needs_the_extra_names_it(folder, words):
    before = set(folder.rglob("*"))
    done = light(folder, *words.split())
    assert done.returncode == 2
    assert done.stderr.startswith("karat: this command needs torch")
    assert done.stderr.count("\n") == 1
    assert "pip install 'karat[convert]'" in done.stderr
    assert set(folder.rglob("*")) == before


def test_the_extras_are_absent_in_there(folder):
    for name in ("torch", "coremltools.models"):
        done = subprocess.run(
            [sys.executable, "-c", f"{WITHOUT_EXTRAS}\nimport {name}"], cwd=folder, capture_output=True
        )
        assert done.returncode == 1
        assert b"ModuleNotFoundError" in done.stderr
