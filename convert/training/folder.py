"""The folder of a training: it belongs to one, which may be gone on with and made longer."""

import hashlib
import json
from pathlib import Path

from ...refimpl.errors import BadInput

SETTINGS = "settings.json"


def claim(work, settings):
    """Make the folder this training's, or raise BadInput when it is another's.

    Parameters
    ----------
    work : Path
    settings : dict
        Whatever decides what is learnt; the length and the rate may change.
    """
    work, path = Path(work), Path(work) / SETTINGS
    if work.exists() and not work.is_dir():
        raise BadInput(f"{work} is a file, expected a folder for the training; name another")
    if path.exists():
        before = _read(path)
        for name in settings:
            if before.get(name) != settings[name]:
                raise BadInput(
                    f"{work} holds a training with {name} {before.get(name)}, not with {settings[name]}; take another "
                    "folder, or the options that it was begun with"
                )
    work.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings, indent=1) + "\n")


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
