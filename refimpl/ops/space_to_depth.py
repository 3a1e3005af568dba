"""Depth-to-space and space-to-depth in both channel orders, and the weight permutation that turns one into the other.

The r^2 phases of a block lie in the channel axis either innermost (CRD: channel, row, column; PyTorch's pixel shuffle)
or outermost (DCR: row, column, channel; Core ML's and TensorFlow's depth_to_space).
"""

import numpy as np

_ORDERS = ("CRD", "DCR")


def _check(order, x, factor, needs):
    if order not in _ORDERS:
        raise ValueError(f"the channel order is {order!r}; choose CRD or DCR")
    for axis, divisor in needs:
        if x.shape[axis] % divisor:
            raise ValueError(
                f"axis {axis} of {x.shape} is no multiple of {divisor}; crop or pad it for factor {factor}"
            )


def depth_to_space(x, factor, order):
    """Move blocks of channels into space.

    Parameters
    ----------
    x : ndarray, (N, C r^2, H, W)
    factor : int
        r, the side of a block.
    order : {"CRD", "DCR"}
        Where the phase (i, j) of channel c lies: at c r^2 + i r + j (CRD) or at (i r + j) C + c (DCR).

    Returns
    -------
    ndarray, (N, C, rH, rW)

    Raises
    ------
    ValueError
        For an unknown order, or channels that are no multiple of r^2.

    References
    ----------
    ONNX operator specification, DepthToSpace-13.

    Examples
    --------
    >>> x = np.arange(8).reshape(1, 8, 1, 1)
    >>> depth_to_space(x, 2, "CRD")[0, 0]
    array([[0, 1],
           [2, 3]])
    >>> depth_to_space(x, 2, "DCR")[0, 0]
    array([[0, 2],
           [4, 6]])
    """
    _check(order, x, factor, [(1, factor**2)])
    n, depth, h, w = x.shape
    c, r = depth // factor**2, factor
    if order == "CRD":
        y = x.reshape(n, c, r, r, h, w).transpose(0, 1, 4, 2, 5, 3)  # (N, C, H, r, W, r)
    else:
        y = x.reshape(n, r, r, c, h, w).transpose(0, 3, 4, 1, 5, 2)  # (N, C, H, r, W, r)
    return y.reshape(n, c, h * r, w * r)


def space_to_depth(x, factor, order):
    """The inverse of `depth_to_space` for the same ``order``.

    Parameters
    ----------
    x : ndarray, (N, C, rH, rW)
    factor : int
        r, the side of a block; it must divide both sides.
    order : {"CRD", "DCR"}

    Returns
    -------
    ndarray, (N, C r^2, H, W)

    Raises
    ------
    ValueError
        For an unknown order, or sides that are no multiple of r.

    Examples
    --------
    >>> space_to_depth(np.arange(8).reshape(1, 2, 2, 2), 2, "DCR")[0, :, 0, 0]
    array([0, 4, 1, 5, 2, 6, 3, 7])
    """
    _check(order, x, factor, [(2, factor), (3, factor)])
    n, c, height, width = x.shape
    h, w, r = height // factor, width // factor, factor
    blocks = x.reshape(n, c, h, r, w, r)
    crd, dcr = (0, 1, 3, 5, 2, 4), (0, 3, 5, 1, 2, 4)  # (N, C, r, r, H, W), (N, r, r, C, H, W)
    return blocks.transpose(crd if order == "CRD" else dcr).reshape(n, c * r * r, h, w)


def crd_to_dcr(channels, factor):
    """The permutation p with ``depth_to_space(x[:, p], r, "DCR") == depth_to_space(x, r, "CRD")``.

    Apply it to the rows of the convolution before a depth-to-space (``weight[p]``, ``bias[p]``) or to the input columns
    of the one after a space-to-depth (``weight[:, p]``), and to per-channel quantisation scales alike.

    Parameters
    ----------
    channels : int
        C, the channels after depth-to-space.
    factor : int
        r.

    Returns
    -------
    ndarray of int, (C r^2,)

    Examples
    --------
    >>> crd_to_dcr(2, 2)
    array([0, 4, 1, 5, 2, 6, 3, 7])
    """
    return np.arange(channels * factor**2).reshape(channels, factor**2).T.reshape(-1)
