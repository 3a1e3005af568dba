"""The log of a training, ``log.jsonl``: a line of JSON for every checkpoint."""

import json
import os
from pathlib import Path

from ...refimpl.errors import BadInput

ENTRIES = {"iteration": int, "loss": float, "psnr": float}


def read_log(path) -> list[dict]:
    """Lines of a log; one that is torn at its end, as a kill leaves it, is left out.

    Parameters
    ----------
    path : path_like

    Returns
    -------
    list of dict
        ``iteration``, ``loss`` and ``psnr`` in dB.

    Raises
    ------
    BadInput
        When another line is none that a training wrote.
    """
    content = Path(path).read_bytes() if Path(path).exists() else b""
    *whole, torn = content.split(b"\n")
    lines = [_line(text) for text in whole]
    if None in lines:
        raise BadInput(
            f"line {1 + lines.index(None)} of {path} is damaged, expected what a training wrote there; restore the "
            "file or take another folder"
        )
    return [line for line in (*lines, _line(torn)) if line]


def mend_log(path, iteration: int) -> str | None:
    """Leave in a log what happened up to the checkpoint that is gone on from, before anything is added.

    A line is written before its checkpoint: what a kill cut off there, or a line whose checkpoint never came, is
    written again.

    Parameters
    ----------
    path : Path
    iteration : int
        Of the checkpoint.

    Returns
    -------
    str or None
        What was dropped, for people.

    Raises
    ------
    BadInput
        When the log is damaged elsewhere, or has nothing of the training that the checkpoint is of.
    """
    lines = [line for line in read_log(path) if line["iteration"] <= iteration]
    if iteration and not lines:
        raise BadInput(
            f"{path} tells nothing of the {iteration} iterations in checkpoint.pt beside it, expected a line for each "
            "checkpoint; restore the file or take another folder"
        )
    content = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
    before = path.read_bytes() if path.exists() else b""
    if content == before:
        return None
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)
    if content.split() == before.split():  # the last line's end
        return None
    return f"{path}: what follows iteration {iteration} was cut off before its checkpoint, and is dropped"


def _line(text):
    """What a line says; None where it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):  # no UTF-8 either
        return None
    if type(found) is not dict or found.keys() != ENTRIES.keys():
        return None
    return found if all(type(found[name]) is kind for name, kind in ENTRIES.items()) else None
