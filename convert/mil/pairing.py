"""The sidecar that our exporter writes beside a package: which operation came from which layer."""

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


def write_pairing(path, operators):
    """Write a sidecar: ``{variable: {"layer": str, "torch": str, "last": bool}}``."""
    Path(path).write_text(json.dumps({"format": FORMAT, "operators": operators}, indent=1))


def read_pairing(package):
    """The sidecar of a package; empty when there is none.

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
        operators = content["operators"]
        sound = content["format"] == FORMAT and isinstance(operators, dict)
        sound = sound and all(isinstance(e["layer"], str) and isinstance(e["last"], bool) for e in operators.values())
    except (ValueError, LookupError, TypeError, RecursionError, OSError):
        operators, sound = {}, False
    if not sound:
        raise BadInput(f"{path.name} is no pairing of format {FORMAT}; delete it or export the package again")
    return operators
