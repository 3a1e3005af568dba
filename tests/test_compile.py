"""Whole networks on the kernels agree with the golden ones: every form, every size, any number of threads."""

import threading
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import PRECISIONS, assert_no_worse, bfloat16_block, guarded
from removal import choose, remove_from_chain, remove_from_swinir, some, tail_chain
from swinir_networks import BASE, FORMS, TAILS, explicit, network, random_swinir, swinir_arguments

import karat
from karat.kernels import compile as compile_module
from karat.kernels import cpu
from karat.kernels.maps.layout import clear_outside
from karat.kernels.maps.winograd import WinogradConv
from karat.kernels.swin import swinir
from karat.refimpl.errors import BadInput
from karat.refimpl.load import load
from karat.refimpl.models import swin_blocks
from karat.refimpl.models import swinir as golden_swinir
from karat.refimpl.numerics.winograd import A, B, G, conv2d_winograd

FEWER = settings(max_examples=max(3, settings.default.max_examples // 3))  # whole networks
PIXELS = 100
SEEDS = st.integers(0, 2**32 - 1)


def random_network(arguments, seed=1):
    arguments = {"img_range": 1.0, "qk_scale": None} | arguments
    state = random_swinir(arguments, seed).float().state_dict()
    return load({name: value.numpy() for name, value in state.items()}, **explicit(arguments))


def form(seed=1, **arguments):
    """A network like `swinir_networks.BASE`."""
    arguments = {"upscale": 1, "upsampler": ""} | BASE | arguments
    return random_network(arguments | {"img_size": 2 * arguments["window_size"]}, seed)


def picture(model, size, seed=0, count=None):
    """Pictures of that size, by default as many as make an error more than luck."""
    count = min(-(-PIXELS // (size[0] * size[1])), 16) if count is None else count
    return np.random.default_rng(seed).random((count, model.config.channels, *size), np.float32)


def twin(model, x, fast):
    """In float32, with the blocks of bfloat16 and the convolutions by Winograd's algorithm that the network has."""
    network, plain_conv = fast._network, swin_blocks.conv

    def block(name, parameters, tokens, size, heads, window, shift, scale=None):
        own = {key.removeprefix(f"{name}."): value for key, value in parameters.items() if key.startswith(f"{name}.")}
        width = (len(own["attn.qkv.weight"]) - own["attn.proj.weight"].shape[1]) // (2 * heads)
        scale = parameters.get(f"{name}.attn:query.value", width**-0.5 if scale is None else scale)
        y = bfloat16_block(own, tokens, size, heads, window, shift, float(scale)).astype(tokens.dtype)
        yield name, y
        return y

    def conv(name, parameters, values):
        if network.convolutions[name] != WinogradConv.name:
            return plain_conv(name, parameters, values)
        matrices = tuple(matrix.astype(values.dtype) for matrix in (A, B, G))
        return (
            conv2d_winograd(values, parameters[f"{name}.weight"], matrices) + parameters[f"{name}.bias"][:, None, None]
        )

    with pytest.MonkeyPatch.context() as patch:
        for module in (swin_blocks, golden_swinir):
            patch.setattr(module, "conv", conv)
        if fast.precision == "bfloat16":
            patch.setattr(swin_blocks, "swin_block", block)
        return model(x)


def assert_right(model, x, precision="float32", threads=2):
    fast = karat.compile(model, precision, threads)
    y = fast(x)
    assert y.dtype == np.float32
    assert_no_worse(model(x.astype(np.float64)), twin(model, x, fast), y)
    return fast


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


# what is refused


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"precision": "float16"}, "precision is 'float16'"),
        ({"threads": 0}, "0 threads"),
        ({"threads": -1}, "-1 threads"),
        ({"threads": "2"}, "threads"),
        ({"threads": 1.5}, "threads"),
        ({"model": "zoo:nothing"}, "zoo holds no"),
    ],
)
def test_what_cannot_be_compiled_is_told(given, says):
    with pytest.raises(BadInput, match=says) as error:
        karat.compile(**{"model": "zoo:light-x2-test"} | given)
    assert str(error.value).count(". ") == 0, "one sentence"


def test_bfloat16_is_refused_where_the_processor_has_none(monkeypatch):
    plain = replace(cpu.target(), bf16=False)
    monkeypatch.setattr(compile_module.cpu, "target", lambda: plain)
    with pytest.raises(BadInput, match="bfloat16 was asked for") as error:
        karat.compile(form(), precision="bfloat16")
    assert str(error.value).count(". ") == 0, "one sentence"


@pytest.mark.parametrize(
    "name", ["norm.eps", "layers.0.residual_group.blocks.0.attn:bias.value", ":denormalise.factor"]
)
def test_constants_of_a_package_are_not_passed_over(name):
    model = form()
    carrying = model.carrying({name: model.expressions((8, 8)).get(name, 1 / 255)})
    with pytest.raises(BadInput, match=name) as error:
        karat.compile(carrying)
    assert str(error.value).count(". ") == 0, "one sentence"


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (np.zeros((1, 1, 8, 8), np.float32), "expected"),
        (np.zeros((3, 8, 8), np.float32), "expected"),
        (np.zeros((1, 3, 8, 8), np.uint8), "divide bytes by 255"),
        (np.zeros((1, 3, 0, 8), np.float32), "0 x 8"),
        (np.zeros((1, 3, 9, 9), np.float32), "position embedding"),
    ],
)
def test_pictures_that_do_not_fit_are_told(x, says):
    model = form(**FORMS["position embedding"])
    with pytest.raises(BadInput, match=says) as error:
        karat.compile(model, threads=1)(
            np.pad(x, ((0, 0),) * (x.ndim - 2) + ((0, 4),) * 2) if "position" in says else x
        )
    assert str(error.value).count(". ") == 0, "one sentence"
