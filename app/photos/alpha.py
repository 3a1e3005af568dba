"""Colours where a picture is transparent: what an editor left there would bleed into the edges as a dark fringe."""

import numpy as np

UNSEEN, SEEN = 1 / 32, 1 / 8  # alpha up to which a colour counts nothing, and from which it is taken as it is


def filled(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colours continued into the transparent pixels, from the nearest visible ones outwards.

    Parameters
    ----------
    colours : ndarray, (C, H, W)
        Floating.
    alpha : ndarray, (H, W)
        In [0, 1]; colours stay from `SEEN` on, count less below, and nothing up to `UNSEEN`: a lossy format leaves
        black at alphas of a few levels.

    Returns
    -------
    ndarray, (C, H, W)

    References
    ----------
    S. Gortler et al., "The Lumigraph", SIGGRAPH 1996, section 3.4 (pull-push). doi:10.1145/237170.237200

    Examples
    --------
    >>> filled(np.array([[[0.8, 0.0]]]), np.array([[1.0, 0.0]]))
    array([[[0.8, 0.8]]])
    """
    seen = np.clip((alpha - UNSEEN) / (SEEN - UNSEEN), 0, 1).astype(colours.dtype)
    if (seen == 1).all() or not seen.any():
        return colours
    return np.where(seen == 1, colours, _pull_push(colours * seen, seen))


def _pull_push(weighted, seen):
    """Means of what is seen, at the finest level where something is: (C, H, W) of sums and (H, W) of weights."""
    height, width = seen.shape
    if min(height, width) == 1 and max(height, width) == 1:
        return weighted / np.maximum(seen, 1e-30)
    sides = [(0, height % 2), (0, width % 2)]
    sums, weights = (np.pad(a, [(0, 0)] * (a.ndim - 2) + sides) for a in (weighted, seen))
    coarse_sums, coarse_weights = (
        a.reshape(*a.shape[:-2], a.shape[-2] // 2, 2, a.shape[-1] // 2, 2).sum((-3, -1)) for a in (sums, weights)
    )
    most = np.minimum(1, coarse_weights)  # a pixel counts once, however many it was made of
    coarse = _pull_push(coarse_sums * (most / np.maximum(coarse_weights, 1e-30)), most)
    pushed = coarse.repeat(2, axis=-2).repeat(2, axis=-1)[..., :height, :width]
    return weighted + (1 - seen) * pushed
