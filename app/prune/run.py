"""``karat prune``: the smaller network as a file that loads like any other."""

import json as jsonlib
from pathlib import Path

import numpy as np

from ...refimpl.checkpoint import write_safetensors
from ...refimpl.errors import BadInput
from ...refimpl.load import load
from ...refimpl.prune import masked, removed, weights
from ...refimpl.prune.count import zeros
from ..amounts import parse_size
from ..lines import say
from ..outputs import write_bytes
from ..progress import named_bar
from .choose import plan_of, scored_on
from .report import Report, print_report


def run_prune(console, source, output, wanted, size="256x256"):
    """Prune a SwinIR and say what went.

    Parameters
    ----------
    console : rich.console.Console
    source : str
        What `karat.load` takes.
    output : Path
        NAME.safetensors.
    wanted : Wanted
    size : str
        HEIGHTxWIDTH that FLOPs are counted for.

    Raises
    ------
    BadInput
        Before anything is written.
    """
    output, size = Path(output), parse_size(size)
    wanted.check(source, output)
    model = load(source)
    with named_bar("scoring") as progress:
        plan, scores = plan_of(model, wanted, progress, lambda line: say(console, line))
    network = (masked if wanted.masked else removed)(model, plan) if plan.cuts else model
    if wanted.unstructured is not None:
        network = _without_weights(network, wanted.unstructured, plan if wanted.masked else None)
    report = Report.of(model, network, plan, wanted, size)
    chosen = _chosen(wanted)
    write_safetensors(output, network.parameters, _metadata(source, plan, wanted, chosen))
    if wanted.plan:
        write_bytes(wanted.plan, plan.to_json().encode())
    if wanted.json:
        about = {
            "model": source,
            "output": str(output),
            "by": wanted.by if wanted.scored else None,
            "form": wanted.form if plan.cuts else None,
        }
        about["scores"] = {kind: _numbers(found) for kind, found in scores.items()}
        document = about | report.document() | {"file_bytes": output.stat().st_size}
        write_bytes(wanted.json, (jsonlib.dumps(document, indent=1, allow_nan=False) + "\n").encode())
    print_report(console, f"{source}: {chosen}", report)
    say(console, f"{output} written, {output.stat().st_size:,} bytes")


def _numbers(scores):
    """Scores of a kind by block, as JSON has them: without infinity, which a PSNR may lose."""

    def plain(values):
        return [plain(one) for one in values] if isinstance(values, list) else values if np.isfinite(values) else None

    return {path: plain(found.tolist()) for path, found in scores.items()}


def _without_weights(network, rate, mask):
    done = weights.pruned(network, rate, mask)
    if zeros(done) == zeros(network):
        raise BadInput(f"--unstructured {rate} takes no weight that is not zero already; give a higher rate")
    return done


def _chosen(wanted):
    """How the network was pruned, in one line."""
    parts = [f"heads {', '.join(wanted.cut)}"] if wanted.cut else []
    parts += [f"the plan {wanted.from_plan.name}"] if wanted.from_plan else []
    for kind, amount in wanted.scored.items():
        whole = wanted.globally and kind in ("heads", "hidden")
        every = "the network" if whole else "every head" if kind in ("queries", "values") else "every layer"
        counted = f"{amount} head{'s' if amount > 1 else ''}"
        what = counted if kind == "heads" else f"{100 * amount:g} % of the {_TITLES[kind]}"
        parts.append(f"{what} of {every} by {Path(wanted.by).name}")
    done = [f"{' and '.join(parts)}, {wanted.form}{scored_on(wanted)}"] if parts else []
    if wanted.unstructured is not None:
        done.append(f"{100 * wanted.unstructured:g} % of the weights of linear layers by l1, set to zero")
    return "; ".join(done)


_TITLES = {"queries": "queries and keys", "values": "values", "hidden": "hidden channels"}


def _metadata(source, plan, wanted, chosen):
    """Strings for the header of the file: what was cut from what, and by what score."""
    found = {"pruned_from": Path(source).name, "pruned": chosen, "pruned_plan": plan.to_json()}
    if plan.cuts:
        found["pruned_form"] = wanted.form
    if wanted.scored:
        found["pruned_by"] = Path(wanted.by).name  # of a file of scores, without its folder
    return found
