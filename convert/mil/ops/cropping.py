"""Cutting out: crop by rows and columns, crop_resize by boxes that need not lie on samples."""

import numpy as np

from ....refimpl.errors import BadInput
from .parameters import ints, like, room, work
from .registry import operator
from .resize import grid, interpolated

BOX_MODES = ("CORNERS_HEIGHT_FIRST", "CORNERS_WIDTH_FIRST", "CENTER_SIZE_HEIGHT_FIRST", "CENTER_SIZE_WIDTH_FIRST")
IOS16, IOS17 = 6, 7


@operator("crop", exact=True)
def crop(x, crop_height, crop_width):
    """Without (first, last) rows and (first, last) columns of the last two axes."""
    (top, bottom), (left, right) = ints(crop_height), ints(crop_width)
    height, width = x.shape[-2:]
    if min(top, bottom, left, right, height - top - bottom, width - left - right) < 0:
        raise BadInput(f"cutting {(top, bottom)} rows and {(left, right)} columns off {x.shape} is impossible")
    return x[..., top : height - bottom, left : width - right]  # (..., H, W)


@operator("crop_resize")
def crop_resize(
    x,
    roi=None,
    target_height=1,
    target_width=1,
    normalized_coordinates=False,
    spatial_scale=1.0,
    box_coordinate_mode="CORNERS_HEIGHT_FIRST",
    sampling_mode="DEFAULT",
    pad_value=None,
    boxes=None,
    box_indices=None,
    opset=8,
):
    """Boxes cut out of images and resized bilinearly; samples outside of the image are ``pad_value``.

    x is (B, C, H, W). Up to iOS16 ``roi`` is (N, 1, 4, 1, 1), every box for every image, (N, B, C, h, w); or
    (N, 1, 5, 1, 1), the number of the image first, (N, 1, C, h, w). From iOS17 on ``boxes`` is (N, 4) and
    ``box_indices`` says the image, by default one box each: (N, C, h, w). ``pad_value`` came with iOS16.
    """
    _of_its_time(opset, roi, boxes, box_indices, pad_value)
    if opset >= IOS17:
        places, images = _listed(boxes, (4,)), box_indices  # (N, 4), (N,)
    else:
        places, images = _listed(roi, (4, 5)), None
        if places.shape[1] == 5:
            places, images = places[:, 1:], places[:, 0]
    if images is None:
        images = range(len(places)) if opset >= IOS17 else np.tile(range(len(x)), (len(places), 1))  # (N,) or (N, B)
    images, sizes = np.asarray(images, np.int64), (int(target_height), int(target_width))
    if len(images) != len(places) or min(sizes) < 1 or np.any((images < 0) | (images >= len(x))):
        raise BadInput(f"{len(places)} boxes of {len(x)} images, in {images.ravel()[:9]}, cannot be cut to {sizes}")
    out = np.empty(room([*images.reshape(len(places), -1).shape, x.shape[1], *sizes]), x.dtype)  # (N, B or 1, C, h, w)
    work(out.shape[0] * out.shape[1], x.shape[1] * sizes[0] * sizes[1])
    for index in np.ndindex(out.shape[:2]):
        ends = _ends(places[index[0]], x.shape[2:], normalized_coordinates, spatial_scale, box_coordinate_mode)
        image = x[images.reshape(out.shape[:2])[index]]  # (C, H, W)
        out[index] = _cut(image, ends, sizes, sampling_mode, 0.0 if pad_value is None else pad_value)
    return out[:, 0] if opset >= IOS17 else out


def _listed(boxes, lengths):
    """Boxes as (N, 4) or (N, 5)."""
    if boxes.size != boxes.shape[0] * max(boxes.shape[1:]) or max(boxes.shape[1:]) not in lengths:
        raise BadInput(f"boxes have shape {boxes.shape}, expected one of {lengths} numbers each")
    return boxes.reshape(len(boxes), -1)


def _of_its_time(opset, roi, boxes, box_indices, pad_value):
    """Refuse parameters that the version of Core ML does not have."""
    if opset >= IOS17 and (boxes is None or roi is not None):
        raise BadInput("crop_resize takes boxes, and no roi, from iOS17 on")
    if opset < IOS17 and (roi is None or boxes is not None or box_indices is not None):
        raise BadInput("crop_resize takes roi, and neither boxes nor box_indices, before iOS17")
    if opset < IOS16 and pad_value is not None:
        raise BadInput("crop_resize has no pad_value before iOS16")


def _ends(place, sizes, normalized, scale, mode):
    """((first row, last row), (first column, last column)) of one box, in samples; the first may be the larger."""
    if mode not in BOX_MODES:
        raise BadInput(f"box_coordinate_mode is {mode!r}, expected one of {', '.join(BOX_MODES)}")
    place = place.astype(np.float64) * float(scale)
    first, second = place[:2], place[2:]
    if mode.startswith("CENTER"):
        first, second = first - second / 2, first + second / 2
    axes = np.stack([first, second], axis=1)  # (2, 2): axis, end
    if mode.endswith("WIDTH_FIRST"):
        axes = axes[::-1]
    return axes * (np.asarray(sizes)[:, None] - 1) if normalized else axes


def _cut(image, ends, sizes, mode, pad_value):
    """One box of (C, H, W), resized to (C, h, w)."""
    grids = [box_grid(first, last, size, mode) for (first, last), size in zip(ends, sizes, strict=True)]
    inside = [(at >= 0) & (at <= size - 1) for at, size in zip(grids, image.shape[1:], strict=True)]
    kept = inside[0][:, None] & inside[1][None, :]  # (h, w)
    if mode == "UNALIGN_CORNERS" and not kept.any():
        # Measured by coremltools on a Mac (TestCropResize for iOS15), documented nowhere: in this mode a box that
        # misses the image gives the whole image, and not the padding.
        grids = [grid(size_in, size, mode) for size_in, size in zip(image.shape[1:], sizes, strict=True)]
        kept = np.ones_like(kept)
    for axis, at in enumerate(grids, start=1):
        image = interpolated(image, axis, np.clip(np.nan_to_num(at), 0, image.shape[axis] - 1))
    return np.where(kept, image, like(pad_value, image))  # (C, h, w)


def box_grid(first, last, size_out, mode):
    """Positions of the output samples of a box: the grid of resize_bilinear, laid from its first end to its last.

    Examples
    --------
    >>> box_grid(2.0, 1.0, 3, "ALIGN_CORNERS").tolist()
    [2.0, 1.5, 1.0]
    """
    length = abs(last - first)
    return first + np.sign(last - first) * grid(length + 1, size_out, mode)
