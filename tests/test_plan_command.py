"""``karat plan`` on the command line: what it writes, its exit codes, and what it refuses."""

import json
import sys

import numpy as np
import pytest
from networks import random_model
from PIL import Image
from skimage.data import astronaut

from karat.app import cli
from karat.convert.mil import open_package
from karat.refimpl.checkpoint import write_safetensors
from karat.refimpl.load import load
from karat.refimpl.metrics import psnr
from karat.refimpl.models import quicksrnet


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plan")
    write_safetensors(folder / "net.safetensors", dict(random_model(quicksrnet.Config(4, 1, 2), 1).parameters))
    Image.fromarray(astronaut()[100:120, 200:221]).save(folder / "photo.png")
    return folder


@pytest.fixture
def run(monkeypatch, capsys, folder):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(folder)

    def call(words):
        monkeypatch.setattr(sys, "argv", ["karat", "plan", *words.split()])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        printed = capsys.readouterr()
        return stopped.value.code or 0, printed.out, printed.err

    return call


def test_the_command_writes_plan_code_and_package(run, folder):
    words = "--weights net.safetensors --input photo.png --size 16x16 --target-psnr 75 --json plan.json"
    code, out, err = run(f"{words} --selector selector.py --output kept.mlpackage")
    assert (code, err) == (0, "")
    assert "75 dB reached with " in out
    document = json.loads((folder / "plan.json").read_text())
    namespace = {}
    exec((folder / "selector.py").read_text(), namespace)
    assert namespace["KEEP_FLOAT32"] == {kept["name"] for kept in document["kept"]}
    x = np.asarray(Image.open(folder / "photo.png")).transpose(2, 0, 1)[None, :, 2:18, 2:18] / 255
    y = open_package(folder / "kept.mlpackage").predict({"x": x})["y"]
    assert psnr(load(folder / "net.safetensors")(x), y) == document["achieved"] >= 75


def test_the_command_says_no(run, folder):
    before = set(folder.iterdir())
    code, out, _ = run("--weights net.safetensors --input photo.png --size 8x8 --target-psnr 400 --selector no.py")
    assert code == 1
    assert "NOT REACHED: 400 dB were asked for; float32 everywhere gives " in out
    assert set(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--target-psnr 80 --size 64", "the size is '64'"),
        ("--target-psnr 80 --input photo.png", "the picture is 20 x 21 pixels"),
        ("--target-psnr 80 --input nothing.png", "nothing.png is no file"),
        ("--target-psnr 80 --weights zoo:nothing", "the zoo holds no 'nothing'"),
        ("--target-psnr 80 --output kept.mlmodel", "ends in .mlpackage"),
        ("--target-psnr 80 --json nothing/p.json", "folder nothing does not exist"),
        ("--target-psnr 80 --json p.json --selector p.json", "expected two files"),
        ("--target-psnr 80 --json photo.png --input photo.png", "the input itself"),
        ("--target-psnr nan --weights net.safetensors --size 8x8", "the target is nan"),
    ],
)
def test_bad_input_is_refused_before_any_work(run, folder, words, says):
    before = set(folder.iterdir())
    code, out, err = run(words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err
    assert set(folder.iterdir()) == before
