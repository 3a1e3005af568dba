"""The page of before and after that a job may leave, with ground truths where there are any."""

from pathlib import Path

from ...refimpl.errors import BadInput
from ..photos.compare import Pair, check_truth, write_comparison
from ..photos.decoder import Decoder


def find_truths(truth, plan, decoder):
    """Ground truths by output, checked before any work is done.

    Parameters
    ----------
    truth : path_like or None
        The picture that the only photograph was made smaller from, or a folder that holds one for each photograph
        under its name, whatever its suffix.
    plan : Plan
    decoder : Decoder

    Returns
    -------
    dict of Path to Path

    Raises
    ------
    BadInput
        When there is none, or one of another size.
    """
    if truth is None:
        return {}
    truth = Path(truth)
    if not truth.is_dir() and len(plan.items) != 1:
        raise BadInput(
            f"{truth} is no folder and there are {len(plan.items)} photographs, expected one ground truth for each; "
            "name a folder that holds them"
        )
    found = {item.output: _of(item, truth) for item in plan.items}
    for item in plan.items:
        header = decoder.header(found[item.output])
        before, after = (item.header.width, item.header.height), (item.target.width, item.target.height)
        check_truth((header.width, header.height), before, after)
    return found


def write_page(path, plan, truths):
    """Write the page of all photographs of the plan that have a result.

    Parameters
    ----------
    path : path_like
    plan : Plan
    truths : dict
        Of `find_truths`.

    Returns
    -------
    str
        How many photographs it shows: not all where they would not fit.
    """
    made = [item for item in plan.items if item.output.is_file()]
    with Decoder() as decoder:
        shown = write_comparison(path, _pairs(made, truths, decoder), of=len(made))
    return (
        f"{shown} photograph{'s' if shown > 1 else ''}" if shown == len(made) else f"{shown} of {len(made)} photographs"
    )


def _pairs(made, truths, decoder):
    for item in made:
        truth = truths.get(item.output)
        try:
            before, after = decoder.photo(item.source.path), decoder.photo(item.output)
            yield Pair(item.source.path.name, before, after, decoder.photo(truth) if truth else None)
        except BadInput:  # it vanished since it was computed
            continue


def _of(item, truth):
    if not truth.is_dir():
        return truth
    stem = item.source.path.stem
    found = sorted(path for path in truth.iterdir() if path.stem == stem and path.is_file())
    if len(found) != 1:
        count = f"{len(found)} files" if found else "no file"
        raise BadInput(f"{truth} holds {count} called {stem}, expected one ground truth for {item.source.path.name}")
    return found[0]
