"""Convolution and its transpose, over any number of spatial axes."""

import numpy as np

from ....refimpl.errors import BadInput
from .parameters import per_axis, room
from .registry import operator
from .windows import output_sizes, padded, paddings, taps


@operator("conv")
def conv(x, weight, bias=None, strides=None, pad_type="valid", pad=None, dilations=None, groups=1):
    """Cross-correlation, as in all of deep learning: the kernel is not flipped.

    x is (N, C, *spatial), weight (O, C / groups, *window). ``pad`` is (before, after) axis by axis, not all the
    befores first. A sum over the places of the window of one matrix product each: no copy of the input per place.
    """
    window, rank, groups = weight.shape[2:], weight.ndim - 2, int(groups)
    if x.ndim != weight.ndim or groups < 1 or x.shape[1] != weight.shape[1] * groups or weight.shape[0] % groups:
        raise BadInput(f"an input of shape {x.shape} does not fit weights {weight.shape} in {groups} groups")
    strides, dilations = per_axis(strides, rank, 1), per_axis(dilations, rank, 1)
    pairs = paddings(pad_type, pad, x.shape[2:], window, strides, dilations)
    x = padded(x, pairs)
    counts = output_sizes(x.shape[2:], window, strides, dilations)
    per_group = weight.reshape(groups, -1, *weight.shape[1:])  # (G, O / G, C / G, *window)
    room([x.shape[0], weight.shape[0], *counts])
    out = np.zeros((x.shape[0], groups, per_group.shape[1], int(np.prod(counts))), x.dtype)
    product = np.empty_like(out)
    for index, view in taps(x, window, strides, dilations, counts):
        columns = view.reshape(x.shape[0], groups, per_group.shape[2], -1)  # (N, G, C / G, positions)
        out += np.matmul(per_group[(..., *index)], columns, out=product)
    out = out.reshape(x.shape[0], weight.shape[0], *counts)
    return out if bias is None else out + _per_channel(bias, out)


@operator("conv_transpose")
def conv_transpose(
    x, weight, bias=None, pad=None, output_shape=None, pad_type="valid", strides=None, dilations=None, groups=1
):
    """The transpose of ``conv`` as a linear map: each input element spreads a weighted window over the output.

    weight is (C, O / groups, *window). ``pad`` cuts (before, after) off the full result; "same" cuts so that
    size * stride remains; ``output_shape`` fixes what remains, the surplus at the end being kept.
    """
    window, rank, groups = weight.shape[2:], weight.ndim - 2, int(groups)
    if x.ndim != weight.ndim or groups < 1 or x.shape[1] != weight.shape[0] or weight.shape[0] % groups:
        raise BadInput(f"an input of shape {x.shape} does not fit weights {weight.shape} in {groups} groups")
    strides, dilations = per_axis(strides, rank, 1), per_axis(dilations, rank, 1)
    if min((*strides, *dilations), default=1) < 1:
        raise BadInput(f"strides {strides} and dilations {dilations} must be at least 1")
    counts = x.shape[2:]
    full = [(n - 1) * s + (w - 1) * d + 1 for n, s, w, d in zip(counts, strides, window, dilations, strict=True)]
    wanted = None if output_shape is None else tuple(int(v) for v in np.ravel(output_shape))[-rank:]
    begins, sizes = _crop(pad_type, pad, full, counts, strides, wanted)
    whole = [max(f, b + s) for f, b, s in zip(full, begins, sizes, strict=True)]
    out = np.zeros(room([x.shape[0], weight.shape[1] * groups, *whole]), x.dtype)
    per_group = weight.reshape(groups, -1, *weight.shape[1:])  # (G, C / G, O / G, *window)
    columns = x.reshape(x.shape[0], groups, per_group.shape[1], -1)  # (N, G, C / G, positions)
    for index, view in taps(out, window, strides, dilations, counts):
        spread = np.swapaxes(per_group[(..., *index)], -1, -2) @ columns  # (N, G, O / G, positions)
        view += spread.reshape(view.shape)
    out = out[(..., *(slice(b, b + s) for b, s in zip(begins, sizes, strict=True)))]
    return out if bias is None else out + _per_channel(bias, out)


def _crop(pad_type, pad, full, counts, strides, wanted):
    """(where the result begins in the full one, its sizes) of a transposed convolution, per axis."""
    if pad_type in ("same", "same_lower"):
        wanted = wanted or [n * s for n, s in zip(counts, strides, strict=True)]
        surplus = [max(f - w, 0) for f, w in zip(full, wanted, strict=True)]
        return [s // 2 if pad_type == "same" else s - s // 2 for s in surplus], list(wanted)
    pairs = paddings(pad_type, pad, full, full, strides, strides)
    sizes = wanted or [f - before - after for f, (before, after) in zip(full, pairs, strict=True)]
    if min(sizes) < 1:
        raise BadInput(f"cutting {pairs} off a result of {full} leaves nothing")
    return [before for before, _ in pairs], list(sizes)


def _per_channel(bias, out):
    if bias.size != out.shape[1]:
        raise BadInput(f"a bias of shape {bias.shape} does not fit {out.shape[1]} channels")
    return bias.reshape(-1, *[1] * (out.ndim - 2))  # (O, 1, ...)
