"""Whether a HEIF file holds the whole of its picture: libheif fills tiles that it cannot read, and says nothing."""

from ...refimpl.errors import BadInput

CODED = ("hvc1", "av01", "grid", "iovl")  # kinds that are nothing without bytes of their own


def check_whole(data, items, alphas):
    """Raise BadInput where bytes of the picture lie outside the file: its own, its tiles', its alpha's.

    Parameters
    ----------
    data : bytes-like
    items : Items
    alphas : sequence of int
        Numbers of the pictures that are its alpha.

    Raises
    ------
    BadInput
    """
    needed = {0: 0, 1: 0}  # by construction method; 2 is parts of other items, which are looked at themselves
    for number in _parts(items, alphas):
        item = items.items.get(number)
        if item is None or (item.kind in CODED and not item.extents):
            raise BadInput(
                f"says nothing of where item {number} of its picture lies, expected its bytes; copy it again"
            )
        needed[item.method] = max([needed.get(item.method, 0), *(first + size for first, size in item.extents)])
    there = {0: (len(data), "it has"), 1: (items.idat[1] - items.idat[0], "its idat box has")}
    for method, (found, where) in there.items():
        if needed[method] > found:
            raise BadInput(f"is cut short: {where} {found} bytes, expected {needed[method]} at least; copy it again")


def _parts(items, alphas):
    """Numbers of the primary item, of its alpha, and of all that they are made of."""
    below = {}
    for name, start, ends in items.references:
        if name in ("dimg", "iloc"):
            below.setdefault(start, []).extend(ends)
    waiting, seen = [items.primary, *alphas], set()
    while waiting:
        number = waiting.pop()
        if number not in seen:
            seen.add(number)
            waiting += below.get(number, ())
    return sorted(seen)
