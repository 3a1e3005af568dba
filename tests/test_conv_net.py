"""QuickSRNet's kernels against the golden network: within a derived bound, for every form and size, on any threads."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import FORMS, configs, random_model
from winograd_nets import net_error

from karat.kernels.conv_net import records
from karat.kernels.conv_net.network import ConvNet
from karat.refimpl.errors import BadInput
from karat.refimpl.models import quicksrnet, seeded


def picture(model, seed, size, batch=1):
    height, width = (-(-side // model.config.multiple_of) * model.config.multiple_of for side in size)
    return np.random.default_rng(seed).random((batch, 3, height, width), np.float32)


def excess(model, y, x):
    """The largest share of its bound that an error takes."""
    golden = x.astype(np.float64)
    return np.max(np.abs(y - model(golden)) / net_error(model, golden))


def bands_of(fast):
    ((_, bands),) = fast._idle
    return bands


def check(model, x, threads):
    fast = ConvNet(model, threads)
    y = fast(x)
    assert y.dtype == np.float32
    assert excess(model, y, x) <= 1
    assert all(band.scratch.intact() for band in bands_of(fast))
    return y


SIZES = st.tuples(st.integers(1, 60), st.integers(1, 70)) | st.tuples(st.integers(1, 9), st.integers(1, 140))


@pytest.mark.parametrize("input_to_output", [False, True])
@pytest.mark.parametrize("form", FORMS)
@given(st.data(), SIZES, st.integers(0, 2**32 - 1))
def test_every_form_is_within_the_bound_and_equal_on_any_threads(form, input_to_output, data, size, seed):
    model = random_model(data.draw(configs(form, input_to_output)), seed, np.float64)
    x = picture(model, seed, size, data.draw(st.integers(1, 2), label="batch"))
    one = check(model, x, 1)
    for threads in (2, 4):
        np.testing.assert_array_equal(check(model, x, threads), one)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(1, 5), st.booleans(), SIZES)
def test_layers_may_differ_in_width(widths, subpixel, unshuffled, size):
    rng = np.random.default_rng(sum(widths))
    outputs, last = 3 * subpixel**2, (widths[-1] * 4, 1) if unshuffled else (widths[-1], 3)
    shapes = [(after, before, 3, 3) for before, after in zip([3, *widths], widths, strict=False)]
    weights = {f"cnn.{2 * i}": shape for i, shape in enumerate(shapes)} | {
        "conv_last": (outputs, last[0], last[1], last[1])
    }
    parameters = {f"{name}.weight": rng.normal(0, 0.3, shape) for name, shape in weights.items()}
    parameters |= {f"{name}.bias": rng.normal(0.2, 0.2, shape[0]) for name, shape in weights.items()}
    config = quicksrnet.Config(max(widths), len(widths) - 1, subpixel, 1 + unshuffled)
    model = quicksrnet.Model(quicksrnet, config, parameters)
    x = picture(model, 1, size)
    np.testing.assert_array_equal(check(model, x, 2), check(model, x, 1))


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (4, 64), (5, 65), (64, 128), (67, 191)])
def test_tails_of_the_real_network(size):
    model = random_model(CONFIG, 3, np.float64)
    check(model, picture(model, 3, size), 2)


CONFIG = quicksrnet.Config(32, 2, 2)


def test_250_repetitions_are_equal():
    model = random_model(CONFIG, 5, np.float64)
    x, fast = picture(model, 5, (50, 70)), ConvNet(model, 2)
    first = fast(x)
    assert all(np.array_equal(fast(x), first) for _ in range(250))


def test_pictures_of_other_sizes_leave_nothing_behind():
    model = random_model(CONFIG, 6, np.float64)
    fast, small, large = ConvNet(model), picture(model, 6, (9, 9)), picture(model, 7, (70, 150))
    first = fast(small)
    fast(large)
    np.testing.assert_array_equal(fast(small), first)
    np.testing.assert_array_equal(fast(large), ConvNet(model)(large))


def change(layer, **words):
    def mutate(band):
        table = band.scratch.view("records", (5, records.LAYER_WORDS), np.int64)
        for name, value in words.items():
            place = getattr(records, name) // records.WORD
            table[layer, place] = value(table[layer, place])

    return mutate


def unmasked(band):
    records.write(band._net, {records.MASKS: 0})


def unlimited(band):
    band.scratch.view("limits", 2)[0] = 0.5


MUTANTS = {
    "no masks: what lies outside is not zero": unmasked,
    "a row of the halo is missing": change(1, FIRST=lambda v: v + 2),
    "a ring of two rows": lambda band: (change(2, TARGET_SLOTS=lambda v: 2)(band), change(3, SLOTS=lambda v: 2)(band)),
    "leaky clip": unlimited,
    "bias of the next channel": change(2, BIAS=lambda v: v + 4),
    "weights of the next channel": change(2, WEIGHTS=lambda v: v + 4),
    "a layer lags one row too far": change(2, LAG=lambda v: v + 1),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_bound_sees(mutant):
    model = random_model(quicksrnet.Config(8, 2, 2), 8, np.float64)
    x, fast = picture(model, 8, (91, 77)), ConvNet(model, 2)
    assert excess(model, fast(x), x) <= 1
    for band in bands_of(fast):
        MUTANTS[mutant](band)
    assert excess(model, fast(x), x) > 1


def test_guards_see_a_buffer_that_is_too_short():
    model = random_model(CONFIG, 9, np.float64)
    x, fast = picture(model, 9, (8, 128)), ConvNet(model)
    fast(x)
    (band,) = bands_of(fast)
    net = band._net
    records.write(net, {records.M: net[records.M // records.WORD] + 64})
    fast(x)
    assert not band.scratch.intact()


def test_the_plan_names_every_layer():
    for form in FORMS:
        model = random_model(quicksrnet.Config(4, 1, *FORMS[form][:2], True, FORMS[form][2]), 0)
        assert [name for name, _ in ConvNet(model).plan()] == list(model.layers)


def test_a_result_is_nobody_elses():
    model = random_model(quicksrnet.Config(4, 0, 2), 0, np.float64)
    fast, x = ConvNet(model), picture(model, 0, (8, 8), 2)
    first, kept = fast(x), fast(x)[1, 2:]  # an array, and a view of one that has no name
    raw = memoryview(fast(x))
    before = [np.array(first), np.array(kept), np.array(raw)]
    for _ in range(3):
        fast(1 - x)
    for held, expected in zip((first, kept, raw), before, strict=True):
        np.testing.assert_array_equal(held, expected)


def test_memory_of_a_dropped_result_serves_again():
    model = random_model(quicksrnet.Config(4, 0, 2), 0)
    fast, x = ConvNet(model), picture(model, 0, (8, 8))
    places = [fast(x).ctypes.data for _ in range(3)]  # pytest would hold the results of an assertion's expression
    assert len(set(places)) == 1
    assert fast(x).shape != fast(picture(model, 0, (8, 12))).shape


def test_progress_counts_pictures():
    model, seen = random_model(quicksrnet.Config(4, 0, 2), 0), []
    ConvNet(model)(picture(model, 0, (4, 4), 3), lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_memory_is_what_is_allocated():
    model = random_model(CONFIG, 0)
    fast = ConvNet(model, 2)
    y = fast(picture(model, 0, (128, 200)))
    assert fast.memory(128, 200) == y.nbytes + sum(band.scratch.bytes for band in bands_of(fast))


def test_another_architecture_is_refused():
    model = seeded.seeded_model("light-x2-test")
    with pytest.raises(BadInput, match="quicksrnet"):
        ConvNet(model)


def test_nan_stays_nan():
    """A clip must not make a picture of what is none."""
    model = quicksrnet.identity(quicksrnet.Config(features=4, layers=1, subpixel=2))
    x = np.full((1, 3, 12, 12), 0.5, np.float32)
    x[0, 1, 6, 6] = np.nan
    assert np.isnan(ConvNet(model)(x)[np.isnan(model(x))]).all()


@pytest.mark.parametrize("config", [quicksrnet.Config(4, 1, 4, unshuffle=4), quicksrnet.Config(4, 1, 6, average=3)])
def test_forms_that_no_checkpoint_has_are_refused(config):
    with pytest.raises(BadInput, match="published form"):
        ConvNet(quicksrnet.identity(config))
