"""Pixel shuffle and nearest-neighbour upsampling of feature maps ``A[H/4][W/4][C][16]``, and maps as pictures.

Which lane of which vector becomes which pixel is known when the code is emitted: every output vector is a few
two-operand shuffles.

W. Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural
Network", CVPR 2016, eq. 4. arXiv:1609.05158
"""

from ..cache import kernel
from ..emit.simd import F32, LANES, VECTOR_BYTES, Emitter, Record, emitted
from ..memory import address, aligned, copied
from ..threads import run_each

MAP = Record("source target block_columns channels factor")  # channels of the target
PICTURE = Record("source target row_bytes plane_bytes block_columns channels multiplier means")


def lanes_of(e: Emitter, vectors, wanted):
    """A vector whose lane i is lane ``wanted[i][1]`` of vector ``wanted[i][0]``."""
    result = None
    for index in sorted({source for source, _ in wanted}):
        mine = {i: lane for i, (source, lane) in enumerate(wanted) if source == index}
        if result is None:
            result = e.shuffle(vectors[index], vectors[index], [mine.get(i, 0) for i in range(len(wanted))])
        else:
            wide = e.shuffle(vectors[index], vectors[index], [mine.get(i, 0) for i in range(len(wanted))])
            result = e.shuffle(result, wide, [len(wanted) + i if i in mine else i for i in range(len(wanted))])
    return result


def upsampled_row(e: Emitter, factor, phases, words, row):
    """One row of blocks to ``factor`` rows of blocks.

    Parameters
    ----------
    factor : int
    phases : int
        factor^2 for a pixel shuffle, whose phases are channels of the source; 1 for nearest neighbours.
    words : value
        Address of packed MAP.
    row : value
    """
    words = MAP.read(e, words)
    source_block = e.builder.mul(words.channels, e.integer(phases * VECTOR_BYTES))
    target_block = e.builder.mul(words.channels, e.integer(VECTOR_BYTES))
    target_columns = e.builder.mul(words.block_columns, e.integer(factor))

    def column(x, _):
        source = e.at(words.source, (e.at(x, (row, words.block_columns)), source_block))
        first = e.at(e.builder.mul(x, e.integer(factor)), (row, factor, target_columns))

        def channel(c, _):
            here = e.at(source, (c, phases * VECTOR_BYTES))
            vectors = [e.load(here, p * VECTOR_BYTES) for p in range(phases)]
            for block in range(factor * factor):
                wanted = [_origin(factor, phases, block, lane) for lane in range(LANES)]
                index = e.at(first, (target_columns, block // factor), block % factor)
                e.store(lanes_of(e, vectors, wanted), e.at(words.target, (index, target_block), (c, VECTOR_BYTES)))
            return []

        return e.loop(words.channels, [], channel)

    e.loop(words.block_columns, [], column)


def _origin(factor, phases, block, lane):
    """(phase, lane) of the source for a lane of one of the factor x factor blocks that a block becomes."""
    y, x = 4 * (block // factor) + lane // 4, 4 * (block % factor) + lane % 4
    phase = (y % factor) * factor + x % factor if phases > 1 else 0
    return phase, (y // factor) * 4 + x // factor


def any_shuffled_row(e: Emitter, words, row):
    """A pixel shuffle by any factor, pixel by pixel: for networks larger than the published ones."""
    words, builder = MAP.read(e, words), e.builder
    factor, four = words.factor, e.integer(4)
    phases = builder.mul(factor, factor)
    target_columns = builder.mul(words.block_columns, factor)

    def block(b, _):  # of the factor rows of blocks that a row becomes
        top, left = (builder.mul(four, n) for n in (builder.sdiv(b, target_columns), builder.srem(b, target_columns)))
        target = e.at(words.target, (e.at(b, (row, factor, target_columns)), words.channels, VECTOR_BYTES))
        for lane in range(LANES):
            y, x = e.at(top, lane // 4), e.at(left, lane % 4)
            phase = e.at(builder.srem(x, factor), (builder.srem(y, factor), factor))
            y, x = builder.sdiv(y, factor), builder.sdiv(x, factor)  # of the source
            source = e.at(builder.sdiv(x, four), (row, words.block_columns))
            source = e.at(words.source, (source, words.channels, phases, VECTOR_BYTES), (phase, VECTOR_BYTES))
            source = e.at(source, (y, 16), (builder.srem(x, four), 4))

            def channel(c, _, source=source, lane=lane):
                pixel = e.load(e.at(source, (c, phases, VECTOR_BYTES)), 0, F32)
                e.store(pixel, e.at(target, (c, VECTOR_BYTES)), 4 * lane)
                return []

            e.loop(words.channels, [], channel)
        return []

    e.loop(builder.mul(factor, target_columns), [], block)


def picture_row(e: Emitter, factor, words, row):
    """One row of blocks of phases to 4 factor rows of a picture: value * multiplier + mean of the channel.

    Parameters
    ----------
    factor : int
        Of the pixel shuffle.
    words : value
        Address of packed PICTURE.
    row : value
    """
    words = PICTURE.read(e, words)
    phases = factor * factor
    block_bytes = e.builder.mul(words.channels, e.integer(phases * VECTOR_BYTES))
    multiplier = e.broadcast(words.multiplier)

    def column(x, _):
        source = e.at(words.source, (e.at(x, (row, words.block_columns)), block_bytes))
        target = e.at(words.target, (row, 4 * factor, words.row_bytes), (x, 16 * factor))

        def channel(c, _):
            mean = e.broadcast(e.at(words.means, (c, 4)))
            here, plane = e.at(source, (c, phases * VECTOR_BYTES)), e.at(target, (c, words.plane_bytes))
            for y in range(factor):
                loaded = [e.load(here, (y * factor + x) * VECTOR_BYTES) for x in range(factor)]
                vectors = [e.fma(value, multiplier, mean) for value in loaded]
                for inside in range(4):
                    line = e.at(plane, (words.row_bytes, inside * factor + y))
                    for part in range(factor):  # four pixels
                        pixels = range(4 * part, 4 * part + 4)
                        value = lanes_of(e, vectors, [(p % factor, inside * 4 + p // factor) for p in pixels])
                        e.store(value, line, 16 * part)
            return []

        return e.loop(words.channels, [], channel)

    e.loop(words.block_columns, [], column)


@emitted
def _shuffle2(e, words, row):
    upsampled_row(e, 2, 4, words, row)


@kernel
def shuffle2_row(words, row):
    """`upsampled_row`."""
    _shuffle2(words, row)


@emitted
def _shuffle3(e, words, row):
    upsampled_row(e, 3, 9, words, row)


@kernel
def shuffle3_row(words, row):
    """`upsampled_row`."""
    _shuffle3(words, row)


@emitted
def _any_shuffle(e, words, row):
    any_shuffled_row(e, words, row)


@kernel
def any_shuffle_row(words, row):
    """`any_shuffled_row`."""
    _any_shuffle(words, row)


@emitted
def _nearest2(e, words, row):
    upsampled_row(e, 2, 1, words, row)


@kernel
def nearest2_row(words, row):
    """`upsampled_row`."""
    _nearest2(words, row)


@emitted
def _picture1(e, words, row):
    picture_row(e, 1, words, row)


@kernel
def picture1_row(words, row):
    """`picture_row`."""
    _picture1(words, row)


@emitted
def _picture2(e, words, row):
    picture_row(e, 2, words, row)


@kernel
def picture2_row(words, row):
    """`picture_row`."""
    _picture2(words, row)


@emitted
def _picture3(e, words, row):
    picture_row(e, 3, words, row)


@kernel
def picture3_row(words, row):
    """`picture_row`."""
    _picture3(words, row)


@emitted
def _picture4(e, words, row):
    picture_row(e, 4, words, row)


@kernel
def picture4_row(words, row):
    """`picture_row`."""
    _picture4(words, row)


SHUFFLES = {2: shuffle2_row, 3: shuffle3_row}
PICTURES = {1: picture1_row, 2: picture2_row, 3: picture3_row, 4: picture4_row}


def pixel_shuffle(source, factor, threads=1):
    """A (H/4, W/4, C factor^2, 16) map as (factor H/4, factor W/4, C, 16)."""
    return _upsample(SHUFFLES.get(factor, any_shuffle_row), source, factor, source.shape[2] // factor**2, threads)


def upsample_nearest(source, threads=1):
    """A (H/4, W/4, C, 16) map as (2 H/4, 2 W/4, C, 16)."""
    return _upsample(nearest2_row, source, 2, source.shape[2], threads)


def _upsample(row_kernel, source, factor, channels, threads):
    rows, columns = source.shape[:2]
    target = aligned((factor * rows, factor * columns, channels, LANES))
    words = MAP.pack(
        source=address(source), target=address(target), block_columns=columns, channels=channels, factor=factor
    )

    def one(row, thread):
        row_kernel(address(words), row)

    run_each(threads, rows, one)
    return target


def write_picture(source, factor, multiplier, means, target, threads=1):
    """Pixel-shuffle a map into a picture, times a number and plus a mean for every channel.

    Parameters
    ----------
    source : ndarray, (H/4, W/4, C factor^2, 16)
    factor : int
    multiplier : float
    means : ndarray, (C,)
    target : ndarray, (C, factor H, factor W)
        A view whose last axis is contiguous.
    """
    if factor not in PICTURES:
        source, factor = pixel_shuffle(source, factor, threads), 1
    means, multiplier = copied(means), copied([multiplier])
    words = PICTURE.pack(
        source=address(source),
        target=address(target),
        row_bytes=target.strides[1],
        plane_bytes=target.strides[0],
        block_columns=source.shape[1],
        channels=len(means),
        multiplier=address(multiplier),
        means=address(means),
    )

    def one(row, thread):
        PICTURES[factor](address(words), row)

    run_each(threads, len(source), one)
