"""Where before and after differ most, and how much each differs from the truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.data import astronaut

from karat.app.photos.compare import check_truth, crops, numbers
from karat.app.photos.compare.crops import BLOCK, Crop, find_crops, side_of
from karat.app.photos.compare.numbers import border_of, likeness
from karat.refimpl.errors import BadInput
from karat.refimpl.metrics import luma, psnr, ssim
from karat.refimpl.protocol import degrade, score

U = 2.0**-53


def random_pair(seed, height, width, channels=3):
    """Two pictures that differ more in some places than in others."""
    random = np.random.default_rng(seed)
    before = random.integers(0, 256, (height, width, channels)).astype(np.uint8)
    rough = np.clip(random.normal(0, 1, (height // 8 + 1, width // 8 + 1, 1)).repeat(8, 0).repeat(8, 1), 0, 3)
    noise = random.normal(0, 20, before.shape) * rough[:height, :width]
    return before, np.clip(before + noise, 0, 255).astype(np.uint8)


def power(before, after, crop):
    return int(((crop.of(before).astype(int) - crop.of(after)) ** 2).sum())


def faults(before, after, found, side):
    """What is wrong with crops: outside, of another size, one over another, or not where the difference is largest."""
    height, width = before.shape[:2]
    tall, wide = min(side, height), min(side, width)
    wrong = [c for c in found if (c.height, c.width) != (tall, wide) or c.of(before).shape[:2] != (tall, wide)]
    wrong += [c for c in found if min(c.top, c.left) < 0]
    cover = np.zeros((height, width), int)
    for crop in found:
        crop.of(cover)[:] += 1
    wrong += [cover] if cover.max() > 1 else []
    aligned = [
        Crop(top, left, tall, wide, 0)
        for top in range(0, height - tall + 1, BLOCK)
        for left in range(0, width - wide + 1, BLOCK)
    ]
    most = max(power(before, after, crop) for crop in aligned)
    return wrong + ([found[0]] if power(before, after, found[0]) < most else [])


@given(st.integers(0, 999), st.integers(1, 150), st.integers(1, 150), st.sampled_from([1, 3]))
def test_crops_are_where_the_difference_is_largest(seed, height, width, channels):
    before, after = random_pair(seed, height, width, channels)
    found = find_crops(before, after, side=48)
    assert faults(before, after, found, 48) == []
    for crop in found:
        difference = crop.of(before).astype(float) - crop.of(after)
        assert crop.rms == pytest.approx(np.sqrt(np.mean(difference**2)), rel=difference.size * U)


def test_crops_elsewhere_are_caught(monkeypatch):
    before, after = random_pair(1, 150, 140)
    honest = crops._window_sums
    monkeypatch.setattr(crops, "_window_sums", lambda *sizes: -honest(*sizes))
    assert faults(before, after, find_crops(before, after, side=48), 48) != []
    monkeypatch.setattr(crops, "_window_sums", honest)
    monkeypatch.setattr(crops.np, "abs", lambda n: np.full_like(n, 10**9))  # nothing is ever too near
    assert len(faults(before, after, find_crops(before, after, side=48), 48)) == 1


@given(st.integers(0, 399), st.integers(0, 299))
def test_one_changed_pixel_is_found(row, column):
    before = np.full((400, 300, 3), 90, np.uint8)
    after = before.copy()
    after[row, column, 1] += 1
    (crop,) = find_crops(before, after)  # no second: nothing else differs
    assert power(before, after, crop) == 1


def test_equal_pictures_have_one_crop_of_no_difference():
    grey = np.full((400, 300, 1), 90, np.uint8)
    assert [crop.rms for crop in find_crops(grey, grey)] == [0.0]


def test_strips_of_any_height_give_the_same(monkeypatch):
    before, after = random_pair(2, 333, 222)
    whole = crops.block_sums(before, after)
    monkeypatch.setattr(crops, "STRIP", 1)
    assert np.array_equal(crops.block_sums(before, after), whole)
    assert whole.sum() == power(before, after, Crop(0, 0, 333, 222, 0))


@given(st.integers(1, 9999), st.integers(1, 9999))
def test_a_crop_is_part_of_what_it_is_cut_from(height, width):
    side = side_of(height, width)
    assert side % BLOCK == 0
    assert side == 128 or 3 * side <= min(height, width)


def allowed(pixels):
    """What bands may change: sums of as many terms, and SSIM's own rounding over its smallest denominator."""
    return (2 * pixels + 64) * U, 4 * 44 * U / 0.03**2 + (2 * pixels + 64) * U


def same(found, expected, pixels):
    level, alike = allowed(pixels)
    near = found[0] == expected[0] or abs(found[0] - expected[0]) <= 10 / np.log(10) * level + 8 * U * abs(expected[0])
    return near and abs(found[1] - expected[1]) <= alike


def whole(truth, picture, border):
    """In one piece."""
    a, b = (luma(np.broadcast_to(p.transpose(2, 0, 1), (3, *p.shape[:2])) / 255) for p in (truth, picture))
    return psnr(a, b, border=border), ssim(a, b, border=border)


@given(st.integers(0, 99), st.integers(11, 90), st.integers(11, 40), st.integers(1, 4), st.sampled_from([1, 3]))
def test_bands_give_what_the_whole_gives(seed, height, width, border, channels):
    truth, picture = random_pair(seed, height + 2 * border, width + 2 * border, channels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numbers, "ROWS", 16)
        found = likeness(truth, picture, border)
    assert same(found, whole(truth, picture, border), height * width)


@pytest.mark.parametrize(("name", "value"), [("WINDOW", 10), ("WINDOW", 12)])
def test_bands_that_miss_rows_are_caught(monkeypatch, name, value):
    truth, picture = random_pair(3, 80, 40)
    monkeypatch.setattr(numbers, "ROWS", 16)
    expected = whole(truth, picture, 2)
    assert same(likeness(truth, picture, 2), expected, truth.size)
    monkeypatch.setattr(numbers, name, value)
    assert not same(likeness(truth, picture, 2), expected, truth.size)


def test_they_are_the_figures_of_the_papers():
    hr = astronaut()[:121, :150].transpose(2, 0, 1)  # (3, H, W)

    def poor(x):
        return x.repeat(2, axis=2).repeat(2, axis=3)

    lr, cut = degrade(hr, 2)
    result = lr.repeat(2, axis=1).repeat(2, axis=2).transpose(1, 2, 0)
    assert same(likeness(cut.transpose(1, 2, 0), result, 2), score(poor, hr, 2), cut.size)
    assert not same(likeness(cut.transpose(1, 2, 0), result, 3), score(poor, hr, 2), cut.size)


@pytest.mark.parametrize("side", [1, 2, 12, 14])
def test_what_is_too_small_has_no_figures(side):
    picture = np.zeros((side, 99, 3), np.uint8)
    assert likeness(picture, picture, 2) is None


def test_a_pixel_more_is_enough():
    picture = np.zeros((15, 99, 3), np.uint8)
    assert likeness(picture, picture, 2) == (np.inf, 1.0)


@given(st.integers(1, 500), st.integers(1, 500), st.integers(1, 4), st.integers(0, 3), st.integers(0, 3))
def test_a_truth_may_be_larger_by_less_than_the_scale(width, height, scale, right, below):
    after = width * scale, height * scale
    assert border_of((width, height), after) == scale
    check_truth((after[0] + right % scale, after[1] + below % scale), (width, height), after)
    for truth in ((after[0] + scale, after[1]), (after[0], after[1] + scale), (after[0] - 1, after[1])):
        with pytest.raises(BadInput, match="expected"):
            check_truth(truth, (width, height), after)
