"""Whole networks on the kernels agree with the golden ones: every form, every size, any number of threads."""

import threading
from functools import cache

import numpy as np
import pytest
from compile_cases import assert_right, form, picture, random_network, twin
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import PRECISIONS, assert_no_worse
from kernel_guards import guarded
from removal import choose, remove_from_chain, remove_from_swinir, some, tail_chain
from swinir_networks import FORMS, TAILS, explicit, network, swinir_arguments

import karat
from karat.kernels.maps.layout import clear_outside
from karat.kernels.swin import swinir

FEWER = settings(max_examples=max(3, settings.default.max_examples // 3))  # whole networks
SEEDS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("precision", PRECISIONS)
@FEWER
@given(st.sampled_from(TAILS).flatmap(swinir_arguments), SEEDS)
def test_a_random_network_is_no_worse_than_its_twin(precision, drawn, seed):
    arguments, size = drawn
    model = random_network(arguments, seed)
    assert_right(model, picture(model, size, seed), precision)


@pytest.mark.parametrize("precision", PRECISIONS)
@FEWER
@given(
    st.sampled_from(TAILS).flatmap(swinir_arguments),
    st.lists(st.sampled_from(["heads", "queries", "values", "hidden"]), min_size=1, unique=True),
    SEEDS,
)
def test_so_is_one_without_some_heads_and_channels(precision, drawn, what, seed):
    arguments, size = drawn
    model = random_network(arguments, seed)
    _, removed = remove_from_swinir(model, choose(model.config, what, seed), **explicit(arguments))
    assert_right(removed, picture(model, size, seed), precision)


@pytest.mark.parametrize("tail", [("pixelshuffle", 4), ("nearest+conv", 4)])
def test_so_is_one_without_some_features_of_the_tail(tail):
    model, rng = form(upsampler=tail[0], upscale=tail[1]), np.random.default_rng(0)
    chain = tail_chain(model.config)
    _, removed = remove_from_chain(model, chain, [some(rng, 64) for _ in chain])
    assert_right(removed, picture(model, (5, 6)))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("window", range(3, 17))
def test_every_window(precision, window):
    model = form(window_size=window, embed_dim=15 if window % 2 else 12, num_heads=[3])
    for size in ((2 * window, window), (window + 1, 1)):
        assert_right(model, picture(model, size), precision)


@pytest.mark.parametrize("window", [4, 5, 7])
@pytest.mark.parametrize("name", FORMS)
def test_every_form_where_windows_are_no_whole_blocks(name, window):
    """The whole padded picture is compared: nothing is cropped that could hide what lies beside it."""
    model = form(**FORMS[name] | {"window_size": window})
    side = 2 * window if model.config.positions else 3 * window
    assert_right(model, picture(model, (side, 2 * window)))


@pytest.mark.parametrize("upscale", [1, 5, 6])
def test_scales_of_no_published_network(upscale):
    model = form(upsampler="pixelshuffledirect", upscale=upscale)
    assert_right(model, picture(model, (5, 6)))


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 3), (7, 8), (8, 8), (70, 5)])
@pytest.mark.parametrize("name", ["lightweight x3", "real-world x4", "classical x2, 3conv", "grey denoising"])
def test_every_size(name, size):
    """70 rows are more than one band of the tail."""
    _, model = network(name)
    assert_right(model, picture(model, size))


def test_published_networks():
    model = karat.load("zoo:light-x2-test")
    fast = assert_right(model, picture(model, (16, 17)))
    assert fast.scale == 2


@pytest.mark.parametrize("precision", PRECISIONS)
def test_bits_do_not_depend_on_threads_chance_or_company(precision):
    """1, 2 and 4 threads; again; alone and in a batch; with every buffer full of NaN before it is used."""
    model = form(window_size=7, embed_dim=15, num_heads=[3], upsampler="nearest+conv", upscale=2)
    x = picture(model, (15, 20), count=2)
    expected = karat.compile(model, precision, 1)(x)
    for threads in (1, 2, *[4] * 10):
        np.testing.assert_array_equal(karat.compile(model, precision, threads)(x), expected)
    np.testing.assert_array_equal(karat.compile(model, precision, 2)(x[1:]), expected[1:])
    with guarded() as guards:
        fast = karat.compile(model, precision, 2)
        guards.poison = True
        np.testing.assert_array_equal(fast(x), expected)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_pictures_at_the_same_time_do_not_disturb_one_another(precision):
    model = form(window_size=8, embed_dim=24)
    fast = karat.compile(model, precision, 2)
    pictures = [picture(model, (64, 64), seed) for seed in range(3)]
    expected, wrong = [fast(x) for x in pictures], []

    def work(index):
        for _ in range(8):
            if not np.array_equal(fast(pictures[index]), expected[index]):
                wrong.append(index)

    together = [threading.Thread(target=work, args=(index,)) for index in range(3)]
    for one in together:
        one.start()
    for one in together:
        one.join()
    assert wrong == []


def test_any_floating_array_is_taken():
    model = form()
    fast, x = karat.compile(model, threads=1), picture(model, (6, 7), count=1)
    expected = fast(x)
    np.testing.assert_array_equal(fast(x.astype(np.float64)), expected)
    np.testing.assert_array_equal(fast(np.asfortranarray(x)), expected)
    np.testing.assert_array_equal(fast(x[:, ::-1])[0], fast(np.ascontiguousarray(x[:, ::-1]))[0])
    assert not np.array_equal(fast(x[:, ::-1]), expected)


def test_progress_ends_with_the_work():
    model, calls = form(), []
    karat.compile(model, threads=2)(picture(model, (6, 7), count=2), lambda *call: calls.append(call))
    total = calls[0][1]
    assert calls == [(done, total) for done in range(1, total + 1)]


# the plan

CONVOLUTION = "3x3 convolution"  # direct or Winograd's


@pytest.mark.parametrize("name", FORMS)
def test_no_layer_is_on_the_slow_path(name):
    model = form(**FORMS[name])
    plan = karat.compile(model, threads=1).plan()
    assert [layer for layer, _ in plan] == list(model.layers)
    assert not [line for line in plan if line[1].startswith("slow")]
    for layer, kernel in plan:
        operator, inside = model.layers[layer], ".residual_group.blocks." in layer
        if inside:
            assert kernel == "fused Swin layer, float32"
        elif operator in ("conv2d", "layer_norm", "pixel_shuffle", "upsample_nearest"):
            own = {"conv2d": CONVOLUTION, "layer_norm": "LayerNorm", "upsample_nearest": "nearest neighbours x2"}
            assert own.get(operator, "pixel shuffle") in kernel, layer


def test_a_layer_without_a_kernel_is_called_slow():
    fast = karat.compile(form(), threads=1)
    del fast._network.convolutions["conv_first"]
    assert [layer for layer, kernel in fast.plan() if kernel.startswith("slow")] == ["conv_first"]


# mutants


def _wrong_scale(patch):
    patch.setattr(swinir, "query_scale", lambda *_: 1.0)


def _no_shift(patch):
    real = swinir.pack_swin_layer
    patch.setattr(swinir, "pack_swin_layer", lambda p, heads, window, shift, *rest: real(p, heads, window, 0, *rest))


def _borders_not_cleared(patch):
    patch.setattr(swinir, "clear_outside", lambda *_: None)


def _only_the_last_block_cleared(patch):
    """Behind an upsampling whole blocks may be outside."""

    def cut(feature_map, height, width):
        rows, columns = feature_map.shape[:2]
        clear_outside(feature_map, max(height, 4 * rows - 3), max(width, 4 * columns - 3))

    patch.setattr("karat.kernels.swin.tail.clear_outside", cut)


def _mean_forgotten(patch):
    patch.setattr(swinir, "MEAN", np.zeros(3, np.float32))


def _no_halo(patch):
    patch.setattr("karat.kernels.swin.tail.HALO", 0)


@cache
def mutants_case():
    """(model, picture, golden, plain): more rows than a band of the tail has, and cut blocks at every border."""
    model = form(window_size=7, upsampler="nearest+conv", upscale=4, resi_connection="3conv")
    x = picture(model, (77, 7))
    return model, x, model(x.astype(np.float64)), twin(model, x, karat.compile(model, threads=1))


WRONG = [_wrong_scale, _no_shift, _borders_not_cleared, _only_the_last_block_cleared, _mean_forgotten, _no_halo]


@pytest.mark.parametrize("change", WRONG)
def test_a_wrong_network_is_caught(change, monkeypatch):
    model, x, golden, plain = mutants_case()
    assert_no_worse(golden, plain, karat.compile(model, threads=2)(x))
    change(monkeypatch)
    with pytest.raises(AssertionError):
        assert_no_worse(golden, plain, karat.compile(model, threads=2)(x))
