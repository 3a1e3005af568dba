"""Resizing of the last axes: where on the input an output sample lies is all that the sampling modes differ in."""

import numpy as np

from ....refimpl.errors import BadInput, UnsupportedOperator
from .parameters import ints, room
from .registry import operator


def grid(size_in, size_out, mode):
    """Positions of the output samples on the input axis, in input samples, cut to [0, size_in - 1].

    Examples
    --------
    >>> grid(2, 5, "UNALIGN_CORNERS").round(9).tolist()
    [0.0, 0.1, 0.5, 0.9, 1.0]
    """
    step = np.arange(size_out, dtype=np.float64)
    if mode == "UNALIGN_CORNERS":  # PyTorch's align_corners=False: pixels have areas
        at = (step + 0.5) * (size_in / size_out) - 0.5
    elif mode in ("STRICT_ALIGN_CORNERS", "ALIGN_CORNERS"):
        at = step * ((size_in - 1) / max(size_out - 1, 1))
        if size_out == 1 and mode == "ALIGN_CORNERS":
            at = at + (size_in - 1) / 2
    elif mode == "DEFAULT":  # TensorFlow 1: neither corners nor areas
        at = step * (size_in / size_out)
    elif mode == "OFFSET_CORNERS":
        at = (step + 0.5) * (max(1, size_in - 1) / size_out)
    else:
        raise BadInput(f"sampling_mode is {mode!r}, expected DEFAULT, [STRICT_]ALIGN_, UNALIGN_ or OFFSET_CORNERS")
    return np.clip(at, 0, size_in - 1)


def interpolated(x, axis, at):
    """Linear interpolation along one axis.

    Parameters
    ----------
    x : ndarray
    axis : int
        Not negative.
    at : ndarray of float64, (M,)
        Positions in samples, within [0, size - 1].

    Returns
    -------
    ndarray
        M samples along ``axis``.

    Examples
    --------
    >>> interpolated(np.array([0.0, 2.0, 4.0]), 0, np.array([0.5, 2.0])).tolist()
    [1.0, 4.0]
    """
    room([*x.shape[:axis], len(at), *x.shape[axis + 1 :]])
    left = np.floor(at).astype(np.int64)
    right = np.minimum(left + 1, x.shape[axis] - 1)
    weight = (at - left).astype(x.dtype).reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    return np.take(x, left, axis) * (1 - weight) + np.take(x, right, axis) * weight


def linear_plan(kind, x, **parameters):
    """Along which axes a resizing operator interpolates, and where, in its order.

    Parameters
    ----------
    kind : str
        "upsample_bilinear", "resize_bilinear" or "resize"; nothing is interpolated when the last takes the nearest.
    x, **parameters
        The operator's.

    Returns
    -------
    list of (int, ndarray of float64)
        Axis, and positions of the output samples in samples of the input.

    Examples
    --------
    >>> x = np.zeros((1, 2))
    >>> [(axis, at.tolist()) for axis, at in linear_plan("resize_bilinear", x, target_size_width=4)]
    [(0, [0.0]), (1, [0.0, 0.5, 1.0, 1.0])]
    """
    sizes, mode = _PLANS[kind](x, **parameters)
    return [(axis, _grid(x, axis, size, mode)) for axis, size in sizes.items()]


def _grid(x, axis, size, mode):
    room([*x.shape[:axis], size, *x.shape[axis + 1 :]])  # before the grid, which is as long
    return grid(x.shape[axis], size, mode)


def _linear(x, sizes, mode):
    for axis, size in sizes.items():
        x = interpolated(x, axis, _grid(x, axis, size, mode))
    return x


def _nearest(x, sizes):
    """The sample at floor(i size_in / size_out): PyTorch's nearest. In integers, so that no rounding moves a sample."""
    height, width = room([*x.shape[:-2], *sizes])[-2:]
    x = np.take(x, np.arange(height) * x.shape[-2] // height, x.ndim - 2)
    return np.take(x, np.arange(width) * x.shape[-1] // width, x.ndim - 1)


def _scaled(x, scale_height, scale_width):
    """floor(size * scale) for the last two axes: scales are stored in single precision, and multiplied in it."""
    scales = np.asarray([scale_height, scale_width], np.float32)
    return [int(size) for size in np.floor(scales * np.asarray(x.shape[-2:], np.float32))]


@operator("upsample_nearest_neighbor", exact=True)
def upsample_nearest_neighbor(x, scale_factor_height=1, scale_factor_width=1):
    """The nearest sample to the left, by factors; samples are placed by the sizes and not by the stored factors."""
    return _nearest(x, _scaled(x, scale_factor_height, scale_factor_width))


@operator("resize_nearest_neighbor", exact=True)
def resize_nearest_neighbor(x, target_size_height, target_size_width):
    """The nearest sample to the left, to given sizes."""
    return _nearest(x, (int(target_size_height), int(target_size_width)))


@operator("upsample_bilinear")
def upsample_bilinear(x, scale_factor_height=1, scale_factor_width=1, align_corners=True, half_pixel_centers=None):
    """Bilinear by factors. ``half_pixel_centers`` (iOS16) is the opposite of align_corners unless given."""
    return _linear(x, *_upsampled(x, scale_factor_height, scale_factor_width, align_corners, half_pixel_centers))


def _upsampled(x, scale_factor_height=1, scale_factor_width=1, align_corners=True, half_pixel_centers=None):
    half = not align_corners if half_pixel_centers is None else bool(half_pixel_centers)
    if align_corners and half:
        raise BadInput("align_corners and half_pixel_centers exclude each other")
    mode = "STRICT_ALIGN_CORNERS" if align_corners else "UNALIGN_CORNERS" if half else "DEFAULT"
    return _last_two(x, _scaled(x, scale_factor_height, scale_factor_width)), mode


@operator("resize_bilinear")
def resize_bilinear(x, target_size_height=1, target_size_width=1, sampling_mode="DEFAULT"):
    """Bilinear to given sizes."""
    return _linear(x, *_to_sizes(x, target_size_height, target_size_width, sampling_mode))


def _to_sizes(x, target_size_height=1, target_size_width=1, sampling_mode="DEFAULT"):
    return _last_two(x, (int(target_size_height), int(target_size_width))), sampling_mode


def _last_two(x, sizes):
    return dict(zip((x.ndim - 2, x.ndim - 1), sizes, strict=True))


@operator("resize")
def resize(x, shape, resized_dims, interpolation_mode="LINEAR", sampling_mode="DEFAULT"):
    """The last ``resized_dims`` axes to the last entries of ``shape``; 0 keeps a size. LINEAR or NEAREST_NEIGHBOR."""
    sizes = _wanted(x, shape, resized_dims)
    if interpolation_mode == "LINEAR" and x.dtype.kind == "f":
        return _linear(x, sizes, sampling_mode)
    if interpolation_mode != "NEAREST_NEIGHBOR":
        raise UnsupportedOperator(f"interpolation {interpolation_mode!r} of {x.dtype} is not executed by karat")
    for axis, size in sizes.items():
        # Core ML rounds the grid here, halves away from zero: not what PyTorch's nearest does.
        at = _grid(x, axis, size, sampling_mode)
        x = np.take(x, np.minimum(np.floor(at + 0.5).astype(np.int64), x.shape[axis] - 1), axis)
    return x


def _interpolated_sizes(x, shape, resized_dims, interpolation_mode="LINEAR", sampling_mode="DEFAULT"):
    """Nothing is interpolated where the nearest is taken."""
    return _wanted(x, shape, resized_dims) if interpolation_mode == "LINEAR" else {}, sampling_mode


def _wanted(x, shape, resized_dims):
    """Size by axis, of those that are not kept."""
    wanted, count = ints(shape), int(resized_dims)
    if not 0 <= count <= len(wanted) <= x.ndim:
        raise BadInput(f"{count} of the sizes {wanted} do not fit an input of shape {x.shape}")
    last = zip(range(x.ndim - count, x.ndim), wanted[len(wanted) - count :], strict=True)
    return {axis: size for axis, size in last if size}


_PLANS = {"upsample_bilinear": _upsampled, "resize_bilinear": _to_sizes, "resize": _interpolated_sizes}
