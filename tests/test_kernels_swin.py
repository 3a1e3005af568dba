"""The fused Swin block agrees with the plain one, for every window, width and number of threads."""

import gc

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kernel_cases import PRECISIONS, Swin, assert_no_worse, swin_cases
from kernel_guards import guarded

from karat.kernels.swin import blocks as swin
from karat.kernels.swin import pack
from karat.kernels.swin.block import LAYER

CASE = {
    "window": 8,
    "shift": 4,
    "channels": 24,
    "heads": 3,
    "keys": 5,
    "values": 7,
    "hidden": 21,
    "qkv_bias": True,
    "grid": (2, 3),
    "seed": 5,
}


NARROW = {"window": 3, "shift": 1, "channels": 29, "heads": 4, "keys": 9, "values": 1, "hidden": 1, "qkv_bias": False}

# A scratch as large as the packed biases, which were once taken for it
EQUAL = {"shift": 0, "channels": 23, "heads": 2, "keys": 1, "values": 9, "hidden": 49}


@pytest.mark.parametrize("precision", PRECISIONS)
@example(drawn=NARROW | EQUAL | {"grid": (1, 1), "seed": 0}, threads=1)
@example(drawn=NARROW | {"grid": (1, 1), "seed": 0}, threads=1)  # tiles of four values once wrote beside the scratch
@given(swin_cases(), st.integers(1, 3))
def test_a_block_is_no_worse_than_its_twin(precision, drawn, threads):
    case = Swin(**drawn)
    assert_no_worse(case.reference(np.float64), case.twin(precision), case.run(precision, threads))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_norm_of_hardly_any_channels(precision, channels):
    """Two nearly equal numbers are amplified by eps^-1/2: a few tokens carry the error, and only many of them tell."""
    case = Swin(**CASE | {"channels": channels, "window": 4, "shift": 2, "numbers": 20_000})
    assert_no_worse(case.reference(np.float64), case.twin(precision), case.run(precision))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(("channels", "heads"), [(60, 6), (180, 6)])
def test_the_published_widths(precision, channels, heads):
    width = channels // heads
    case = Swin(8, 4, channels, heads, width, width, 2 * channels, True, (2, 2), 0)
    assert_no_worse(case.reference(np.float64), case.twin(precision), case.run(precision))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_bits_do_not_depend_on_threads_or_on_chance(precision):
    case = Swin(**CASE)
    layer = case.packed(precision)
    feature_maps = []
    for threads in (1, 2, *[4] * 250):
        blocks = swin.SwinBlocks([layer], precision, threads)
        feature_map = pack.copied(_map(case))
        blocks(layer, feature_map, case.size, blocks.scratch(case.size[0]))
        feature_maps.append(feature_map.tobytes())
    assert len(set(feature_maps)) == 1


def _map(case):
    from karat.kernels.maps.layout import to_map

    return to_map(case.x[0])


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("window", [7, 12])
def test_bits_do_not_depend_on_what_ran_before(precision, window):
    """An odd width and windows that leave lanes free: nothing of the scratch is read that was not written."""
    case = Swin(**CASE | {"window": window, "shift": 0, "channels": 15, "grid": (1, 2)})
    layer = case.packed(precision)
    blocks = swin.SwinBlocks([layer], precision, 1)
    results = []
    for content in (0, 0x7F, 0xFF):
        scratch, feature_map = blocks.scratch(case.size[0]), _map(case)
        scratch[0][...] = content
        blocks(layer, feature_map, case.size, scratch)
        results.append(feature_map.tobytes())
    assert len(set(results)) == 1


def test_a_packed_block_owns_all_memory_that_it_names():
    case = Swin(**CASE)
    for precision in PRECISIONS:
        layer = case.packed(precision)
        owned = [(array.ctypes.data, array.ctypes.data + array.nbytes) for array in layer.arrays]
        words = dict(zip(LAYER.names, layer.words.tolist(), strict=True))
        addresses = [name for name in words if name in ("share", "eps", "bias") or name.endswith(("_weight", "_bias"))]
        assert len(addresses) == 13
        for name in addresses:
            assert any(first <= words[name] < last for first, last in owned), name


@pytest.mark.parametrize("precision", PRECISIONS)
def test_nothing_is_freed_early(precision):
    """Between packing and running, others take and fill as much memory as there is to take."""
    case = Swin(**CASE)
    layer = case.packed(precision)
    blocks = swin.SwinBlocks([layer], precision, 2)
    case.parameters, kept = None, case
    gc.collect()
    garbage = [np.full(array.nbytes + 64, 0xFF, np.uint8) for array in [*layer.arrays, blocks.mask] * 20]
    feature_map = _map(kept)
    blocks(layer, feature_map, kept.size, blocks.scratch(kept.size[0]))
    del garbage
    again = Swin(**CASE)
    fresh = _map(again)
    layer = again.packed(precision)
    blocks = swin.SwinBlocks([layer], precision, 1)
    blocks(layer, fresh, again.size, blocks.scratch(again.size[0]))
    np.testing.assert_array_equal(feature_map, fresh)


# mutants


def _words(layer, **change):
    words = dict(zip(LAYER.names, layer.words.tolist(), strict=True))
    layer.words = LAYER.pack(**words | {name: f(words) for name, f in change.items()})


def _no_mask(blocks, layer):
    blocks.mask[...] = 0


def _mask_of_another_window(blocks, layer):
    blocks.mask[:2] = blocks.mask[1::-1].copy()


def _shift_off(blocks, layer):
    layer.shift -= 1


def _no_shift(blocks, layer):
    layer.shift = 0


def _keys_of_the_next_head(blocks, layer):
    _words(layer, k=lambda w: w["k"] + w["key_bytes"])


def _results_off_by_one(blocks, layer):
    _words(layer, out_bytes=lambda w: w["out_bytes"] - 256)


def _eps_of_another_size(blocks, layer):
    layer.arrays[0][1] = 1  # 1e-2 is below what bfloat16 tells


def _mean_of_other_channels(blocks, layer):
    _words(layer, channels=lambda w: w["channels"] - 1)


def _a_bias_dropped(blocks, layer):
    layer.arrays[3][...] = 0


def _a_weight_of_the_next_row(blocks, layer):
    _words(layer, v_weight=lambda w: w["v_weight"] + 4)


WRONG = [_no_mask, _mask_of_another_window, _shift_off, _no_shift, _keys_of_the_next_head]
WRONG += [_results_off_by_one, _eps_of_another_size, _mean_of_other_channels, _a_bias_dropped]
WRONG += [_a_weight_of_the_next_row]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("change", [None, *WRONG], ids=lambda f: f.__name__ if f else "none")
def test_a_wrong_block_is_caught(precision, change):
    case = Swin(**CASE)
    golden, twin, fast = case.reference(np.float64), case.twin(precision), case.run(precision, 1, change)
    if change is None:
        return assert_no_worse(golden, twin, fast)
    with pytest.raises(AssertionError):
        assert_no_worse(golden, twin, fast)
    return None


def _packed_wrongly(case, what):
    """Parameters that lead to what forgetting a step of the packing would."""
    p, table = dict(case.parameters), "attn.relative_position_bias_table"
    if what == "scale not folded":
        case.scale = 1.0
    elif what == "norm not folded":
        p["norm1.weight"] = np.ones_like(p["norm1.weight"])
    elif what == "norm's bias not folded":
        p["norm2.bias"] = np.zeros_like(p["norm2.bias"])
    elif what == "heads of proj in another order":
        p["attn.proj.weight"] = np.roll(p["attn.proj.weight"], 7, axis=1)
    elif what == "position bias transposed":
        p[table] = p[table][::-1]
    elif what == "position bias off by one":
        p[table] = np.roll(p[table], 1, axis=0)
    elif what == "position bias of the next head":
        p[table] = np.roll(p[table], 1, axis=1)
    case.parameters = p


PACKED_WRONGLY = ["scale not folded", "norm not folded", "norm's bias not folded", "heads of proj in another order"]
PACKED_WRONGLY += [f"position bias {how}" for how in ("transposed", "off by one", "of the next head")]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("what", PACKED_WRONGLY)
def test_wrong_packing_is_caught(precision, what):
    case = Swin(**CASE)
    golden, twin = case.reference(np.float64), case.twin(precision)
    _packed_wrongly(case, what)
    with pytest.raises(AssertionError):
        assert_no_worse(golden, twin, case.run(precision))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_dropped_residual_is_caught(precision):
    case = Swin(**CASE)
    with pytest.raises(AssertionError):
        assert_no_worse(case.reference(np.float64), case.twin(precision), case.run(precision) - case.x)


def _smaller_panels(blocks, layer):
    """As if the last part of a panel were forgotten in its size."""
    _words(layer, panel_bytes=lambda w: w["panel_bytes"] - 64)


def _one_tile(name):
    def too_many(blocks, layer):
        _words(layer, **{f"{name}_tiles": lambda w: w[f"{name}_tiles"] + 1})

    return too_many


def _scratch_too_small(blocks, layer):
    blocks.scratch_bytes -= 128


OUTSIDE = {
    "a tile of proj too many": ({}, _one_tile("proj")),
    "a tile of fc1 too many": ({"hidden": 96}, _one_tile("fc1")),
    "panels overlap": ({"window": 12, "shift": 0}, _smaller_panels),
    "scratch too small": ({"window": 7, "shift": 3}, _scratch_too_small),
}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("what", OUTSIDE)
def test_the_guards_see_what_is_written_outside(precision, what):
    other, change = OUTSIDE[what]
    case = Swin(**CASE | other)
    case.run(precision)
    with pytest.raises(AssertionError, match="written"):
        case.run(precision, 1, change)


@pytest.mark.parametrize("offset", [-1, 17])
def test_guards_see_a_single_byte(offset):
    def run():
        with guarded() as guards:
            guards.aligned(4)
            whole, first, _ = guards.memories[0]
            whole[first + offset] = 0

    with pytest.raises(AssertionError, match="written"):
        run()
