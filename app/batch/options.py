"""What a person asks for, checked before anything is done."""

import hashlib
from dataclasses import asdict, dataclass
from numbers import Integral
from typing import Any

from ...refimpl.errors import BadInput
from ..amounts import parse_bytes, parse_size
from ..kinds import of_kind
from ..photos.size import check_size
from .names import named_format

CHOICES = {"metadata": ("keep", "strip"), "color": ("keep", "srgb"), "bits": ("auto", 8, 10, 12, 16)}
FREE = ("threads", "max_memory")  # a result depends on neither, but for tiles with seams: those are named apart


@dataclass(frozen=True)
class Options:
    """How every photograph is treated; see `karat.upscale`."""

    scale: float | None = None
    size: str | None = None
    precision: str = "float32"
    threads: int | None = None
    max_memory: int | None = None
    halo: int | None = None
    tile: tuple[int, int] | None = None
    overlap: int = 16
    format: str | None = None
    quality: int | None = None
    bits: Any = "auto"
    metadata: str = "keep"
    color: str = "keep"

    def lasting(self) -> dict:
        """Those that a result depends on, as JSON has them."""
        kept = {name: value for name, value in asdict(self).items() if name not in FREE}
        return kept | {"tile": list(self.tile) if self.tile else None}


@dataclass(frozen=True)
class Ways:
    """How a job is done, whatever the photographs become; see `karat.upscale`."""

    recursive: bool = False
    overwrite: bool = False
    resume: bool = False
    shard: str | None = None
    jobs: int = 1
    dry_run: bool = False
    json: Any = None
    compare: Any = None
    truth: Any = None


def make_options(**given) -> Options:
    """Options of what a person wrote: amounts as text, one number for a square tile, any spelling of a format.

    Raises
    ------
    BadInput

    Examples
    --------
    >>> options = make_options(max_memory="2GB", format="tif", bits="16")
    >>> options.max_memory, options.format, options.bits
    (2000000000, 'TIFF', 16)
    """
    given = {name: value for name, value in of_kind(given).items() if value is not None}
    for name in ("max_memory", "bits"):
        if isinstance(given.get(name), str):
            given[name] = parse_bytes(given[name]) if name == "max_memory" else _number(given[name])
    tile = given.get("tile")
    if tile is not None:
        given["tile"] = (
            parse_size(tile) if isinstance(tile, str) else (tile, tile) if isinstance(tile, Integral) else tile
        )
    if "overlap" in given and "tile" not in given:
        raise BadInput("an overlap was given without a tile, expected both; add --tile or leave --overlap out")
    if "format" in given:
        given["format"] = named_format(given["format"])
    if given.get("max_memory", 1) < 1:
        raise BadInput(f"max_memory is {given['max_memory']} bytes, expected more than 0; leave it out for no limit")
    options = Options(**given)
    for name, choices in CHOICES.items():
        if getattr(options, name) not in choices:
            known = ", ".join(map(str, choices))
            raise BadInput(f"{name} is {getattr(options, name)!r}, expected one of {known}; choose one")
    if options.quality is not None and not 1 <= options.quality <= 100:
        raise BadInput(f"quality is {options.quality}, expected 1 to 100; choose one")
    if options.size is not None:
        check_size(options.size)
    _check_alone(options)
    return options


def _number(text):
    return int(text) if text.isdigit() else text


def _check_alone(options):
    """Raise BadInput for options that exclude one another."""
    if options.max_memory is not None and options.tile is not None:
        raise BadInput("both a tile and max_memory were given, expected one: a tile says what is kept; leave one out")
    if options.scale is not None and options.size is not None:
        raise BadInput("both a scale and a size were given, expected one; leave one out")


def weights_hash(model) -> str:
    """SHA-256 of a network: what it is, and every number that it holds.

    Parameters
    ----------
    model : Model
    """
    digest = hashlib.sha256(f"{model.architecture.NAME} {model.config}".encode())
    for name, value in sorted(model.parameters.items()):
        digest.update(f"{name} {value.dtype} {value.shape}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()
