"""Winograd's F(4x4, 3x3) and how large its error may be.

A 3x3 kernel g and a 6x6 patch d give Y = A^T [ (G g G^T) . (B^T d B) ] A, 4x4 outputs of their cross-correlation, exact
in exact arithmetic. The patch is multiplied by up to 5 and sums of up to 19 times a product are taken, so that rounding
weighs more than in the definition.

References
----------
A. Lavin, S. Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, section 4.1. arXiv:1509.09308
K. Vincent et al., "On Improving the Numerical Stability of Winograd Convolutions", ICLR 2017 workshop.
N. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., SIAM 2002. doi:10.1137/1.9780898718027
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .bounds import gamma

TILE, PATCH = 4, 6
A = np.array([[1, 0, 0, 0], [1, 1, 1, 1], [1, -1, 1, -1], [1, 2, 4, 8], [1, -2, 4, -8], [0, 0, 0, 1]], np.float64)
B = np.array(
    [
        [4, 0, 0, 0, 0, 0],
        [0, -4, 4, -2, 2, 4],
        [-5, -4, -4, -1, -1, 0],
        [0, 1, -1, 2, -2, -5],
        [1, 1, 1, 1, 1, 0],
        [0, 0, 0, 0, 0, 1],
    ],
    np.float64,
)
G = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24

# Roundings that a term passes at most, with or without fused multiply-add; products by powers of two have none.
INPUT_ROUNDINGS = 2 * 3  # B^T d: a product by -5, two sums; the same for the columns
OUTPUT_ROUNDINGS = 2 * 3  # A^T m: three sums


def conv2d_winograd(x, weight, matrices=(A, B, G)):
    """`conv2d` with padding 1 of 3x3 kernels by Winograd's algorithm.

    Parameters
    ----------
    x : ndarray, (N, C, H, W)
    weight : ndarray, (O, C, 3, 3)
    matrices : tuple of ndarray
        A, B and G, or their magnitudes.

    Returns
    -------
    ndarray, (N, O, H, W)

    Examples
    --------
    >>> conv2d_winograd(np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3)))[0, 0].round(12)
    array([[4., 6., 4.],
           [6., 9., 6.],
           [4., 6., 4.]])
    """
    a, b, g = matrices
    batch, _, height, width = x.shape
    down, right = -height % TILE, -width % TILE
    x = np.pad(x, ((0, 0), (0, 0), (1, 1 + down), (1, 1 + right)))
    windows = sliding_window_view(sliding_window_view(x, PATCH, axis=2), PATCH, axis=3)
    patches = windows[:, :, ::TILE, ::TILE]  # (N, C, H/4, W/4, 6, 6)
    v = b.T @ patches @ b
    u = g @ weight @ g.T  # (O, C, 6, 6)
    m = np.einsum("ocuw,nctsuw->notsuw", u, v, optimize=True)
    y = (a.T @ m @ a).transpose(0, 1, 2, 4, 3, 5)  # (N, O, H/4, 4, W/4, 4)
    return y.reshape(batch, len(weight), height + down, width + right)[..., :height, :width]


def winograd(x, weight, bias, fmt):
    """The error of a 3x3 convolution by Winograd's algorithm, for transformed kernels that are rounded once.

    With |.| element by element, every rounding of a term counted and k the channels: transformed kernels bring 1, the
    patches `INPUT_ROUNDINGS`, the sum over channels k, the outputs `OUTPUT_ROUNDINGS`, and the bias 1. So (Higham,
    lemma 3.1) it is at most gamma_(k + 14) (|A^T| [ sum (|G g G^T| . (|B^T| |d| |B|)) ] |A| + |bias|); we take
    |G| |g| |G^T|, which is larger, so that double precision's own cancellation is covered.

    Parameters
    ----------
    x : ndarray of float64, (N, C, H, W)
    weight : ndarray of float64, (O, C, 3, 3)
    bias : ndarray of float64, (O,)
    fmt : Format
        In which it is computed.

    Returns
    -------
    ndarray of float64, (N, O, H, W)

    Examples
    --------
    >>> from karat.refimpl.numerics.formats import FLOAT32
    >>> winograd(np.ones((1, 1, 4, 4)), np.ones((1, 1, 3, 3)), np.zeros(1), FLOAT32).max() < 2e-3
    np.True_
    """
    absolute = tuple(np.abs(matrix) for matrix in (A, B, G))
    magnitude = conv2d_winograd(np.abs(x), np.abs(weight), absolute) + np.abs(bias)[:, None, None]
    channels = weight.shape[1]
    # what underflows: a product of each channel, and kernels times patches, both up to 19^2 times in an output
    patch = np.abs(B).sum(0).max() ** 2 * np.max(np.abs(x), initial=0)
    underflow = fmt.smallest_subnormal * channels * (1 + patch) * np.abs(A).sum(0).max() ** 2
    return gamma(channels + 2 + INPUT_ROUNDINGS + OUTPUT_ROUNDINGS, fmt.unit_roundoff) * magnitude + underflow
