"""``karat inspect --range``: what no image can do to a package, without its checkpoint."""

import json as jsonlib

from ..convert.fidelity.ranges.certificate import certify
from ..convert.mil import open_package
from .outputs import check_output, write_bytes
from .progress import bar


def run_range(console, package, json=None, function=None):
    """Print a package's range certificate.

    Parameters
    ----------
    console : rich.console.Console
    package : Path
    json : Path or None
        Also write the certificate there.
    function : str or None
        Of a package with several.

    Returns
    -------
    int
        Exit code: 0 no image in [0, 1] overflows, 1 one was found that does, 2 not known.
    """
    if json:
        check_output(json, package)
    with bar("range for all images") as progress:
        certificate = certify(open_package(package, function), progress=progress)
    for line in certificate.lines():
        console.print(line, highlight=False, markup=False, emoji=False, soft_wrap=True)
    if json:
        write_bytes(json, jsonlib.dumps(certificate.to_dict(), indent=1, allow_nan=False).encode())
    return {False: 0, True: 1, None: 2}[certificate.overflows]
