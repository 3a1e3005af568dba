"""The command line: exit codes 0, 1 and 2, errors of one sentence, and nothing written when there is an error."""

import io
import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

import karat
from karat.app import cli
from karat.convert.export.coreml import export
from karat.convert.fidelity import Verdict
from karat.convert.fidelity.ledger import Ledger
from karat.refimpl.checkpoint import write_safetensors

KARAT = Path(sys.executable).with_name("karat")  # as pip installed it
ZOO = "zoo:quicksrnet-small-x2"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A package that takes 16 x 16 pixels, photographs, changed weights, and things that are none of these."""
    folder = tmp_path_factory.mktemp("cli")
    model = karat.load(ZOO)
    export(model, folder / "network.mlpackage", input_shape=(1, 3, 16, 16))
    changed = {name: np.array(value) for name, value in model.parameters.items()}
    changed["cnn.2.bias"][5] += 0.01
    write_safetensors(folder / "changed.safetensors", changed)
    photo = Image.fromarray(astronaut()[100:120, 200:221])
    photo.save(folder / "photo.png")
    photo.crop((0, 0, 15, 20)).save(folder / "narrow.png")
    photo.convert("RGBA").save(folder / "transparent.png")
    photo.convert("CMYK").save(folder / "cmyk.jpg")
    (folder / "truncated.png").write_bytes((folder / "photo.png").read_bytes()[:300])
    (folder / "text.png").write_text("no picture")
    (folder / "empty.npz").write_bytes(b"")
    (folder / "grey16.png").write_bytes(png(16, colour=0, channels=1))
    (folder / "rgb16.png").write_bytes(png(16, colour=2, channels=3))
    return folder


def png(side, colour, channels):
    """A PNG of 16 bits a channel, which Pillow does not write; every sample is 0x1280."""
    rows = (b"\0" + b"\x12\x80" * channels * side) * side
    header = struct.pack(">IIBBBBB", side, side, 16, colour, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    chunks = [struct.pack(">I", len(d)) + kind + d + struct.pack(">I", zlib.crc32(kind + d)) for kind, d in parts]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.fixture
def run(monkeypatch, capsys, folder):
    """Call ``karat WORDS...`` in the folder: (exit code, stdout, stderr)."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(folder)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["karat", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        printed = capsys.readouterr()
        return stopped.value.code or 0, printed.out, printed.err

    return call


def contents(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


REFUSED = {
    "verify nothing.mlpackage --weights zoo:quicksrnet-small-x2": "does not exist",
    "verify photo.png --weights zoo:quicksrnet-small-x2": "photo.png: ",
    "verify . --weights zoo:quicksrnet-small-x2": "Manifest.json",
    "verify network.mlpackage": "--weights",
    "verify network.mlpackage --weights nothing.pth": "nothing.pth",
    "verify network.mlpackage --weights zoo:nothing": "the zoo holds no 'nothing'",
    "verify network.mlpackage --weights zoo:quicksrnet-small-x2 --input narrow.png": "20 x 15 pixels",
    "verify network.mlpackage --weights zoo:quicksrnet-small-x2 --input nothing.png": "nothing.png is no file",
    "verify network.mlpackage --weights zoo:quicksrnet-small-x2 --average 2": "average=2",
    "verify network.mlpackage --weights zoo:quicksrnet-small-x2 --json nothing/v.json": "folder nothing does not exist",
    "export -o out.mlmodel": ".mlpackage",
    "export -o out.mlpackage --weights nothing.pth": "nothing.pth",
    "export -o out.mlpackage --weights photo.png": "photo.png",
    "export -o out.mlpackage --precision half": "precision is 'half'",
    "export -o out.mlpackage --storage int8": "storage is 'int8'",
    "export -o out.mlpackage --target iOS15": "target is 'iOS15'",
    "export -o out.mlpackage --io float64": "io is 'float64'",
    "export -o out.mlpackage --precision float32 --storage float16": "float16 storage",
    "export -o out.mlpackage --precision float32 --keep-float32 conv": "nothing to keep",
    "export -o out.mlpackage --size 8x8 --keep-float32 nothing": "keep_float32 names nothing",
    "export -o out.mlpackage --size 64": "the size is '64'",
    "export -o out.mlpackage --size 0x64": "the size is '0x64'",
    "export -o out.mlpackage --average 3": "average=3",
    "run nothing.mlpackage -i photo.png -o out.png": "does not exist",
    "run photo.png -i photo.png -o out.png": "photo.png: ",
    "run network.mlpackage -i photo.png -o out.png": "(1, 3, 20, 21)",
    "run network.mlpackage -i nothing.png -o out.png": "nothing.png is no file",
    "run network.mlpackage -i nothing.npz -o out.npz": "nothing.npz",
    "run network.mlpackage -i empty.npz -o out.npz": "empty.npz is no .npz",
    "run network.mlpackage -i text.png -o out.npz": "cannot be read as a picture",
    "run network.mlpackage -i sixteen.png -o out.tif": "ends in .tif",
    "run network.mlpackage -i sixteen.png -o sixteen.png": "the input itself",
    "run network.mlpackage -i sixteen.png -o nothing/out.png": "folder nothing does not exist",
    "run network.mlpackage -i sixteen.png -o nothing/out.npz": "folder nothing does not exist",
    "run network.mlpackage -i sixteen.png -o out.png --profile int4": "no profile 'int4'",
    "inspect nothing.mlpackage": "does not exist",
    "inspect network.mlpackage --json nothing/out.json": "folder nothing does not exist",
    "zoo nothing": "the zoo holds no 'nothing'",
    "zoo --json nothing/out.json": "folder nothing does not exist",
    "upscale nothing.png -o out.png": "nothing.png is no file",
    "upscale . -o .": "is the input and the output folder",
    "upscale . -o photo.png": "is a file, expected a folder",
    "upscale text.png -o out.png": "of no known type",
    "upscale truncated.png -o out.png": "truncated.png",
    "upscale transparent.png -o out.jpg": "the picture is RGB with alpha",
    "upscale photo.png -o out.gif": "ends in",
    "upscale photo.png -o out.png --scale 0": "the scale is 0",
    "upscale photo.png -o out.png --bits 9": "bits is 9",
    "upscale photo.png -o nothing/out.png": "folder nothing does not exist",
    "upscale photo.png -o photo.png": "the input itself",
    "upscale photo.png -o ./../{folder}/photo.png": "the input itself",
    "upscale photo.png -o out.png --model nothing.pth": "nothing.pth",
    "upscale photo.png -o out.png --model zoo:nothing": "the zoo holds no 'nothing'",
}


@pytest.fixture(scope="module")
def sixteen(folder):
    """The picture that fits the package."""
    Image.open(folder / "photo.png").crop((0, 0, 16, 16)).save(folder / "sixteen.png")


@pytest.mark.usefixtures("sixteen")
@pytest.mark.parametrize("words", REFUSED)
def test_bad_input_is_refused_in_one_sentence(run, folder, words):
    before = contents(folder)
    code, _, err = run(*words.format(folder=folder.name).split())
    assert code == 2
    assert err.startswith("karat: ")
    assert err.count("\n") == 1
    assert REFUSED[words] in err
    assert contents(folder) == before


def test_a_neuralnetwork_is_refused_by_name(run, data):
    path = data / "coreml/waifu2x_photo_noise1_neuralnetwork.mlmodel"
    for words in (["inspect", path], ["run", path, "-i", "photo.png", "-o", "out.png"], ["verify", path, "-w", ZOO]):
        code, _, err = run(*words)
        assert code == 2
        assert err.count("\n") == 1
        assert "neuralnetwork" in err


def test_missing_weights_of_a_package_are_named(run, data):
    code, _, err = run("inspect", data / "coreml/SwinIR_4x_missing_weights.mlpackage")
    assert (code, err.count("\n")) == (2, 1)
    assert "weight.bin" in err


@pytest.mark.parametrize("words", ["nothing", "verify --nothing", "run", "export -o out.mlpackage --average two", ""])
def test_wrong_usage_exits_with_two(run, words):
    code, out, err = run(*words.split())
    assert code == 2
    assert "Usage" in out + err
    assert "Traceback" not in err


def test_verify_says_yes(run, sixteen, folder):
    code, out, err = run("verify", "network.mlpackage", "-w", ZOO, "-i", "sixteen.png", "--json", "yes.json")
    assert (code, err) == (0, "")
    assert "faithful: only rounding; 10 of 10 values compared" in out
    verdict = json.loads((folder / "yes.json").read_text(), parse_constant=pytest.fail)
    assert verdict["faithful"] is True
    assert [row["verdict"] for row in verdict["rows"]] == ["ok"] * 10
    assert {"layer", "operator", "verdict"} <= set(verdict["rows"][0])


def test_verify_cuts_a_larger_picture_and_says_so(run):
    code, out, _ = run("verify", "network.mlpackage", "-w", ZOO, "-i", "photo.png")
    assert code == 0
    assert "its centre cut to the package's size: 16 x 16 pixels" in out


def test_verify_says_no(run, sixteen, folder):
    words = ["verify", "network.mlpackage", "-w", "changed.safetensors", "-i", "sixteen.png", "--json", "no.json"]
    code, out, _ = run(*words)
    assert code == 1
    assert "NOT FAITHFUL" in out
    verdict = json.loads((folder / "no.json").read_text(), parse_constant=pytest.fail)
    assert verdict["faithful"] is False
    assert next(row["layer"] for row in verdict["rows"] if row["verdict"] != "ok") == "cnn.2"


def test_verify_says_that_it_cannot_tell(run, sixteen, folder, monkeypatch):
    """A verdict without rows compared nothing, and nothing compared is no success."""
    picture = np.zeros((1, 3, 32, 32))
    empty = Verdict([], {"total": np.inf}, Ledger(), "fp32-accumulate", picture, picture)
    monkeypatch.setattr(sys.modules["karat.convert.fidelity.verify"], "verify", lambda *args, **kwargs: empty)
    code, _, _ = run("verify", "network.mlpackage", "-w", ZOO, "-i", "sixteen.png", "--json", "unknown.json")
    assert code == 2
    verdict = json.loads((folder / "unknown.json").read_text(), parse_constant=pytest.fail)
    assert (verdict["faithful"], verdict["rows"]) == (None, [])


def test_run_gives_the_picture_and_the_arrays(run, sixteen, folder):
    code, out, err = run("run", "network.mlpackage", "-i", "sixteen.png", "-o", "executed.png")
    assert (code, err) == (0, "")
    assert "y: float32 (1, 3, 32, 32)" in out
    x = np.asarray(Image.open(folder / "sixteen.png")).transpose(2, 0, 1)[None] / 255
    np.savez(folder / "x.npz", x=x)
    for profile, dtype in (("fp32-accumulate", np.float32), ("float64", np.float64)):
        assert run("run", "network.mlpackage", "-i", "x.npz", "-o", f"{profile}.npz", "--profile", profile)[0] == 0
        with np.load(folder / f"{profile}.npz") as archive:
            assert (archive.files, archive["y"].dtype) == (["y"], dtype)
    with np.load(folder / "fp32-accumulate.npz") as archive:
        pixels = np.round(archive["y"][0].clip(0, 1).astype(np.float64) * 255)
    assert np.array_equal(np.asarray(Image.open(folder / "executed.png")).transpose(2, 0, 1), pixels)


def test_run_refuses_an_unknown_input(run, folder):
    np.savez(folder / "z.npz", z=np.zeros(3))
    code, _, err = run("run", "network.mlpackage", "-i", "z.npz", "-o", "out.npz")
    assert (code, err.count("\n")) == (2, 1)
    assert "no input 'z'" in err


def test_inspect(run, folder):
    code, out, err = run("inspect", "network.mlpackage", "--json", "inspect.json")
    assert (code, err) == (0, "")
    assert "pixel_shuffle" in out
    document = json.loads((folder / "inspect.json").read_text())
    assert document["inputs"] == [{"name": "x", "shape": [1, 3, 16, 16], "dtype": "float32"}]
    assert document["operators"] == {"conv": 4, "clip": 4, "cast": 2, "pixel_shuffle": 1}
    assert document["unsupported"] == []


def test_zoo(run, folder):
    code, out, _ = run("zoo", "--json", "zoo.json")
    assert code == 0
    assert ZOO in out
    (entry,) = [e for e in json.loads((folder / "zoo.json").read_text()) if f"zoo:{e['name']}" == ZOO]
    assert (entry["scale"], entry["parameters"]) == (2, 22860)
    assert entry["set5_psnr"] >= 36.8
    assert "sha256" in run("zoo", "quicksrnet-small-x2")[1]


def test_export_replaces_and_writes_the_sidecar(run, folder):
    for size in ("8x12", "12x8"):
        assert run("export", "-o", "again.mlpackage", "--size", size)[0] == 0
        height, width = map(int, size.split("x"))
        assert karat.open_package(folder / "again.mlpackage").inputs[0].shape == (1, 3, height, width)
    assert (folder / "again.pairing.json").is_file()


def test_debug_shows_the_traceback(folder):
    """In a process of its own: what a person sees."""
    for words in (["zoo", "nothing"], ["--debug", "zoo", "nothing"]):
        done = subprocess.run([KARAT, *words], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 2
        assert ("Traceback" in done.stderr) == ("--debug" in words)


def test_an_unforeseen_error_is_one_sentence_and_two(run, monkeypatch, sixteen):
    def break_down(*args, **kwargs):
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr("karat.app.packages.open_package", break_down)
    code, _, err = run("inspect", "network.mlpackage")
    assert (code, err.count("\n")) == (2, 1)
    assert "stopped by RuntimeError: first line; " in err


def test_a_pipe_gets_no_progress_bar_and_no_colour(folder, sixteen):
    done = subprocess.run(
        [KARAT, "upscale", "sixteen.png", "-o", "piped.png"], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    assert done.stdout.splitlines()[-1] == "piped.png written"
    assert "whole picture" in done.stdout.splitlines()[-2]


def test_writing_is_whole_or_not_at_all(run, folder, monkeypatch, sixteen):
    """An error between writing and renaming leaves the old file and no other."""
    (folder / "old.png").write_bytes(b"old")
    before = contents(folder)
    monkeypatch.setattr("os.replace", lambda *args: (_ for _ in ()).throw(OSError("the disk is gone")))
    code, _, err = run("upscale", "sixteen.png", "-o", "old.png", "--overwrite")
    assert code != 0
    assert "the disk is gone" in err
    assert contents(folder) == before


def test_pictures_survive_a_round_trip_in_memory():
    """`png` above writes what it says: Pillow reads its 16 bits."""
    with Image.open(io.BytesIO(png(4, colour=0, channels=1))) as image:
        assert np.asarray(image).tolist() == [[0x1280] * 4] * 4


@pytest.mark.parametrize("lost", ["changed.safetensors", "photo.png"])
def test_a_result_never_replaces_an_input(run, folder, lost):
    before = (folder / lost).read_bytes()
    code, out, err = run("verify", "network.mlpackage", "-w", "changed.safetensors", "-i", "photo.png", "--json", lost)
    assert (code, out) == (2, "")
    assert "is the input itself" in err
    assert (folder / lost).read_bytes() == before


def test_a_folder_is_no_output(run, folder):
    code, _, err = run("verify", "network.mlpackage", "-w", ZOO, "-i", "photo.png", "--json", ".")
    assert code == 2
    assert "is a folder" in err


def test_debug_stands_anywhere(run):
    assert "Traceback" in run("inspect", "--debug", "nowhere.mlpackage")[2]


def test_zoo_writes_one_network_too(run, folder):
    assert run("zoo", "quicksrnet-small-x2", "--json", "one.json")[0] == 0
    ((entry),) = json.loads((folder / "one.json").read_text())
    (folder / "one.json").unlink()
    assert entry["name"] == "quicksrnet-small-x2"
