"""Interval rules: no point of a box leaves the bounds, and a rule that is a little too tight is caught."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from range_cases import CASES

from karat.convert.fidelity.ranges import RULES, Bounds, activation, products
from karat.convert.fidelity.ranges.facts import Ball, Term
from karat.convert.mil.ops import OPERATORS

SEEDS = st.integers(0, 2**32 - 1)


def map_boxes(function, boxes):
    """``function`` of every (low, high), a tuple of boxes for operators that take several."""
    several = {k: isinstance(v[0], tuple) for k, v in boxes.items()}
    return {k: tuple(function(*b) for b in v) if several[k] else function(*v) for k, v in boxes.items()}


def points(boxes, rng, count=12):
    """Random corners and inner points of the boxes, numbers of float16 like what programs hold."""

    def draw(low, high):
        at = rng.random(low.shape)
        at = np.where(rng.random() < 0.6, np.round(at), at)
        at = (low + at * (high - low)).astype(np.float16).astype(np.float64)
        return np.clip(at, low, high)

    return [map_boxes(draw, boxes) for _ in range(count)]


def as_type(dtype, values):
    several = {k: v if isinstance(v, tuple) else (v,) for k, v in values.items()}
    cast = {k: tuple(part.astype(dtype) for part in v) for k, v in several.items()}
    return {k: v if isinstance(values[k], tuple) else v[0] for k, v in cast.items()}


def outside(kind, boxes, constants, samples):
    """What leaves the rule's bounds: (dtype, low, value, high) of the worst element of each sample that does."""
    with np.errstate(all="ignore"):
        results = RULES[kind](**map_boxes(Bounds, boxes), **constants)
    found = []
    for dtype in ("float64", "float32"):
        for sample in samples:
            held = {k: v.astype(dtype) if getattr(v, "dtype", None) == "float64" else v for k, v in constants.items()}
            values = OPERATORS[kind].function(**as_type(dtype, sample), **held)
            for value, bound in zip(*(r if isinstance(r, tuple) else (r,) for r in (values, results)), strict=True):
                if not isinstance(bound, Bounds):
                    assert np.array_equal(bound, value)
                    continue
                value = np.asarray(value, np.float64)
                assert value.shape == bound.shape
                out = (value < bound.low) | (value > bound.high)
                found += [(dtype, bound.low[out][0], value[out][0], bound.high[out][0])] if out.any() else []
    return found


def test_every_rule_has_a_case():
    assert set(RULES) == set(CASES)
    assert set(RULES) <= set(OPERATORS)


@pytest.mark.parametrize("kind", sorted(CASES))
@given(seed=SEEDS)
def test_no_point_of_a_box_leaves_the_bounds(kind, seed):
    rng = np.random.default_rng(seed)
    boxes, constants = CASES[kind](rng)
    assert outside(kind, boxes, constants, points(boxes, rng)) == []


@pytest.mark.parametrize("mode", ["EXACT", "TANH_APPROXIMATION", "SIGMOID_APPROXIMATION"])
@given(low=st.floats(-20, 20), size=st.floats(0, 10))
def test_gelu_in_every_mode(mode, low, size):
    box = (np.full(400, low), np.full(400, low + size))
    at = {"x": np.linspace(low, low + size, 400).clip(low, low + size)}
    low32 = {"x": (box[0] - 1e-5 * (1 + abs(low)), box[1] + 1e-5 * (1 + abs(low + size)))}  # float32 points stay inside
    assert outside("gelu", low32, {"mode": mode}, [at]) == []


def corners(boxes):
    """Every corner of small boxes."""
    count = sum(low.size for low, _ in boxes.values())
    for signs in product((0, 1), repeat=count):
        signs, sample = np.array(signs), {}
        for name, (low, high) in boxes.items():
            sample[name] = np.where(signs[: low.size].reshape(low.shape), high, low)
            signs = signs[low.size :]
        yield sample


def wide(*shape, seed=3):
    rng = np.random.default_rng(seed)
    low = rng.normal(size=shape).astype(np.float16).astype(np.float64)
    return low, low + 1


WEIGHT = np.random.default_rng(4).normal(size=(3, 2, 2, 2)).astype(np.float16).astype(np.float64)
SMALL = {
    "linear": ({"x": wide(2, 4)}, {"weight": WEIGHT[0].reshape(2, 4)}),
    "conv": ({"x": wide(1, 2, 2, 2)}, {"weight": WEIGHT}),
    "add": ({"x": wide(4), "y": wide(4)}, {}),
    "sub": ({"x": wide(4), "y": wide(4, seed=5)}, {}),
    "mul": ({"x": wide(4), "y": wide(4)}, {}),
    "leaky_relu": ({"x": wide(8)}, {"alpha": 0.1}),
    "clip": ({"x": wide(8)}, {"alpha": -0.5, "beta": 0.5}),
    "exp": ({"x": wide(8)}, {}),
    "reduce_sum": ({"x": wide(8)}, {}),
    "transpose": ({"x": wide(2, 4)}, {"perm": [1, 0]}),
    "avg_pool": ({"x": wide(1, 1, 2, 4)}, {"kernel_sizes": [2, 2], "strides": [2, 2]}),
}


def smaller(bound):
    """1 % off the radius."""
    return Bounds(bound.low + 0.01 * bound.radius, bound.high - 0.01 * bound.radius)


MUTANTS = {"1 % too small": smaller, "wrong sign": lambda bound: Bounds(-bound.high, -bound.low)}


@pytest.mark.parametrize("mutant", MUTANTS)
@pytest.mark.parametrize("kind", SMALL)
def test_a_rule_that_is_wrong_is_caught(kind, mutant, monkeypatch):
    boxes, constants = SMALL[kind]
    samples = list(corners(boxes))
    assert outside(kind, boxes, constants, samples) == []
    honest = RULES[kind]
    monkeypatch.setitem(RULES, kind, lambda **arguments: MUTANTS[mutant](honest(**arguments)))
    assert outside(kind, boxes, constants, samples) != []


def attention_inputs(seed, size=6):
    """Wide boxes, a layer norm's parameters, and a weight whose rows sum to zero behind gamma."""
    rng = np.random.default_rng(seed)
    gamma, beta = rng.normal(1, 0.3, size), rng.normal(size=size)
    weight = rng.normal(size=(4, size))
    weight -= (weight * gamma).mean(axis=1, keepdims=True) / gamma
    return gamma, beta, weight


def normalised(x, gamma, beta):
    return OPERATORS["layer_norm"].function(x=x, axes=[-1], gamma=gamma, beta=beta, epsilon=1e-5)


@given(SEEDS)
def test_a_linear_layer_behind_a_norm_reaches_its_bound_and_no_more(seed):
    gamma, beta, weight = attention_inputs(seed)
    x = Bounds(np.full((4, 6), -1e4), np.full((4, 6), 1e4))
    rule = RULES["linear"](RULES["layer_norm"](x, [-1], gamma, beta, 1e-5), weight)
    direction = weight * gamma
    worst = direction / np.abs(direction).max(axis=1, keepdims=True) * 1e4
    for sign in (1, -1):
        value = np.diag(OPERATORS["linear"].function(normalised(sign * worst, gamma, beta), weight))
        low, high = np.diag(rule.low), np.diag(rule.high)
        assert np.all((value >= low) & (value <= high))
        side = high if sign > 0 else -low
        assert np.all(side - sign * value <= 1e-3 * (high - low))  # the mutant below is ten times as far off


def test_a_length_that_is_too_short_is_caught(monkeypatch):
    honest = Term.lengths
    monkeypatch.setattr(Term, "lengths", lambda self: 0.99 * honest(self))
    with pytest.raises(AssertionError):
        test_a_linear_layer_behind_a_norm_reaches_its_bound_and_no_more.hypothesis.inner_test(7)


@given(SEEDS)
def test_scores_and_weighted_sums_of_normalised_rows(seed):
    """q k^T, softmax and the weighted sum, all from one layer norm: for rows of any size, and rows that repeat."""
    rng = np.random.default_rng(seed)
    gamma, beta, weight = attention_inputs(seed)
    wq, wk, wv = (rng.normal(size=(4, 6)) for _ in range(3))
    x = Bounds(np.full((1, 5, 6), -1e3), np.full((1, 5, 6), 1e3))
    norm = RULES["layer_norm"](x, [-1], gamma, beta, 1e-5)
    q, k, v = (RULES["linear"](norm, w) for w in (wq, wk, wv))
    scores = RULES["matmul"](q, k, transpose_y=True)
    total = RULES["matmul"](RULES["softmax"](scores), v)
    assert isinstance(total.fact, Ball)
    after = RULES["linear"](total, weight[:, :4])
    for size in (1e-3, 1.0, 1e3):
        rows = normalised(np.clip(size * rng.standard_cauchy((1, 5, 6)), -1e3, 1e3), gamma, beta)
        values = [rows @ w.T for w in (wq, wk, wv)]
        s = values[0] @ np.swapaxes(values[1], -1, -2)
        y = OPERATORS["softmax"].function(s) @ values[2]
        for value, bound in ((s, scores), (y, total), (y @ weight[:, :4].T, after)):
            assert np.all((value >= bound.low) & (value <= bound.high))
    box = RULES["matmul"](replace(q, fact=None), replace(k, fact=None), transpose_y=True)
    assert scores.magnitude.max() <= box.magnitude.max()


def two_convolutions(seed, pad=1):
    """(exact bounds, bounds by rules, and by the rules for boxes alone) of two convolutions of any image in [0, 1]."""
    rng = np.random.default_rng(seed)
    first = {"weight": rng.normal(size=(5, 2, 3, 3)), "bias": 30 * rng.normal(size=5)}
    second = {"weight": rng.normal(size=(2, 5, 3, 3)), "bias": rng.normal(size=2)}
    options = {"pad_type": "custom", "pad": [pad, pad, pad, pad]}

    def both(x):
        function = OPERATORS["conv"].function
        return function(function(x, **first, **options), **second, **options)

    shape = (1, 2, 6, 6)
    offset = both(np.zeros(shape))
    columns = both(np.eye(72).reshape(72, *shape[1:])) - offset  # (72, 2, H, W): what each input element adds
    exact = offset + np.minimum(columns, 0).sum(axis=0), offset + np.maximum(columns, 0).sum(axis=0)
    between = RULES["conv"](Bounds(np.zeros(shape), np.ones(shape)), **first, **options)
    boxes = RULES["conv"](replace(between, fact=None), **second, **options)
    return exact, RULES["conv"](between, **second, **options), boxes


@given(SEEDS, st.integers(0, 2))
def test_two_convolutions_contain_what_is_reached(seed, pad):
    (low, high), found, boxes = two_convolutions(seed, pad)
    assert np.all(found.low <= low)
    assert np.all(found.high >= high)
    assert np.all(found.low >= boxes.low)
    assert np.all(found.high <= boxes.high)


def test_forgotten_padding_is_caught(monkeypatch):
    """Without it the shift of a layer is counted where a border pixel has none."""
    honest = products.of_pixels
    monkeypatch.setattr(products, "of_pixels", lambda *a: honest(*a[:-1], np.zeros_like(a[-1])))
    caught = 0
    for seed in range(20):
        (low, high), found, _ = two_convolutions(seed)
        caught += bool(np.any(found.low > low) or np.any(found.high < high))
    assert caught > 0


def perceptron(seed, size):
    """(outputs for many rows, bounds) of norm, linear, gelu, linear and the residual sum; and of the gelu."""
    rng = np.random.default_rng(seed)
    gamma, beta, _ = attention_inputs(seed)
    first, second = size * rng.normal(size=(9, 6)), rng.normal(size=(6, 9))
    bias = rng.normal(size=9)
    rows = np.concatenate([1e3 * rng.standard_cauchy((300, 6)), 1e3 * first, -1e3 * first]).clip(-1e4, 1e4)
    limits = Bounds(np.full(rows.shape, -1e4), np.full(rows.shape, 1e4))
    norm = RULES["layer_norm"](limits, [-1], gamma, beta, 1e-5)
    hidden = RULES["gelu"](RULES["linear"](norm, first, bias))
    value = normalised(rows, gamma, beta)
    inner = OPERATORS["gelu"].function(value @ first.T + bias)
    bound = RULES["add"](norm, RULES["linear"](hidden, second))
    return value + inner @ second.T, bound, hidden.fact, inner


@given(SEEDS, st.sampled_from([0.01, 0.3, 1.0, 10.0]))
def test_a_perceptron_and_its_residual_sum(seed, size):
    value, bound, fact, inner = perceptron(seed, size)
    assert np.all((value >= bound.low) & (value <= bound.high))
    assert np.all(np.abs(inner - fact.shift) <= fact.spread)


def test_a_gelu_that_deviates_less_is_caught(monkeypatch):
    monkeypatch.setattr(activation, "DEVIATION", 0.02)
    caught = 0
    for seed in range(20):
        _, _, fact, inner = perceptron(seed, 1.0)
        caught += bool(np.any(np.abs(inner - fact.shift) > fact.spread))
    assert caught > 0
