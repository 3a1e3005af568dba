"""From pairs of photographs to the page."""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ...outputs import write_bytes
from ..photo import Photo
from .crops import COUNT, SIDE, Crop, find_crops
from .numbers import GREY, border_of, check_truth, likeness
from .pictures import DETAIL, LONGEST, WHOLE, detail, whole_pictures
from .shown import over, resized, shown

ROOM = 32_000_000  # bytes of all pictures of a page, as they stand in it
EMPTY = 100_000  # bytes of a page beside its pictures
# pixels of the page's style: a picture's height in a window of 900, what stands below pictures, a card's inside
WINDOW, SLIDER, CAPTION, GAP, LEAST_FIGURE, INSIDE = 675, 36, 110, 16, 152, 1195
MOST_NAMED = 200  # characters of a name


@dataclass(frozen=True)
class Pair:
    """A photograph and what became of it.

    Attributes
    ----------
    name : str
        Of its file.
    before, after : Photo
        As they were read.
    truth : Photo or None
        What the result should be.
    """

    name: str
    before: Photo
    after: Photo
    truth: Photo | None = None


def write_comparison(path, pairs: Iterable[Pair], of=None) -> int:
    """Write the page of before and after: one HTML file from which no request leaves.

    Parameters
    ----------
    path : path_like
    pairs : iterable of Pair
        Taken one by one, and no further than the page has room for (`ROOM`).
    of : int, optional
        How many there are in all, where ``pairs`` has no length.

    Returns
    -------
    int
        How many photographs the page shows.

    Raises
    ------
    BadInput
        When the file cannot be written, or a ground truth has another size than the result.

    Examples
    --------
    >>> write_comparison("page.html", [Pair("photo.png", before, after)])  # doctest: +SKIP
    1
    """
    of = len(pairs) if of is None and hasattr(pairs, "__len__") else of  # type: ignore
    photos, used = [], 0
    for pair in pairs:
        photo = _photo(pair)
        used += photo.pop("bytes")
        if used > ROOM and photos:
            break
        photos.append(photo)
    write_bytes(path, _page(photos, max(of or 0, len(photos))).encode("utf-8", "replace"))
    return len(photos)


def most_bytes(sizes) -> int:
    """Bytes of a page at most, about.

    Parameters
    ----------
    sizes : iterable with width and height
        Of the results.
    """
    colours, coded = 3, 4 / 3  # of a pixel; base64
    pictures = 0
    for size in sizes:
        samples = colours * size.width * size.height
        pictures += coded * (2 * min(WHOLE, samples) + 2 * COUNT * min(DETAIL, samples))
    return EMPTY + int(min(pictures, ROOM))


def _photo(pair):
    """What the template needs of a pair."""
    after, after_notes = shown(pair.after)
    height, width = after.shape[:2]
    seen, before_notes = shown(pair.before)
    before = resized(seen, width, height)
    small = seen.shape[1], seen.shape[0]
    whole, size = whole_pictures(before, after)
    crops = find_crops(over(before, GREY), over(after, GREY))
    details = [
        {"at": crop, "before": detail(before, crop), "after": detail(after, crop), "frame": _frame(crop, width, height)}
        for crop in crops
    ]
    addresses = [*whole, *(d[side] for d in details for side in ("before", "after"))]
    return {
        "name": _name(pair.name),
        "sizes": (small, (width, height)),
        "whole": whole,
        "size": size,
        "details": details,
        "columns": columns(size, crops),
        "same": not any(crop.rms for crop in crops),
        "notes": _notes(before_notes, after_notes),
        "scores": _scores(pair.truth, small, before, after) if pair.truth else None,
        "bytes": sum(map(len, addresses)),
    }


def columns(size, crops: list[Crop]) -> int:
    """How many details stand beside each other, so that they and the whole picture end at about the same height.

    Parameters
    ----------
    size : (int, int)
        Width and height of the whole picture, as it is shown where there is room.
    crops : list of Crop
        All of one size.

    Examples
    --------
    >>> columns((1200, 900), 3 * [Crop(0, 0, 320, 320, 1)]), columns((462, 616), 3 * [Crop(0, 0, 144, 144, 1)])
    (3, 2)
    """
    shown = min(1, WINDOW / size[1])
    width, height = size[0] * shown, size[1] * shown + SLIDER
    across, down = max(LEAST_FIGURE, crops[0].width) + GAP, crops[0].height + CAPTION
    heights = {count: max(height, -(-len(crops) // count) * down) for count in range(1, len(crops) + 1)}
    beside = [count for count in heights if width + count * across <= INSIDE]
    return min(beside, key=heights.__getitem__) if beside else len(crops)


def _name(name):
    """As it can be shown; the middle of a very long one is left out."""
    name = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
    half = MOST_NAMED // 2
    return name if len(name) <= MOST_NAMED else f"{name[:half]} \N{HORIZONTAL ELLIPSIS} {name[-half:]}"


def _frame(crop, width, height):
    """Where a crop lies in the picture, in percent; None for all of it."""
    if (crop.width, crop.height) == (width, height):
        return None
    across, down = 100 / width, 100 / height
    places = ("left", crop.left * across), ("top", crop.top * down)
    return [*places, ("width", crop.width * across), ("height", crop.height * down)]


def _notes(before, after):
    """What holds for both is said once."""
    both = [note for note in before if note in after]
    own = [("before", note) for note in before if note not in both] + [("after", n) for n in after if n not in both]
    return both + [f"{side}: {note}" for side, note in own]


def _scores(photo, small, before, after):
    """PSNR and SSIM of both, and how they were taken."""
    truth, _ = shown(photo)
    height, width = after.shape[:2]
    check_truth((truth.shape[1], truth.shape[0]), small, (width, height))
    border = border_of(small, (width, height))
    truth = over(truth[:height, :width], GREY)
    found = [likeness(truth, over(image, GREY), border) for image in (before, after)]
    alpha = any(image.shape[2] % 2 == 0 for image in (before, after))
    return {"border": border, "rows": list(_rows(found)) if found[0] else [], "alpha": alpha}


def _rows(found):
    """Of before and after: (name, cells); a cell is its text, and whether it is the better of the two."""
    ends = [max(values) for values in zip(*found, strict=True)]
    for name, values in zip(("before", "after"), found, strict=True):
        cells = zip(("{:.2f}", "{:.4f}"), values, ends, strict=True)
        yield name, [(form.format(value), value == most and found[0] != found[1]) for form, value, most in cells]


def _page(photos, of):
    css, scripts = _file("page.css"), (_file("density.js"), _file("page.js"))
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    context = {"css": css, "scripts": scripts, "hashes": hashes, "longest": LONGEST, "side": SIDE}
    return _template().render(photos=photos, of=of, **context)


@cache
def _file(name):
    return Path(__file__).with_name(name).read_text("utf-8")


@cache
def _template():
    """Every value is escaped but the page's own style and scripts; a name that the template misspells is an error."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_file("page.html.j2"))
