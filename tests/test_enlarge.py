"""Pixels made larger: nothing is lost on the way through the network."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from karat.app.photos import bands, shadows
from karat.app.photos.alpha import filled
from karat.app.photos.array import upscale_array
from karat.app.photos.curve import decoded, encoded
from karat.app.photos.enlarge import enlarge
from karat.app.photos.flat import keep_flat
from karat.app.photos.shadows import keep_shadows
from karat.app.photos.size import PASSES, plan_size
from karat.kernels.compile import compile
from karat.kernels.pictures.tile_plan import plan_tiles
from karat.refimpl.errors import BadInput

BITS = st.sampled_from([8, 10, 12, 16])


@pytest.fixture(scope="module")
def fast():
    return compile("zoo:quicksrnet-small-x2", threads=1)


def picture(seed, height, width, channels, bits):
    """Smooth patches and noise."""
    rng, most = np.random.default_rng(seed), 2**bits - 1
    coarse = rng.integers(0, most, (height // 4 + 1, width // 4 + 1, channels), endpoint=True)
    fine = coarse.repeat(4, 0).repeat(4, 1)[:height, :width] + rng.integers(-2, 3, (height, width, channels))
    return np.clip(fine, 0, most).astype(np.uint8 if bits == 8 else np.uint16)


@given(st.integers(0, 99), st.integers(3, 20), st.integers(3, 20), st.sampled_from([1, 3]), BITS)
def test_colours_are_what_the_network_gives(fast, seed, height, width, channels, bits):
    pixels = picture(seed, height, width, channels, bits)
    most = 2**bits - 1
    pixels = np.maximum(pixels, most // 16)  # of shadows see below
    found = enlarge(fast, pixels, most, plan_size(width, height, 2))
    x = np.float32(pixels.transpose(2, 0, 1)[None]) / np.float32(most)
    y = fast(x if channels == 3 else x.repeat(3, 1))
    y = y if channels == 3 else y.mean(1, keepdims=True)
    expected = np.rint(np.clip(y[0], 0, 1).transpose(1, 2, 0) * np.float64(most))
    flat = flat_by_definition(pixels).repeat(2, 0).repeat(2, 1)
    assert found.dtype == pixels.dtype
    assert np.abs(found - expected)[~flat].max(initial=0) <= (0 if channels == 3 else 1)
    assert np.array_equal(found[flat], pixels.repeat(2, 0).repeat(2, 1)[flat])


@given(st.integers(0, 99), st.integers(3, 80), st.integers(3, 20), st.sampled_from([3, 4]), BITS)
def test_grey_that_is_stored_as_colours_stays_grey(fast, seed, height, width, channels, bits):
    pixels = picture(seed, height, width, channels, bits)
    pixels[..., 1:3] = pixels[..., :1]
    target = plan_size(width, height, 2)
    found = enlarge(fast, pixels, 2**bits - 1, target)
    assert np.array_equal(found[..., :1], found[..., 1:2])
    assert np.array_equal(found[..., :1], found[..., 2:3])
    alone = enlarge(fast, pixels[..., [0, *range(3, channels)]], 2**bits - 1, target)
    assert np.array_equal(found[..., [0, *range(3, channels)]], alone)
    pixels[-1, -1, 1] ^= 1  # one level of one colour, in the last rows: no longer
    assert enlarge(fast, pixels, 2**bits - 1, target).dtype == pixels.dtype


def flat_by_definition(pixels):
    height, width, _ = pixels.shape
    flat = np.zeros((height, width), bool)
    for i in range(height):
        for j in range(width):
            around = pixels[max(0, i - 1) : i + 2, max(0, j - 1) : j + 2]
            flat[i, j] = (around == pixels[i, j]).all()
    return flat


@given(st.sampled_from([1, 2, 3, 4]), BITS, st.data())
def test_what_is_flat_stays_to_the_last_bit(fast, channels, bits, data):
    """White stays 255 and black 0, of every depth; the network alone gives black a green of 2."""
    most = 2**bits - 1
    colour = [data.draw(st.sampled_from([0, 1, most // 2, most - 1, most])) for _ in range(channels)]
    pixels = np.full((6, 7, channels), colour, np.uint8 if bits == 8 else np.uint16)
    found = enlarge(fast, pixels, most, plan_size(7, 6, 2))
    expected = pixels.copy()
    if channels % 2 == 0 and colour[-1] == 0:
        found, expected = found[..., -1:], expected[..., -1:]  # colours that nobody sees
    assert (found == expected[0, 0]).all()


@given(st.integers(0, 99), st.sampled_from([1, 3]), st.integers(1, 3))
def test_shadows_keep_their_mean(fast, seed, channels, deepest):
    """Noise of the lowest levels; the network alone makes it greenish."""
    rng = np.random.default_rng(seed)
    dark = rng.integers(0, deepest, (24, 24, channels), endpoint=True).astype(np.uint16) * 40
    found = enlarge(fast, dark, 65535, plan_size(24, 24, 2))
    error = found.mean((0, 1)) - dark.mean((0, 1))
    assert np.abs(error).max() <= 0.25 * dark.mean() + 4  # what the clip at black keeps


def test_shadows_are_tinted_without_the_rule(fast, monkeypatch):
    dark = np.random.default_rng(0).integers(0, 60, (24, 24, 3)).astype(np.uint16)
    kept = enlarge(fast, dark, 65535, plan_size(24, 24, 2)).mean((0, 1))
    monkeypatch.setattr(bands, "keep_shadows", lambda y, x: None)
    tinted = enlarge(fast, dark, 65535, plan_size(24, 24, 2)).mean((0, 1))
    assert np.abs(kept - 29.5).max() < 15
    assert tinted[1] > 400


@given(st.integers(0, 99), st.integers(3, 30), st.integers(3, 30), st.sampled_from([2, 3]), st.integers(5, 12))
def test_shadows_in_strips_are_those_of_the_whole(seed, height, width, scale, strip):
    rng = np.random.default_rng(seed)
    x = (rng.random((1, 3, height, width)) * 0.03).astype(np.float32)
    x[..., width // 2 :] += 0.5
    y = (x.repeat(scale, 2).repeat(scale, 3) + 0.01).astype(np.float32)
    whole, parts = y.copy(), y.copy()
    keep_shadows(whole, x)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shadows, "STRIP", strip)
        keep_shadows(parts, x)
    assert np.array_equal(parts, whole)
    brightest = np.array(
        [
            [x[0].max(0)[max(0, i - 4) : i + 5, max(0, j - 4) : j + 5].mean() for j in range(width)]
            for i in range(height)
        ]
    )
    bright = (brightest > 8 / 255 + 1e-6).repeat(scale, 0).repeat(scale, 1)
    assert np.array_equal(whole[0][:, bright], y[0][:, bright])
    dark = (brightest < 4 / 255 - 1e-6).repeat(scale, 0).repeat(scale, 1)
    np.testing.assert_allclose((y - whole)[0][:, dark], 0.01, atol=1e-6)


@pytest.mark.parametrize("radius", [shadows.RADIUS, 0])
def test_tiles_give_the_bits_of_the_whole(fast, radius, monkeypatch):
    """In several bands, with shadows and flat areas across their borders; without rows held back it shows."""
    monkeypatch.setattr(bands, "RADIUS", radius)
    differ, limit = 0, 23 * 10**5
    for seed, channels, linear in ((0, 3, False), (1, 1, False), (2, 4, False), (3, 3, True)):
        pixels = np.random.default_rng(seed).integers(0, 1500, (300, 70, channels)).astype(np.uint16)
        pixels[40:90, 10:30], pixels[:, 50:] = 3, 30_000
        target = plan_size(70, 300, 2)
        whole = enlarge(fast, pixels, 65535, target, linear=linear)
        plan = plan_tiles(fast, 300, 70, limit, held=bands.HELD)
        assert len({tile.rows for tile in plan.tiles}) > 2
        tiled = enlarge(fast, pixels, 65535, target, linear=linear, max_memory=limit)
        differ += not np.array_equal(tiled, whole)
    assert differ == 0 if radius else differ > 0


@given(st.integers(0, 99), st.integers(9000, 60_000))
def test_sensor_data_stays_below_its_brightest_value(fast, seed, brightest):
    """Raw programs scale by the brightest value that they find: one that overshoots would darken all others."""
    rng = np.random.default_rng(seed)
    pixels = np.where(rng.random((12, 9, 1)) < 0.5, brightest, brightest // 50) * np.ones((1, 1, 3))
    target = plan_size(9, 12, 2)
    found = enlarge(fast, pixels.astype(np.uint16), 65535, target, linear=True)
    assert found.max() <= brightest
    assert enlarge(fast, pixels.astype(np.uint16), 65535, target).max() > brightest


def test_no_pass_is_no_pass(fast):
    pixels = picture(0, 9, 8, 3, 8)
    assert np.array_equal(enlarge(fast, pixels, 255, plan_size(8, 9, 2, scale=1)), pixels)


def test_a_flat_picture_is_not_flat_without_the_rule(fast, monkeypatch):
    monkeypatch.setattr(bands, "keep_flat", lambda y, x: None)
    monkeypatch.setattr(bands, "keep_shadows", lambda y, x: None)
    nearly_black = np.full((8, 8, 3), (0, 0, 1), np.uint8)
    assert enlarge(fast, nearly_black, 255, plan_size(8, 8, 2)).max() >= 2


@given(st.integers(0, 999), st.integers(1, 12), st.integers(1, 12), st.integers(1, 3), st.sampled_from([2, 3]))
def test_flat_areas_by_definition(seed, height, width, repeat, scale):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 2, (1, 3, height, width)).repeat(repeat, 2).repeat(repeat, 3).astype(np.float32)
    y = np.full((1, 3, scale * x.shape[2], scale * x.shape[3]), 0.5, np.float32)
    keep_flat(y, x)
    flat = flat_by_definition(x[0].transpose(1, 2, 0)).repeat(scale, 0).repeat(scale, 1)
    assert np.array_equal(y[0, 0] != 0.5, flat)
    assert np.array_equal(y[0][:, flat], x[0].repeat(scale, 1).repeat(scale, 2)[:, flat])


@given(st.integers(0, 99), BITS)
def test_sixteen_dark_bits_stay(fast, seed, bits):
    """A picture in the lowest 256 levels of 16 bits keeps more than 8 bits would."""
    rng = np.random.default_rng(seed)
    dark = rng.integers(0, 256, (5, 5, 3)).repeat(4, 0).repeat(4, 1).astype(np.uint16)
    found = enlarge(fast, dark, 65535, plan_size(20, 20, 2))
    assert len(np.unique(found)) > 20
    assert len(np.unique(found // 256)) <= 6


@given(st.integers(0, 999), st.integers(1, 30), st.integers(1, 30))
def test_colours_are_continued_from_what_is_seen(seed, height, width):
    rng = np.random.default_rng(seed)
    alpha = rng.choice([0.0, 0.0, 0.125, 0.5, 1.0], (height, width))
    colours = np.where(alpha > 0, rng.uniform(0.4, 0.6, (3, height, width)), rng.choice([0.0, 1.0], (3, height, width)))
    result = filled(colours, alpha)
    assert np.array_equal(result[:, alpha > 0], colours[:, alpha > 0])
    if alpha.any():
        assert 0.4 - 1e-9 <= result.min() <= result.max() <= 0.6 + 1e-9


def test_no_dark_fringe(fast):
    """A light disc on black that nobody sees: what is seen of the result is as light as the disc."""
    i, j = np.mgrid[-10:11, -10:11]
    disc = i**2 + j**2 < 50
    pixels = np.zeros((21, 21, 4), np.uint8)
    pixels[disc] = (220, 210, 200, 255)
    found = enlarge(fast, pixels, 255, plan_size(21, 21, 2)).astype(int)
    seen = found[..., 3] > 0
    assert np.abs(found[seen][:, :3] - (220, 210, 200)).max() <= 1
    bled = upscale_array(np.ascontiguousarray(pixels[..., :3]), threads=1)  # mutant: alpha left out of account
    assert bled[seen].min() < 150
    assert found[0, 0, 3] == 0
    assert found[21, 21, 3] == 255


def test_no_dark_fringe_behind_a_lossy_alpha(fast):
    """Alphas of a few levels over black, as HEIC leaves them, count next to nothing."""
    i, j = np.mgrid[-10:11, -10:11]
    disc = i**2 + j**2 < 50
    pixels = np.zeros((21, 21, 4), np.uint8)
    pixels[disc] = (220, 210, 200, 255)
    pixels[~disc, 3] = np.random.default_rng(0).integers(0, 4, (~disc).sum())
    found = enlarge(fast, pixels, 255, plan_size(21, 21, 2)).astype(int)
    assert np.abs(found[found[..., 3] > 250][:, :3] - (220, 210, 200)).max() <= 12


def test_light_goes_through_the_curve(fast):
    pixels = picture(3, 12, 12, 3, 16)
    found = enlarge(fast, pixels, 65535, plan_size(12, 12, 2), linear=True)
    curved = np.rint(encoded(pixels / 65535) * 65535).astype(np.uint16)
    expected = np.minimum(decoded(enlarge(fast, curved, 65535, plan_size(12, 12, 2)) / 65535) * 65535, pixels.max())
    assert np.abs(found - expected).max() <= 8  # two roundings on the curve, which is at most 2.3 steep here
    plain = enlarge(fast, pixels, 65535, plan_size(12, 12, 2))
    assert np.abs(found - plain.astype(float)).max() > 100


@given(st.floats(0, 1))
def test_the_curve_goes_back(value):
    assert float(decoded(encoded(np.float64(value)))) == pytest.approx(value, abs=1e-7)


@given(
    st.integers(1, 5000),
    st.integers(1, 5000),
    st.sampled_from([1.5, 2, 3, 4]),
    st.one_of(
        st.floats(0.1, 6).map(lambda scale: {"scale": scale}),
        st.tuples(st.sampled_from(["long", "short"]), st.integers(1, 9999)).map(lambda p: {"size": f"{p[0]}={p[1]}"}),
        st.tuples(st.integers(1, 9999), st.integers(1, 9999)).map(lambda p: {"size": f"{p[0]}x{p[1]}"}),
    ),
)
def test_sizes(width, height, network, wanted):
    try:
        target = plan_size(width, height, network, **wanted)
    except BadInput as error:
        assert "passes" in str(error) or "does not grow" in str(error)
        return
    assert 0 <= target.passes <= PASSES
    assert target.sizes[-1] >= (target.width, target.height) or target.sizes[-1][0] >= target.width
    if "scale" in wanted:
        assert abs(target.width - wanted["scale"] * width) <= 1
    elif wanted["size"].startswith("long"):
        assert max(target.width, target.height) == int(wanted["size"][5:])
    elif wanted["size"].startswith("short"):
        assert min(target.width, target.height) == int(wanted["size"][6:])
    else:
        most = [int(n) for n in wanted["size"].split("x")]
        assert target.width <= most[0]
        assert target.height <= most[1]
        assert target.width == most[0] or target.height == most[1]


@pytest.mark.parametrize("size", ["", "4000", "0x5", "long=0", "big=3", "4000 x 3000", "-1x5", "1e3x5"])
def test_sizes_that_are_none(size):
    with pytest.raises(BadInput, match="expected 4000x3000"):
        plan_size(10, 10, 2, size=size)


@pytest.mark.parametrize("scale", [0, -1, float("nan"), float("inf"), 1000])
def test_scales_that_are_none(scale):
    with pytest.raises(BadInput, match="expected more than 0"):
        plan_size(10, 10, 2, scale=scale)


@pytest.mark.parametrize("size", ["long=50", "31x400", "short=17"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_arrays_of_any_size(size, channels):
    pixels = picture(0, 16, 20, channels, 8)
    target = plan_size(20, 16, 2, size=size)
    assert upscale_array(pixels, size=size, threads=1).shape == (target.height, target.width, channels)


def test_a_grey_network_takes_colours_one_by_one():
    def double(x, progress=None):
        return x.repeat(2, 2).repeat(2, 3)

    config = SimpleNamespace(channels=1, radius=1, multiple_of=1)
    network = SimpleNamespace(model=SimpleNamespace(config=config), scale=2)
    network = type("Double", (), {"__call__": lambda self, x, progress=None: double(x), **vars(network)})()
    network.memory = lambda height, width: 1
    pixels, seen = picture(1, 5, 6, 4, 8), []
    found = enlarge(network, pixels, 255, plan_size(6, 5, 2), progress=lambda done, total: seen.append((done, total)))
    assert np.array_equal(found[..., 3], pixels[..., 3].repeat(2, 0).repeat(2, 1))
    visible = pixels[..., 3] > 0
    assert np.array_equal(found[::2, ::2][visible], pixels[visible])


@pytest.mark.parametrize(
    ("pixels", "options", "words"),
    [
        (np.zeros((4, 4), np.float32), {}, "uint8 or uint16"),
        (np.zeros((4,), np.uint8), {}, "uint8 or uint16"),
        (np.zeros((0, 4), np.uint8), {}, "uint8 or uint16"),
        (np.zeros((4, 4, 5), np.uint8), {}, "1 to 4"),
        (np.full((4, 4), 1024, np.uint16), {"bits": 10}, "at most 1023"),
        (np.zeros((4, 4), np.uint8), {"scale": 2, "size": "8x8"}, "expected one"),
        (np.zeros((4, 4), np.uint8), {"scale": 50}, "passes"),
        (np.zeros((4, 4), np.uint8), {"scale": "2"}, "scale is .2., expected a number"),
        (np.zeros((4, 4), np.uint8), {"size": 100}, "size is 100, expected a text"),
        (np.zeros((4, 4), np.uint8), {"bits": 0}, "expected 8, 10, 12 or 16"),
        (np.zeros((4, 4), np.uint8), {"bits": 99}, "expected 8, 10, 12 or 16"),
        (np.zeros((4, 4), np.uint8), {"max_memory": "much"}, "amount of memory"),
    ],
)
def test_arrays_that_are_refused(pixels, options, words):
    with pytest.raises(BadInput, match=words):
        upscale_array(pixels, threads=1, **options)
