"""The end of a net, one row of tiles at a time: pixel shuffle into the lines of the result, and their average."""

from ..cache import kernel
from ..emit.lanes import TILE, average_lines, copy_floats, join_lines
from ..emit.simd import LANES, VECTOR_BYTES, word
from .records import (
    AVERAGE,
    END,
    FACTOR,
    GROUPS,
    LINES,
    OUTPUTS,
    PLACES_LEFT,
    RESULT,
    RESULT_HEIGHT,
    RESULT_WIDTH,
    TARGET,
)

COLOURS = 3
join_4_1, join_4_2, join_4_3, join_4_4, join_2_3 = (
    join_lines(*form) for form in ((4, 1), (4, 2), (4, 3), (4, 4), (2, 3))
)


@kernel
def join_group(source, places, factor, channel, target):
    """One line of the shuffle of one group, 16 places factor pixels; ``channel`` bytes lie between channels."""
    if places == TILE and factor == 2:
        join_4_2(source, channel, target)
    elif places == TILE and factor == 1:
        join_4_1(source, channel, target)
    elif places == TILE and factor == 3:
        join_4_3(source, channel, target)
    elif places == TILE and factor == 4:
        join_4_4(source, channel, target)
    elif places == 2 and factor == 3:
        join_2_3(source, channel, target)
    else:
        for lane in range(LANES):
            for j in range(places):
                for s in range(factor):
                    pixel = source + s * channel + VECTOR_BYTES * j + 4 * lane
                    copy_floats(pixel, target + 4 * ((lane * places + j) * factor + s), 1)


_join_group = join_group.compiled


@kernel
def shuffle_row(source, row, groups, places, factor, target, height, width, line):
    """Pixel shuffle of a row of tiles, (groups, 3 factor^2, places^2, 16), into lines of (3, height, width)."""
    channel = places * places * VECTOR_BYTES
    pixels = LANES * places * factor  # of a group, along a line
    for group in range(groups):
        for colour in range(COLOURS):
            for i in range(places * factor):
                y, x = places * factor * row + i, group * pixels
                if y < height and x < width:
                    first = source + ((group * COLOURS + colour) * factor + i % factor) * factor * channel
                    first += places * VECTOR_BYTES * (i // factor)
                    to = target + 4 * ((colour * height + y) * width + x)
                    if width - x >= pixels:
                        _join_group(first, places, factor, channel, to)
                    else:
                        _join_group(first, places, factor, channel, line)
                        copy_floats(line, to, width - x)


@kernel
def average_row(lines, count, pitch, row, target, height, width, line):
    """Means of 2x2 pixels of (3, count, pitch) lines, into lines of (3, height, width)."""
    for colour in range(COLOURS):
        for i in range(count // 2):
            y = count // 2 * row + i
            for x in range(0, width, LANES):
                if y < height:
                    first = lines + 4 * ((colour * count + 2 * i) * pitch + 2 * x)
                    to = target + 4 * ((colour * height + y) * width + x)
                    if width - x >= LANES:
                        average_lines(first, first + 4 * pitch, to)
                    else:
                        average_lines(first, first + 4 * pitch, line)
                        copy_floats(line, to, width - x)


_shuffle_row, _average_row = shuffle_row.compiled, average_row.compiled


@kernel
def finish_row(net, layer, row):
    """A row of the last layer's output as lines of the result."""
    groups, places, factor, line = word(net + GROUPS), word(net + PLACES_LEFT), word(net + FACTOR), word(net + END)
    target, height, width = word(net + RESULT), word(net + RESULT_HEIGHT), word(net + RESULT_WIDTH)
    # the margin of zeros before the first group
    source = word(layer + TARGET) + word(layer + OUTPUTS) * places * places * VECTOR_BYTES
    if word(net + AVERAGE) == 1:
        _shuffle_row(source, row, groups, places, factor, target, height, width, line)
    else:
        count, pitch = places * factor, groups * LANES * places * factor
        _shuffle_row(source, 0, groups, places, factor, word(net + LINES), count, pitch, line)
        _average_row(word(net + LINES), count, pitch, row, target, height, width, line)
