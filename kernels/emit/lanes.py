"""Pixels in and out of maps: a map's vector holds every fourth pixel of a line, 16 of them.

A group is 16 tiles of 4x4 pixels beside each other; per channel it holds 16 vectors, one for each place in a tile, in
reading order: vector 4 i + j has pixel (4 row + i, 4 (16 group + lane) + j).
"""

from .simd import F32, INTEGERS, LANES, VECTOR_BYTES, Emitter, emitted

TILE = 4  # pixels
PIXELS = TILE * LANES  # of a group, along a line
GROUP_BYTES = TILE * TILE * VECTOR_BYTES  # per channel
LEFT = [LANES - 1, *range(LANES, 2 * LANES - 1)]  # of the group before and this one: every tile's left neighbour
RIGHT = list(range(1, LANES + 1))


def picked(e: Emitter, vectors, picks):
    """A vector of lanes of others; ``picks`` holds 16 pairs of vector and lane."""
    sources = sorted({source for source, _ in picks})
    result = vectors[sources[0]]
    here = [lane if source == sources[0] else 0 for source, lane in picks]
    result = e.shuffle(result, result, here)
    for source in sources[1:]:
        lanes = [LANES + lane if chosen == source else i for i, (chosen, lane) in enumerate(picks)]
        result = e.shuffle(result, vectors[source], lanes)
    return result


def interleaved(e: Emitter, vectors):
    """n vectors as one line: first lanes of all, second lanes of all, and so on."""
    n = len(vectors)
    if n % 2 == 0:
        even, odd = interleaved(e, vectors[0::2]), interleaved(e, vectors[1::2])
        halves = [[lane for i in range(half, half + LANES // 2) for lane in (i, LANES + i)] for half in (0, LANES // 2)]
        return [e.shuffle(a, b, half) for a, b in zip(even, odd, strict=True) for half in halves]
    return [picked(e, vectors, [divmod(LANES * m + i, n)[::-1] for i in range(LANES)]) for m in range(n)]


def transposed(e: Emitter, rows):
    """16 vectors as a matrix, turned over: in each step halves of pairs of rows change places."""
    rows = list(rows)
    for s in (1, 2, 4, 8):
        upper = [LANES + lane - s if lane & s else lane for lane in range(LANES)]
        lower = [LANES + lane if lane & s else lane + s for lane in range(LANES)]
        for i in (i for i in range(LANES) if not i & s):
            a, b = rows[i], rows[i + s]
            rows[i], rows[i + s] = e.shuffle(a, b, upper), e.shuffle(a, b, lower)
    return rows


@emitted
def split_line(e: Emitter, line, target):
    """Spread 64 pixels of a line over four vectors, every fourth pixel one."""
    pixels = [e.load(line, VECTOR_BYTES * j) for j in range(TILE)]
    for j in range(TILE):
        e.store(picked(e, pixels, [divmod(TILE * i + j, LANES) for i in range(LANES)]), target, VECTOR_BYTES * j)


def join_lines(places: int, factor: int):
    """A function that writes one line of a pixel shuffle by ``factor``, of ``places`` pixels per tile.

    Its arguments are the first vector, the bytes between channels, and the target of 16 places factor floats.
    """

    @emitted
    def join(e: Emitter, source, channel, target):
        vectors = [e.load(e.at(source, (s, channel)), VECTOR_BYTES * j) for j in range(places) for s in range(factor)]
        for m, pixels in enumerate(interleaved(e, vectors)):
            e.store(pixels, target, VECTOR_BYTES * m)

    return join


@emitted
def copy_floats(e: Emitter, source, target, count):
    """One by one: ends of lines, which vectors would overrun."""
    e.loop(count, [], lambda k, _: e.store(e.load(e.at(source, (k, 4)), 0, F32), e.at(target, (k, 4))) or [])


@emitted
def copy_vectors(e: Emitter, source, target, count):
    """16 floats at a time."""
    e.loop(count, [], lambda k, _: e.store(e.load(e.at(source, (k, 64))), e.at(target, (k, 64))) or [])


@emitted
def shift_vector(e: Emitter, before, source, target):
    """Every tile's left neighbour: the last lane of the vector before, then all but the last of this one."""
    e.store(e.shuffle(e.load(before), e.load(source), LEFT), target)


@emitted
def average_lines(e: Emitter, upper, lower, target):
    """Means of 2x2 pixels: 16 of them from 32 pixels of two lines."""
    sums = [e.add(e.load(upper, VECTOR_BYTES * j), e.load(lower, VECTOR_BYTES * j)) for j in range(2)]
    even, odd = (e.shuffle(sums[0], sums[1], range(start, 2 * LANES, 2)) for start in (0, 1))
    e.store(e.mul(e.add(even, odd), e.constant(1 / 4)), target)


@emitted
def keep_inside(e: Emitter, group, channels, mask):
    """Zero what lies outside the picture; ``mask`` has all bits of what lies inside, for one channel."""

    def channel(k, _):
        here = e.at(group, (k, GROUP_BYTES))
        for place in range(TILE * TILE):
            inside = e.load(mask, VECTOR_BYTES * place, INTEGERS)
            kept = e.builder.and_(e.load(here, VECTOR_BYTES * place, INTEGERS), inside)
            e.store(kept, here, VECTOR_BYTES * place)
        return []

    e.loop(channels, [], channel)
