"""Sampling images at any positions: resample, and affine, whose positions are a linear map."""

from itertools import product

import numpy as np

from ....refimpl.errors import BadInput, UnsupportedOperator
from .parameters import like, room
from .registry import operator


@operator("resample")
def resample(x, coordinates, sampling_mode, padding_mode, padding_value, coordinates_mode, align_corners):
    """The image at the positions that ``coordinates`` (B, h, w, 2) lists, column before row.

    x is (B, C, H, W). bilinear or nearest; around the image lie ``padding_value`` (constant), its edge (border), or
    the image mirrored, about the centres of its edge samples (reflection) or about their outer edges (symmetric).
    """
    if coordinates.ndim != 4 or coordinates.shape[-1] != 2 or len(coordinates) != len(x):
        raise BadInput(f"coordinates of shape {coordinates.shape} do not fit an input of shape {x.shape}")
    rows, columns = (
        position(coordinates[..., place].astype(np.float64), size, coordinates_mode, bool(align_corners))
        for place, size in ((1, x.shape[2]), (0, x.shape[3]))
    )  # (B, h, w)
    return _sampled(x, rows, columns, sampling_mode.lower(), padding_mode.lower(), padding_value)


@operator("affine")
def affine(
    x,
    transform_matrix,
    output_height,
    output_width,
    sampling_mode,
    padding_mode,
    padding_value,
    coordinates_mode,
    align_corners,
):
    """The image where (a0 x + a1 y + a2, b0 x + b1 y + b2) of ``transform_matrix`` puts every output sample (x, y).

    x is (B, C, H, W), the matrix (B or 1, 6): [a0, a1, a2, b0, b1, b2]. Positions run from -1 to 1 on both sides. A
    single row or column lies in the middle, as in PyTorch's affine_grid.
    """
    if coordinates_mode.lower() != "normalized_minus_one_to_one":
        raise UnsupportedOperator(f"coordinates_mode {coordinates_mode!r} of affine is not executed by karat")
    sizes = room([len(x), x.shape[1], output_height, output_width])[2:]
    matrix = np.asarray(transform_matrix, np.float64).reshape(-1, 2, 3, 1, 1)  # (B or 1, 2, 3, 1, 1)
    if len(matrix) not in (1, len(x)):
        raise BadInput(f"{len(matrix)} matrices do not fit {len(x)} images")
    down, right = (_span(size, bool(align_corners)) for size in sizes)
    where = matrix[:, :, 0] * right[None, :] + matrix[:, :, 1] * down[:, None] + matrix[:, :, 2]  # (B or 1, 2, h, w)
    coordinates = np.broadcast_to(np.moveaxis(where, 1, -1), (len(x), *sizes, 2))  # (B, h, w, 2)
    return resample(x, coordinates, sampling_mode, padding_mode, padding_value, coordinates_mode, align_corners)


def _span(size, align_corners):
    """``size`` positions over [-1, 1]: its ends are the centres of the outer samples, or their outer edges."""
    if not align_corners:
        return (2 * np.arange(size) + 1) / size - 1
    return np.linspace(-1, 1, size) if size > 1 else np.zeros(size)


def position(coordinate, size, mode, align_corners):
    """Coordinates of one axis as positions in samples.

    Parameters
    ----------
    coordinate : ndarray of float64
    size : int
        Samples on the axis.
    mode : str
        "unnormalized" (which are positions), "normalized_minus_one_to_one" or "normalized_zero_to_one".
    align_corners : bool
        Whether the ends of a normalized range are the centres of the outer samples, and not their outer edges.

    Examples
    --------
    >>> position(np.array([0.0, 1.0]), 4, "normalized_zero_to_one", False).tolist()
    [-0.5, 3.5]
    """
    mode = mode.lower()
    if mode == "unnormalized":
        return coordinate
    if mode == "normalized_minus_one_to_one":
        coordinate = (coordinate + 1) / 2
    elif mode != "normalized_zero_to_one":
        raise BadInput(f"coordinates_mode is {mode!r}, expected unnormalized or normalized_(minus_one|zero)_to_one")
    return coordinate * (size - 1) if align_corners else coordinate * size - 0.5


def _sampled(x, rows, columns, sampling, padding, value):
    """(B, C, H, W) at rows and columns (B, h, w)."""
    room([*x.shape[:2], *rows.shape[1:]])
    rows, columns = _folded(rows, x.shape[2], padding), _folded(columns, x.shape[3], padding)
    if sampling == "nearest":
        return _fetched(x, np.rint(rows), np.rint(columns), padding, value)
    if sampling != "bilinear":
        raise BadInput(f"sampling_mode is {sampling!r}, expected bilinear or nearest")
    total = np.zeros((*x.shape[:2], *rows.shape[1:]), x.dtype)  # (B, C, h, w)
    for row, column in product((np.floor(rows), np.floor(rows) + 1), (np.floor(columns), np.floor(columns) + 1)):
        share = (1 - np.abs(rows - row)) * (1 - np.abs(columns - column))  # (B, h, w)
        total += _fetched(x, row, column, padding, value) * share[:, None].astype(x.dtype)
    return total


def _folded(at, size, padding):
    """Positions brought back to where the padding takes its values from; "constant" stays, two samples off at most."""
    if padding == "constant":
        return np.clip(at, -2, size)
    if padding in ("reflection", "symmetric"):
        edge = 0.0 if padding == "reflection" else -0.5  # the mirrors stand here, and as far behind the other end
        span = size - 1 - 2 * edge
        if span > 0:
            at = np.abs(at - edge) % (2 * span)
            at = np.minimum(at, 2 * span - at) + edge
    elif padding != "border":
        raise BadInput(f"padding_mode is {padding!r}, expected constant, border, reflection or symmetric")
    return np.clip(at, 0, size - 1)


def _fetched(x, rows, columns, padding, value):
    """The samples at whole positions, (B, C, h, w); outside of the image the padding."""
    height, width = x.shape[2:]
    batch = np.arange(len(x))[:, None, None]
    row, column = (
        np.clip(np.nan_to_num(at), 0, size - 1).astype(np.int64) for at, size in ((rows, height), (columns, width))
    )
    found = np.moveaxis(x[batch, :, row, column], -1, 1)  # (B, C, h, w)
    if padding != "constant":
        return found
    inside = (rows >= 0) & (rows <= height - 1) & (columns >= 0) & (columns <= width - 1)  # (B, h, w)
    return np.where(inside[:, None], found, like(value, x))
