"""Small jobs for the tests of `karat.app.batch`: a network that takes no time, and pictures of every content."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from karat.refimpl.checkpoint import write_safetensors
from karat.refimpl.models import quicksrnet

MANIFEST = "karat-manifest"
RUN = "from karat.app.cli import main; main()"


def tiny_network(folder):
    """A network of one layer, as a file."""
    config = quicksrnet.Config(features=3, layers=1, subpixel=2)
    path = Path(folder) / "tiny.safetensors"
    write_safetensors(path, dict(quicksrnet.identity(config).parameters))
    return path


def picture(path, seed=0, width=9, height=7, **options):
    """A file of random pixels; its suffix says the format."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def tree(folder):
    """Every file of a folder but manifests: its place and hash."""
    return {
        os.fsencode(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in Path(folder).rglob("*")
        if path.is_file() and not path.name.startswith(MANIFEST)
    }


def leftovers(folder):
    """Temporary files."""
    return [path for path in Path(folder).rglob(".*") if path.is_file()]


def command(*words):
    """``karat upscale WORDS...``, to be started."""
    return [sys.executable, "-c", RUN, "upscale", *map(os.fspath, words)]


def run(folder, *words, code=0):
    """Run it: (stdout, stderr); its exit code is checked."""
    environment = {**os.environ, "COLUMNS": "200"}
    done = subprocess.run(command(*words), cwd=folder, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


def statuses(held):
    """What became of each photograph."""
    return [image["status"] for image in held["images"]]
