"""``karat run --against``: does a package give what it should?"""

import math

from ..convert.fidelity.rounding import compare
from ..refimpl.errors import BadInput


def run_against(console, program, inputs, found, expected, profile):
    """Print how far every output is from what was expected.

    Parameters
    ----------
    console : rich.console.Console
    program : Program
    inputs, found, expected : dict of str to ndarray
    profile : str
        Arithmetic that ``found`` was computed in.

    Returns
    -------
    int
        Exit code: 0 when rounding explains all differences, 1 when it does not.

    Raises
    ------
    BadInput
        When the expected arrays are not exactly the outputs.
    """
    labels = {name: value.item() for name, value in found.items() if value.dtype.kind == "U"}
    wrong = {name: expected[name] for name in labels if name in expected and str(expected[name]) != labels[name]}
    for name, value in wrong.items():
        console.print(
            f"{name}: DIFFERS, it is {labels[name]!r}, expected {str(value)!r}", highlight=False, markup=False
        )
    found = {name: value for name, value in found.items() if name not in labels}
    expected = {name: value for name, value in expected.items() if name not in labels}
    if set(expected) != set(found):
        given, wanted = (", ".join(sorted(names)) or "nothing" for names in (expected, found))
        raise BadInput(f"the expected arrays are {given}, the package gives {wanted}; name them so in the .npz")
    for name, value in expected.items():
        if value.dtype.kind not in "buif":
            raise BadInput(f"the expected {name!r} has dtype {value.dtype}, expected numbers; save it as such")
        if not value.size:
            raise BadInput(f"the expected {name!r} is empty, nothing would be compared; give its values")
    differences = compare(program, inputs, expected, profile)
    for difference in differences:
        console.print(_sentence(difference, profile), highlight=False, markup=False, soft_wrap=True)
    return 0 if not wrong and all(difference.agrees for difference in differences) else 1


def _sentence(d, profile):
    """One output in a line: answer, largest difference, where, found, expected, and what rounding explains."""
    answer = "agrees" if d.agrees else "DIFFERS"
    if d.place is None:
        return f"{d.name}: {answer}, its shape is {d.found}, expected {d.expected}"
    place = f"[{', '.join(map(str, d.place))}]"
    where = f"at {place}: {d.found:.9g}, expected {d.expected:.9g}"
    relative = f", {d.relative:.3g} of the largest expected value" if math.isfinite(d.relative) else ""
    explained = f"rounding in {profile} explains {d.own:.3g}"
    if d.elsewhere is not None:
        explained += f", that of the expected values and of the stored constants {d.elsewhere:.3g} more"
    return f"{d.name}: {answer}, largest difference {d.largest:.3g} {where}{relative}; {explained}"
