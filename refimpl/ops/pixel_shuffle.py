"""Pixel shuffle and its inverse: channels to space in the CRD order that PyTorch uses."""

from .space_to_depth import depth_to_space, space_to_depth


def pixel_shuffle(x, factor):
    """Rearrange (N, C r^2, H, W) to (N, C, rH, rW): ``y[n, c, r h + i, r w + j] = x[n, c r^2 + i r + j, h, w]``.

    Parameters
    ----------
    x : ndarray, (N, C r^2, H, W)
    factor : int
        r.

    Returns
    -------
    ndarray, (N, C, rH, rW)

    References
    ----------
    W. Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional
    Neural Network", CVPR 2016, eq. 4. arXiv:1609.05158

    Examples
    --------
    >>> pixel_shuffle(np.arange(4).reshape(1, 4, 1, 1), 2)[0, 0]
    array([[0, 1],
           [2, 3]])
    """
    return depth_to_space(x, factor, "CRD")


def pixel_unshuffle(x, factor):
    """The inverse of `pixel_shuffle`: (N, C, rH, rW) to (N, C r^2, H, W).

    Parameters
    ----------
    x : ndarray, (N, C, rH, rW)
    factor : int
        r; it must divide both sides.

    Returns
    -------
    ndarray, (N, C r^2, H, W)

    Examples
    --------
    >>> pixel_unshuffle(np.arange(4).reshape(1, 1, 2, 2), 2)[0, :, 0, 0]
    array([0, 1, 2, 3])
    """
    return space_to_depth(x, factor, "CRD")
