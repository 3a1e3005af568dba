"""A plan is made, and checked as a whole."""

import os
from pathlib import Path

from ...refimpl.errors import BadInput
from ..outputs import check_output
from ..photos.limits import check_dng_color, check_format, file_bits
from ..photos.read import printable
from ..photos.size import plan_size
from .checks import check_names, folder_problem
from .inputs import Found
from .manifest import known_outputs
from .memory import predict
from .names import file_format, is_file_name, output_path
from .plan import Item, Plan, Refused
from .space import predicted_size


def make_plan(found: Found, output, options, fast, decoder, replace_outputs=False, resume=False) -> Plan:
    """Look at all photographs, and decide what becomes of them.

    Parameters
    ----------
    found : Found
    output : path_like
        A file for one photograph, a folder otherwise.
    options : Options
    fast : Upscaler
    decoder : Decoder
    replace_outputs : bool
        Whether results may be there.
    resume : bool
        Whether results may be there that a manifest of the folder knows.

    Returns
    -------
    Plan
        With the problems found; `Plan.check` raises them.

    Raises
    ------
    BadInput
        When the output's name is none.
    """
    output = Path(os.fsdecode(output))
    alone = is_file_name(output, found.lone)
    wanted = file_format(output, options.format) if alone else options.format
    if alone:
        check_output(output)
    elif output.exists() and not output.is_dir():
        raise BadInput(f"{printable(str(output))} is a file, expected a folder for the results; choose another output")
    entries = [_entry(source, output, alone, wanted, options, fast, decoder) for source in found.sources]
    known = {output / name for name in known_outputs(output)} if resume and not alone else set()
    entries = check_names(entries, replace_outputs, known if resume else None)
    plan = Plan(entries, None if alone else output, found)
    there = sum(item.size for item in plan.items if item.output in known and item.output.exists())  # most are done
    plan.problem = folder_problem(output.parent if alone else output, plan.size - there)
    return plan


def _entry(source, output, alone, wanted, options, fast, decoder):
    """One photograph, by itself."""
    name = printable(source.path.name)
    try:
        header = decoder.header(source.path)
        file_size = source.path.stat().st_size
    except BadInput as error:
        return Refused(source, str(error))
    except OSError as error:
        return Refused(source, f"{name} is gone ({error.strerror}), expected it where it was; put it back")
    format = wanted or header.format
    try:
        target = plan_size(header.width, header.height, fast.scale, options.scale, options.size)
        bits = file_bits(format, header.bits, options.bits)
        if format == "RAW" and header.format != "RAW":
            raise BadInput("the picture is no sensor data, expected it for a linear DNG; choose TIFF or PNG")
        if format == "RAW":
            check_dng_color(options.color)
        check_format(format, target.width, target.height, header.channels, options.bits)
        needs = predict(fast, header, target, format, bits, options, file_size)
    except BadInput as error:
        return Refused(source, f"{name}: {error}", fatal=True)
    path = output if alone else output_path(source, format, output)
    return Item(source, path, header, format, target, needs, predicted_size(format, target, header.channels, bits))
