"""The folder of a training: it belongs to one, which may be gone on with and made longer."""

import hashlib
import json
import os
from pathlib import Path

from ...refimpl.errors import BadInput

SETTINGS = "settings.json"
WRITTEN = ("checkpoint.pt", "checkpoint.tmp", "log.jsonl", "log.tmp")
WRITTEN += ("weights.safetensors", "importances.safetensors", "curve.svg")


def claim(work, settings, inputs=()):
    """Make the folder this training's, or raise BadInput when it is another's, or nobody's and not empty.

    Parameters
    ----------
    work : Path
    settings : dict
        Whatever decides what is learnt; the length and the rate may change.
    inputs : iterable of Path
        Files that are read, none of which may be written over.
    """
    work, path = Path(work), Path(work) / SETTINGS
    if work.exists() and not work.is_dir():
        raise BadInput(f"{work} is a file, expected a folder for the training; name another")
    present = [work / name for name in (*WRITTEN, SETTINGS) if (work / name).exists()]
    for source in inputs:
        if any(source.exists() and source.samefile(place) for place in present):
            raise BadInput(f"{source} would be written over by the training, expected a WORK without it; name another")
    if path.exists():
        before = _read(path)
        for name in settings:
            if before.get(name) != settings[name]:
                raise BadInput(
                    f"{work} holds a training with {name} {before.get(name)}, not with {settings[name]}; take another "
                    "folder, or the options that it was begun with"
                )
    elif present:
        raise BadInput(
            f"{present[0]} is not of a training (no {SETTINGS} beside it) and would be written over, expected a folder "
            "without such files; name another"
        )
    _write(path, settings)


def _write(path, settings):
    temporary = path.with_name(f".{SETTINGS}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(settings, indent=1) + "\n")
        os.replace(temporary, path)
    except OSError as error:
        raise BadInput(
            f"{path.parent} cannot be written to ({error.strerror}), expected a folder that can; name another"
        ) from None


def pictures_hash(pairs):
    """By which the pictures of a training know each other."""
    digest = hashlib.sha256()
    for _, hr in pairs:
        digest.update(repr(hr.shape).encode() + hr.tobytes())
    return digest.hexdigest()[:16]


def _read(path):
    try:
        before = json.loads(path.read_text())
    except (OSError, ValueError):
        before = None
    if not isinstance(before, dict):
        raise BadInput(f"{path} is damaged, expected what a training wrote there; take another folder")
    return before
