"""Convolutions and pooling of MIL with uneven padding, held to loops over the output places; and mutants of them.

coremltools' own tests pad evenly on both sides, so a swap of before and after, or of two axes, would pass them.
"""

import math
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from karat.convert.mil.ops import OPERATORS
from karat.refimpl.errors import BadInput, UnsupportedOperator

SIZES = (4, 5, 3)  # of the spatial axes: all different, so that swapped axes show
U = np.finfo(np.float64).eps


def run(kind, *args, **parameters):
    return OPERATORS[kind].function(*args, **parameters)


@dataclass(frozen=True)
class Layout:
    """Where windows lie: per spatial axis."""

    window: tuple
    strides: tuple
    dilations: tuple
    pad: tuple  # ((before, after), ...)
    sizes: tuple = field(default=())

    @property
    def flat(self):
        return [n for pair in self.pad for n in pair]

    def counts(self):
        """Windows per axis."""
        axes = zip(self.sizes, self.window, self.strides, self.dilations, self.pad, strict=True)
        return tuple((n + sum(p) - (w - 1) * d - 1) // s + 1 for n, w, s, d, p in axes)

    def spread(self):
        """Sizes that the transpose gives."""
        axes = zip(self.sizes, self.window, self.strides, self.dilations, self.pad, strict=True)
        return [(n - 1) * s + (w - 1) * d + 1 - sum(p) for n, w, s, d, p in axes]

    def place(self, output, tap):
        """The input index that a tap of the window at an output place reads; it may lie in the padding."""
        axes = zip(output, tap, self.strides, self.dilations, self.pad, strict=True)
        return tuple(o * s + t * d - p[0] for o, t, s, d, p in axes)

    def reads(self, output):
        """(tap, input index or None in the padding) over the window at one output place."""
        for tap in product(*map(range, self.window)):
            index = self.place(output, tap)
            inside = all(0 <= i < n for i, n in zip(index, self.sizes, strict=True))
            yield tap, index if inside else None


@st.composite
def layouts(draw, rank=None, dilated=True):
    rank = draw(st.integers(1, 3), label="spatial axes") if rank is None else rank

    def per_axis(least, most):
        return st.tuples(*[st.integers(least, most)] * rank)

    window, strides = draw(per_axis(1, 3), label="window"), draw(per_axis(1, 3), label="strides")
    dilations = draw(per_axis(1, 2), label="dilations") if dilated else (1,) * rank
    pad = draw(st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * rank), label="(before, after) per axis")
    one = Layout(window, strides, dilations, pad, SIZES[:rank])
    too_far = [(w - 1) * d + 1 > n + sum(p) for w, d, n, p in zip(window, dilations, one.sizes, pad, strict=True)]
    return replace(one, window=tuple(1 if far else w for w, far in zip(window, too_far, strict=True)))


def plain_conv(x, weight, bias, layout, groups):
    """Cross-correlation, place by place."""
    counts, deep = layout.counts(), weight.shape[1]
    out = np.zeros((x.shape[0], weight.shape[0], *counts))
    for n, o, *output in np.ndindex(out.shape):
        group = o // (weight.shape[0] // groups)
        channels = slice(group * deep, (group + 1) * deep)
        out[n, o, *output] = bias[o]
        for tap, index in layout.reads(output):
            if index is not None:
                out[n, o, *output] += x[n, channels, *index] @ weight[o, :, *tap]
    return out


def plain_conv_transpose(x, weight, bias, layout, groups, sizes):
    """Every input element spreads a window, which begins ``before`` places earlier; what falls outside is dropped."""
    deep = weight.shape[1]
    out = np.zeros((x.shape[0], deep * groups, *sizes)) + bias.reshape(-1, *[1] * len(sizes))
    for n, c, *place in np.ndindex(x.shape):
        group = c // (x.shape[1] // groups)
        for tap in product(*map(range, layout.window)):
            index = layout.place(place, tap)
            if all(0 <= i < size for i, size in zip(index, sizes, strict=True)):
                out[n, group * deep : (group + 1) * deep, *index] += x[n, c, *place] * weight[c, :, *tap]
    return out


def plain_pool(x, kind, layout, exclude):
    """Window by window."""
    out = np.zeros((*x.shape[:2], *layout.counts()))
    for n, c, *output in np.ndindex(out.shape):
        found = [x[n, c, *index] for _, index in layout.reads(output) if index is not None]
        count = len(found) if exclude else math.prod(layout.window)
        if kind == "max_pool":
            out[n, c, *output] = max(found, default=-math.inf)
        elif kind == "l2_pool":
            out[n, c, *output] = math.sqrt(math.fsum(v * v for v in found))
        else:
            out[n, c, *output] = math.fsum(found) / count if count else math.nan
    return out


def same(ours, theirs, terms, magnitude):
    """Sums of ``terms`` products in another order: Higham's bound of both sides."""
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2 * (terms + 2) * U * magnitude)


def draw_conv(seed, layout, groups, transposed=False):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (2, 2 * groups, *layout.sizes))
    weight = rng.uniform(-1, 1, ((2, 3) if transposed else (3, 2)) + layout.window)
    weight = np.concatenate([weight * (1 + g) for g in range(groups)])  # no two groups alike
    return x, weight, rng.uniform(-1, 1, 3 * groups)


SEEDS = st.integers(0, 2**32 - 1)


@given(layouts(), st.integers(1, 3), SEEDS)
def test_conv_is_its_definition(layout, groups, seed):
    x, weight, bias = draw_conv(seed, layout, groups)
    given_ = {"strides": layout.strides, "dilations": layout.dilations, "groups": groups}
    ours = run("conv", x, weight, bias, pad_type="custom", pad=layout.flat, **given_)
    terms = 2 * math.prod(layout.window) + 1
    same(ours, plain_conv(x, weight, bias, layout, groups), terms, 3.0 * terms)


@given(layouts(), st.integers(1, 3), st.booleans(), SEEDS, st.data())
def test_conv_transpose_is_its_definition(layout, groups, asked, seed, data):
    if min(layout.spread()) < 1:
        layout = replace(layout, pad=((0, 0),) * len(layout.pad))
    sizes = layout.spread()
    x, weight, bias = draw_conv(seed, layout, groups, transposed=True)
    given_ = {"strides": layout.strides, "dilations": layout.dilations, "groups": groups}
    if asked:  # output_shape adds to the end, or takes off it
        sizes = [max(1, size + data.draw(st.integers(-1, 2), label="more")) for size in sizes]
        given_["output_shape"] = [2, 3 * groups, *sizes]
    ours = run("conv_transpose", x, weight, bias, pad_type="custom", pad=layout.flat, **given_)
    terms = 2 * math.prod(layout.window) + 1
    same(ours, plain_conv_transpose(x, weight, bias, layout, groups, sizes), terms, 3.0 * terms)


@given(layouts(dilated=False), st.sampled_from(["avg_pool", "max_pool", "l2_pool"]), st.booleans(), SEEDS)
def test_pooling_is_its_definition(layout, kind, exclude, seed):
    exclude = exclude and kind == "avg_pool"
    x = np.random.default_rng(seed).uniform(-1, 1, (2, 2, *layout.sizes))
    given_ = {"exclude_padding_from_average": True} if exclude else {}
    with np.errstate(invalid="ignore"):  # a window that lies in the padding has no mean
        ours = run(kind, x, layout.window, layout.strides, "custom", layout.flat, **given_)
    theirs = plain_pool(x, kind, layout, exclude)
    if kind == "max_pool":
        np.testing.assert_array_equal(ours, theirs)
    else:
        same(ours, theirs, math.prod(layout.window), math.prod(layout.window))


@pytest.mark.parametrize("kind", ["conv", "avg_pool", "max_pool", "l2_pool"])
@given(st.integers(1, 3), st.sampled_from(["same", "same_lower"]), SEEDS, st.data())
def test_same_padding_leaves_a_quotient_and_puts_the_odd_one_where_it_says(kind, rank, pad_type, seed, data):
    layout = data.draw(layouts(rank, dilated=kind == "conv"), label="layout")
    pairs = []
    for n, w, s, d in zip(layout.sizes, layout.window, layout.strides, layout.dilations, strict=True):
        total = max(0, (math.ceil(n / s) - 1) * s + (w - 1) * d + 1 - n)
        less = total // 2
        pairs.append((less, total - less) if pad_type == "same" else (total - less, less))
    layout = replace(layout, pad=tuple(pairs))
    x, weight, bias = draw_conv(seed, layout, 1)
    if kind == "conv":
        ours = run(kind, x, weight, bias, layout.strides, pad_type, None, layout.dilations)
        terms = 2 * math.prod(layout.window) + 1
        same(ours, plain_conv(x, weight, bias, layout, 1), terms, terms)
    else:
        ours = run(kind, x, layout.window, layout.strides, pad_type)
        same(ours, plain_pool(x, kind, layout, False), math.prod(layout.window), math.prod(layout.window))
    assert ours.shape[2:] == tuple(math.ceil(n / s) for n, s in zip(layout.sizes, layout.strides, strict=True))


@given(layouts(), SEEDS)
def test_same_transposed_gives_size_times_stride(layout, seed):
    axes = zip(layout.window, layout.strides, layout.dilations, strict=True)
    pairs = [max(0, (w - 1) * d + 1 - s) for w, s, d in axes]
    layout = replace(layout, pad=tuple((p // 2, p - p // 2) for p in pairs))
    x, weight, bias = draw_conv(seed, layout, 1, transposed=True)
    ours = run("conv_transpose", x, weight, bias, pad_type="same", strides=layout.strides, dilations=layout.dilations)
    sizes = [n * s for n, s in zip(layout.sizes, layout.strides, strict=True)]
    terms = 2 * math.prod(layout.window) + 1
    same(ours, plain_conv_transpose(x, weight, bias, layout, 1, sizes), terms, terms)


SWAPS = {
    "before and after": lambda pad: [pad[1], pad[0], pad[3], pad[2]],
    "the axes": lambda pad: [pad[2], pad[3], pad[0], pad[1]],
    "all befores first": lambda pad: [pad[0], pad[2], pad[1], pad[3]],
}


@pytest.mark.parametrize("swap", sorted(SWAPS))
@pytest.mark.parametrize("kind", ["conv", "conv_transpose", "avg_pool", "max_pool", "l2_pool"])
def test_swapped_pads_are_caught(kind, swap):
    layout = Layout((2, 2), (1, 1), (1, 1), ((0, 1), (2, 1)), SIZES[:2])
    x, weight, bias = draw_conv(0, layout, 1, transposed=kind == "conv_transpose")
    pad = SWAPS[swap](layout.flat)
    if kind in ("conv", "conv_transpose"):
        ours = run(kind, x, weight, bias, pad_type="custom", pad=pad)
        if kind == "conv":
            theirs = plain_conv(x, weight, bias, layout, 1)
        else:
            theirs = plain_conv_transpose(x, weight, bias, layout, 1, layout.spread())
    else:
        ours = run(kind, x, layout.window, layout.strides, "custom", pad)
        theirs = plain_pool(x, kind, layout, False)
    with pytest.raises(AssertionError):
        same(ours, theirs, 9, 9.0)


@pytest.mark.parametrize("kind", ["avg_pool", "max_pool", "l2_pool"])
def test_ceil_mode_keeps_a_window_that_begins_inside(kind):
    x = np.arange(1.0, 6.0).reshape(1, 1, 5)
    sums = {"avg_pool": [1.5, 3.5, 5], "max_pool": [2, 4, 5], "l2_pool": [5**0.5, 5, 5]}[kind]
    np.testing.assert_array_equal(run(kind, x, [2], [2], "valid", ceil_mode=True)[0, 0], sums)
    padded = run(kind, x, [2], [3], "custom", [1, 1], ceil_mode=True)  # a third one would begin in the padding
    assert padded.shape == (1, 1, 2)


@pytest.mark.parametrize("kind", ["avg_pool", "max_pool", "l2_pool"])
def test_a_window_with_nothing_in_it_is_refused(kind):
    """Without padding MIL counts the window that PyTorch leaves out; what it holds is said nowhere."""
    with pytest.raises(UnsupportedOperator, match="nothing"):
        run(kind, np.zeros((1, 1, 8)), [1], [3], "valid", ceil_mode=True)


@pytest.mark.parametrize(
    ("kind", "parameters", "words"),
    [
        ("conv", {"pad_type": "same_higher"}, "pad_type"),
        ("conv", {"pad_type": "custom", "pad": [1, 1, 1]}, "one number per"),
        ("conv", {"pad_type": "custom", "pad": [-1, 0, 0, 0]}, "one number per"),
        ("conv", {"pad_type": "custom", "pad": [0, 2**31, 0, 2**31]}, "beyond"),
        ("conv", {"strides": [0, 1]}, "at least 1"),
        ("conv", {"dilations": [9, 1]}, "does not fit"),
        ("conv", {"bias": np.zeros(2)}, "bias"),
        ("conv", {"groups": 2}, "groups"),
        ("conv_transpose", {"groups": 0}, "groups"),
        ("conv_transpose", {"strides": [0, 1]}, "at least 1"),
        ("conv_transpose", {"strides": [2**31, 2**31]}, "beyond"),
        ("conv_transpose", {"output_shape": [1, 3, 2**31, 2**31]}, "beyond"),
        ("conv_transpose", {"pad_type": "custom", "pad": [9, 9, 0, 0]}, "leaves nothing"),
    ],
)
def test_damaged_parameters_of_convolutions(kind, parameters, words):
    x, weight = np.zeros((1, 3, 4, 5)), np.zeros((3, 3, 2, 2))
    with pytest.raises(BadInput, match=words):
        run(kind, x, weight, **parameters)


def test_damaged_parameters_of_pools():
    x = np.zeros((1, 1, 2**20))
    for kernel, pad, words in (([3, 3], None, "does not fit"), ([0], None, "at least 1"), ([2**19], None, "more work")):
        with pytest.raises(BadInput, match=words):
            run("avg_pool", x, kernel, pad=pad)


@pytest.mark.parametrize("kind", ["conv", "conv_transpose", "max_pool", "avg_pool"])
def test_windows_beyond_all_work_are_refused_at_once(kind):
    """A kilobyte of a program can ask for millions of turns of a loop."""
    x, weight = np.zeros((1, 1, 300, 300), np.float32), np.zeros((1, 1, 300, 300), np.float32)
    given = {"weight": weight} if kind.startswith("conv") else {"kernel_sizes": [2**17], "pad": [2**17, 2**17]}
    given |= {"pad_type": "custom"} if "pool" in kind else {}
    x = x.reshape(1, 1, -1) if "pool" in kind else x
    with pytest.raises(BadInput, match="more work"):
        OPERATORS[kind].function(x, **given)
