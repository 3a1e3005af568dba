"""Multi-head self-attention inside windows."""

from collections.abc import Iterator

import numpy as np

from .linear import linear
from .relative_position_bias import relative_position_bias
from .softmax import softmax


def split_heads(qkv, heads, values=None):
    """(B nW, N, rows of qkv) as the queries, keys and values of every head: three of (B nW, heads, N, d).

    ``values`` is the width of a head's values; by default it is that of its queries and keys.

    Examples
    --------
    >>> [part.shape for part in split_heads(np.zeros((5, 4, 18)), heads=2)]
    [(5, 2, 4, 3), (5, 2, 4, 3), (5, 2, 4, 3)]
    >>> [part.shape for part in split_heads(np.zeros((5, 4, 18)), heads=2, values=5)]
    [(5, 2, 4, 2), (5, 2, 4, 2), (5, 2, 4, 5)]
    """
    windows, tokens, rows = qkv.shape
    values = rows // (3 * heads) if values is None else values
    d = (rows // heads - values) // 2
    q, k, v = np.split(qkv, [heads * d, 2 * heads * d], axis=-1)  # (B nW, N, heads d)
    q, k, v = (part.reshape(windows, tokens, heads, -1).swapaxes(1, 2) for part in (q, k, v))  # (B nW, heads, N, d)
    return q, k, v


def window_attention(x, parameters, heads, window, scale=None, mask=None) -> Iterator[tuple[str, np.ndarray]]:
    """Attention of every token to those of its own window, step by step.

    Parameters
    ----------
    x : ndarray, (B nW, window^2, C)
    parameters : mapping
        ``qkv.weight``, ``qkv.bias`` (optional), ``relative_position_bias_table``, ``proj.weight``, ``proj.bias``; rows
        of qkv are the queries of every head, then the keys, then the values, which may be wider or narrower (dv);
        ``query.value`` and ``bias.value`` where a package's own scale and gathered bias are to be used.
    heads, window : int
    scale : float, optional
        Of the queries; d^-1/2 by default.
    mask : ndarray, (nW, window^2, window^2), optional
        Added to the scores of each window.

    Yields
    ------
    (str, ndarray)
        ``.qkv``, ``:query`` (scaled), ``:scores``, ``:bias`` (scores with bias), ``:mask`` (with mask), ``:softmax``,
        ``:weighted_sum``, ``.proj``; the last one is the result, (B nW, window^2, C).

    References
    ----------
    Z. Liu et al., "Swin Transformer", ICCV 2021, eq. 4. arXiv:2103.14030

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> shapes = {"qkv.weight": (6, 2), "relative_position_bias_table": (9, 1)}
    >>> shapes |= {"proj.weight": (2, 2), "proj.bias": (2,)}
    >>> parameters = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    >>> [name for name, _ in window_attention(rng.normal(size=(3, 4, 2)), parameters, heads=1, window=2)]
    ['.qkv', ':query', ':scores', ':bias', ':softmax', ':weighted_sum', '.proj']
    """
    windows, tokens, _ = x.shape
    inner = parameters["proj.weight"].shape[1]  # heads dv
    yield ".qkv", (qkv := linear(x, parameters["qkv.weight"], parameters.get("qkv.bias")))  # (B nW, N, rows)
    q, k, v = split_heads(qkv, heads, inner // heads)  # (B nW, heads, N, d), values (B nW, heads, N, dv)
    scale = parameters.get("query.value", q.shape[-1] ** -0.5 if scale is None else scale)
    yield ":query", (q := q * x.dtype.type(scale))  # before the product, as the official code does
    yield ":scores", (scores := q @ k.swapaxes(-2, -1))  # (B nW, heads, N, N)
    bias = parameters.get("bias.value")  # (heads, N, N)
    if bias is None:
        bias = relative_position_bias(parameters["relative_position_bias_table"], window)
    yield ":bias", (scores := scores + bias)
    if mask is not None:
        per_image = scores.reshape(-1, len(mask), heads, tokens, tokens) + mask[:, None].astype(x.dtype)
        yield ":mask", (scores := per_image.reshape(windows, heads, tokens, tokens))
    yield ":softmax", (weights := softmax(scores))
    summed = (weights @ v).swapaxes(1, 2).reshape(windows, tokens, inner)  # heads side by side again
    yield ":weighted_sum", summed
    yield ".proj", linear(summed, parameters["proj.weight"], parameters["proj.bias"])
