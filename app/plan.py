"""``karat plan``: which operators to keep in float32, on the terminal and as code."""

from ..refimpl.errors import BadInput
from ..refimpl.load import load
from .amounts import parse_size
from .example import low_resolution
from .outputs import check_output, write_bytes
from .picture import read_picture
from .progress import stages
from .verify import fit


def run_plan(console, weights, target, picture=None, size="64x64", json=None, output=None, selector=None, average=1):
    """Plan mixed precision for a network.

    Parameters
    ----------
    console : rich.console.Console
    weights : str
        What `karat.load` takes.
    target : float
        In dB against the golden picture.
    picture : Path or None
        The embedded photograph's bicubic reduction by default.
    size : str
        HEIGHTxWIDTH of the package's input, and of the centre of the picture that is used.
    json, selector, output : Path or None
        Also write the plan, the code of ``op_selector``, and the package.
    average : int
        See `karat.refimpl.models.quicksrnet.Config`.

    Returns
    -------
    int
        Exit code: 0 the target is reached, 1 it cannot be; no package is written then.
    """
    from ..convert.export.coreml import check_path, export
    from ..convert.precision.plan import STAGES, plan
    from ..convert.precision.planned import load_selector

    height, width = parse_size(size)
    for path in (json, selector):
        if path:
            check_output(path, picture, weights, output)
    if json and selector and json.resolve() == selector.resolve():
        raise BadInput(f"{json} is given for the plan and for the code, expected two files; choose another name")
    if output:
        check_path(output)
    model = load(weights, **({"average": average} if average != 1 else {}))
    x = read_picture(picture) if picture else low_resolution(model.scale)
    if x.shape[2] < height or x.shape[3] < width:
        raise BadInput(f"the picture is {x.shape[2]} x {x.shape[3]} pixels, the size {size}; give a smaller --size")
    x, _ = fit(x, (1, 3, height, width))
    with stages(STAGES) as progress:
        found = plan(model, x, target, progress)
    name = picture.name if picture else "the astronaut photograph's bicubic reduction"
    text = [f"{weights} on {name}, its centre: {height} x {width} pixels", ""]
    for line in [*text, *found.lines()]:
        console.print(line, highlight=False, markup=False, emoji=False, soft_wrap=True)
    if json:
        write_bytes(json, found.to_json().encode())
    if found.reached and selector:
        write_bytes(selector, found.code.encode())
    if found.reached and output:
        export(model, output, x.shape, op_selector=load_selector(found.code))
    return 0 if found.reached else 1
