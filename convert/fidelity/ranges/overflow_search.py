"""Looks for an image that takes a value beyond its limit: patterns first, then changes that make it larger."""

import time

import numpy as np

RUNS = 32  # images tried by default: seconds for a small network, a minute or more for a large one
SECONDS = 120.0  # no further image is begun after so long


def search_images(program, targets, runs, seed, progress, seconds=SECONDS):
    """Run images until every limit is exceeded or the budget of images or of time is spent.

    Parameters
    ----------
    program : Program
        With one input.
    targets : list of (variable name, Limit)
    runs : int
    seed : int
    progress : callable
        Called with (images tried, runs).
    seconds : float

    Returns
    -------
    found : dict of str to float
        Largest magnitude met, by variable; infinity where the run overflowed.
    images : dict of str to ndarray
        By limit, the first image that exceeds it.
    tried : int
    """
    rng, begun = np.random.default_rng(seed), time.monotonic()
    shape, top = program.inputs[0].shape, 255.0 if program.inputs[0].image else 1.0
    found, images = dict.fromkeys((name for name, _ in targets), 0.0), {}
    best, best_score, patterns = np.zeros(shape), -1.0, list(_patterns(program, shape, rng))
    for tried in range(1, runs + 1):
        image = patterns[tried - 1] if tried <= len(patterns) else _changed(best, patterns, rng)
        sizes = _sizes(program, image * top, found)
        found = {name: max(found[name], size) for name, size in sizes.items()}
        for name, limit in targets:
            if limit.exceeded(sizes[name]):
                images.setdefault(limit.name, image * top)
        progress(tried, runs)
        score = max((sizes[name] / limit.largest for name, limit in targets if limit.name not in images), default=0.0)
        late = time.monotonic() - begun > seconds
        if late or score == 0.0 or len(images) == len({limit.name for _, limit in targets}):
            break
        if score > best_score:
            best, best_score = image, score
    return found, images, tried


def _sizes(program, image, names):
    """Largest magnitude of each variable in the package's own types; NaN counts as infinity."""
    inputs = {program.inputs[0].name: image}
    sizes = {program.inputs[0].name: float(np.max(image, initial=0.0))}
    for record in program.trace(inputs):
        if record.name in names:
            size = float(np.max(np.abs(record.value.astype(np.float64)), initial=0.0))
            sizes[record.name] = np.inf if np.isnan(size) else size
    return {name: sizes[name] for name in names}


def _patterns(program, shape, rng):
    """Photograph-like, flat, coloured, checkerboard, noise, and what the first convolution answers most to."""
    rows, columns = np.indices(shape[-2:]) if len(shape) > 1 else (np.zeros(shape[-1:]), np.arange(shape[-1]))
    channels = shape[-3] if len(shape) > 2 else 1
    yield np.ones(shape)
    yield np.zeros(shape)
    yield (rng.random(shape) < 0.5) * 1.0
    yield np.clip(0.5 + 0.25 * _smooth(rng, shape), 0, 1)
    yield from (np.ones(shape) * signs for signs in _sign_patterns(program, shape))
    for period in (1, 2, 8):
        yield np.ones(shape) * ((rows // period + columns // period) % 2)
    for channel in range(channels if len(shape) > 2 else 0):
        yield np.ones(shape) * (np.arange(channels) == channel)[:, None, None]
    yield (_smooth(rng, shape) > 0) * 1.0
    yield rng.random(shape)


def _smooth(rng, shape):
    """Noise whose power falls with the square of the frequency, as that of photographs does; variance 1."""
    noise = np.fft.rfft2(rng.normal(size=shape)) if len(shape) > 1 else np.fft.rfft(rng.normal(size=shape))
    frequency = np.fft.rfftfreq(shape[-1])
    if len(shape) > 1:
        frequency = np.hypot(np.fft.fftfreq(shape[-2])[:, None], frequency)
    noise = noise / np.maximum(frequency, 1 / max(shape))
    smooth = np.fft.irfft2(noise, shape[-2:]) if len(shape) > 1 else np.fft.irfft(noise, shape[-1])
    return smooth / max(float(np.std(smooth)), np.finfo(np.float64).tiny)


def _sign_patterns(program, shape, most=4):
    """White where a filter of the first convolution is positive, repeated: the filters with the largest answers."""
    first = next((op for op in program.operations if op.type == "conv"), None)
    constant = program.constant_of(first, "weight") if first else None
    if constant is None or len(shape) != 4 or constant.value.ndim != 4 or constant.value.shape[1] != shape[1]:
        return
    weight = constant.value.astype(np.float64)
    order = np.argsort(-np.abs(weight).sum(axis=(1, 2, 3)), kind="stable")
    for index in order[:most]:
        tiles = [1, -(-shape[2] // weight.shape[2]), -(-shape[3] // weight.shape[3])]
        yield np.tile(weight[index] > 0, tiles)[None, :, : shape[2], : shape[3]] * 1.0


def _changed(image, patterns, rng):
    """A rectangle of the image replaced by the same one of a pattern, by noise, or by its negative."""
    box = []
    for size in image.shape[-2:]:
        first, last = sorted(rng.integers(0, size + 1, 2))
        box.append(slice(int(first), max(int(last), int(first) + 1)))
    part = image[(..., *box)]
    kind = rng.integers(3)
    if kind == 0:
        part = patterns[rng.integers(len(patterns))][(..., *box)]
    elif kind == 1:
        part = (rng.random(part.shape) < 0.5) * 1.0
    else:
        part = 1 - part
    out = image.copy()
    out[(..., *box)] = part
    return out
