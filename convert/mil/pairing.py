"""The sidecar that our exporter writes beside a package: which operation came from which layer."""

import hashlib
import json
from pathlib import Path

from ...refimpl.errors import BadInput

FORMAT = 1


def sidecar_path(package):
    """Where the sidecar of a package lies: ``m.pairing.json`` beside ``m.mlpackage``.

    Examples
    --------
    >>> sidecar_path("m.mlpackage").name
    'm.pairing.json'
    """
    return Path(package).with_suffix(".pairing.json")


def write_pairing(path, package, operators):
    """Write the sidecar of a package: ``{variable: {"layer": str, "torch": str, "last": bool}}``."""
    content = {"format": FORMAT, "model_sha256": _digest(package), "operators": operators}
    Path(path).write_text(json.dumps(content, indent=1))


def _digest(package):
    """Of everything in a package but its weights: what a sidecar belongs to."""
    models = sorted(Path(package).rglob("*.mlmodel"))
    return hashlib.sha256(b"".join(model.read_bytes() for model in models)).hexdigest()


def read_pairing(package):
    """The sidecar of a package; empty when there is none, or one that was written for another program.

    Parameters
    ----------
    package : path_like

    Returns
    -------
    dict of str to dict
        Output variable -> {"layer": module path, "torch": torch operator, "last": whether it is the layer's output}.

    Raises
    ------
    BadInput
        When the file is no such sidecar.
    """
    path = sidecar_path(package)
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_bytes())
        operators, digest = content["operators"], content["model_sha256"]
        sound = content["format"] == FORMAT and isinstance(operators, dict)
        sound = sound and all(isinstance(e["layer"], str) and isinstance(e["last"], bool) for e in operators.values())
    except (ValueError, LookupError, TypeError, RecursionError, OSError):
        operators, digest, sound = {}, "", False
    if not sound:
        raise BadInput(f"{path.name} is no pairing of format {FORMAT}; delete it or export the package again")
    return operators if digest == _digest(package) else {}
