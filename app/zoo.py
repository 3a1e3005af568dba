"""``karat zoo``: the embedded networks and their cards."""

import json as jsonlib

from rich.markdown import Markdown
from rich.table import Table
from safetensors import safe_open

from ..refimpl.errors import BadInput
from ..refimpl.load import ZOO, load, zoo_names
from ..refimpl.models.seeded import CONFIGS
from .outputs import write_bytes


def zoo_entries():
    """Name, architecture, parameters and measured PSNR of every embedded network, as a list of dicts."""
    entries = []
    for name in zoo_names():
        model = load(f"zoo:{name}")
        with safe_open(ZOO / f"{name}.safetensors", framework="numpy") as file:
            metadata = file.metadata() or {}
        entries.append(
            {
                "name": name,
                "architecture": model.architecture.NAME,
                "scale": model.scale,
                "parameters": sum(value.size for value in model.parameters.values()),
                "set5_psnr": float(metadata["set5_psnr"]),
            }
        )
    return entries


def run_zoo(console, name, json):
    """List the networks, or show the card of one."""
    if name in CONFIGS:
        raise BadInput(f"zoo:{name} has a formula for weights and no card, expected one of {', '.join(zoo_names())}")
    if name is not None and name not in zoo_names():
        raise BadInput(f"the zoo holds no {name!r}, expected one of {', '.join(zoo_names())}; see `karat zoo`")
    entries = [entry for entry in zoo_entries() if name in (None, entry["name"])]
    if json:
        write_bytes(json, jsonlib.dumps(entries, indent=1).encode())
    if name is not None:
        console.print(Markdown((ZOO / f"{name}.md").read_text()))
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("name", "scale", "parameters", "Set5 Y-PSNR"):
        table.add_column(title, justify="left" if title == "name" else "right")
    for entry in entries:
        scale, size, score = f"x{entry['scale']:g}", f"{entry['parameters']:,}", f"{entry['set5_psnr']:.2f} dB"
        table.add_row(f"zoo:{entry['name']}", scale, size, score)
    console.print(table)
