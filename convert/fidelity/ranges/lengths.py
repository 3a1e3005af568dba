"""Bounds by lengths: what linear layers, convolutions, sums and attention make of rows of known length.

A layer norm's output is gamma z + beta with |z|_2 <= sqrt(C): far less than a box of sqrt(C - 1) per element.
"""

from dataclasses import replace

import numpy as np

from .bounds import Bounds
from .facts import Ball, Term, fresh
from .rounding import TINY, U, gamma

WIDEST = 300  # columns of a box term: beyond, its 2-norm costs less and tells as much


def box_of(ball):
    """A Ball as Bounds: each element by its own spread."""
    low, high = ball.shift - ball.spread, ball.shift + ball.spread
    features = ball.features()
    return Bounds(low[features], high[features], ball)


def intersected(a, b):
    """Both hold; what is known beside the intervals comes from the second."""
    if b is None:
        return a
    return Bounds(np.maximum(a.low, b.low), np.minimum(a.high, b.high), b.fact)


def of_rows(ball, weight, bias):
    """W x + b where the last axis of x consists of pieces, each affine in its own z's: the heads of an attention.

    None where the pieces differ from row to row.
    """
    features, rows = ball.features(), ball.rows()
    first = features.reshape(-1, features.shape[-1])[0]
    if not np.all(features == first):
        return None
    changes = np.any(rows[..., 1:] != rows[..., :-1], axis=tuple(range(rows.ndim - 1)))
    pieces = np.split(np.arange(len(first)), np.flatnonzero(changes) + 1)
    w, largest = weight.centre, ball.largest[first]
    error = np.abs(w) @ ball.error[first] + weight.radius @ largest + bias.radius
    error = error + gamma(len(first) + 8) * (weight.magnitude @ largest + bias.magnitude) + len(first) * TINY
    terms = [t._replace(matrix=w[:, piece] @ t.matrix[first[piece]]) for piece in pieces for t in ball.terms]
    shape = (*rows.shape[:-1], len(w))
    return box_of(Ball(tuple(terms), w @ ball.shift[first] + bias.centre, error, fresh(shape)))


def of_boxes(x, weight, bias, shape):
    """A convolution of plain intervals: every output pixel is affine in its patch, a box.

    x (N, C, H, W) as Bounds; None where the patches are too large.
    """
    if weight.low[0].size > WIDEST or np.any(weight.radius):
        return None
    sides = [np.minimum(x.low, 0).min(axis=(0, 2, 3)), np.maximum(x.high, 0).max(axis=(0, 2, 3))]  # padding is zero
    centre, radius = (sides[0] + sides[1]) / 2, (sides[1] - sides[0]) / 2
    w = weight.low.reshape(len(weight.low), len(centre), -1)  # (O, C, taps)
    matrix = (w * radius[:, None]).reshape(len(w), -1)
    shift = (w * centre[:, None]).sum(axis=(1, 2)) + bias.centre
    sizes = np.abs(w).sum(axis=2) @ (np.abs(centre) + radius) + bias.magnitude
    error = bias.radius + gamma(w[0].size + 8) * sizes + w[0].size * TINY
    return Ball((Term(matrix, 1.0, True),), shift, error, fresh(shape, 1))


def of_pixels(ball, weight, bias, shape, padded):
    """A convolution of pixels that are affine in z's of their own: every place of the window brings new ones.

    ``padded`` is (kh, kw), True where a place of the window may lie in the padding and bring zeros. The bounds are
    sums over the places; what goes on carries the z's of all places in one vector, sqrt(places) times as long.
    """
    if not ball.along(1):
        return None
    taps = np.moveaxis(weight.centre.reshape(*weight.shape[:2], -1), -1, 0)  # (taps, O, C)
    often = np.where(np.ravel(padded), 0.5, 1.0)[:, None]  # a shift that may be missing: half of it, give or take
    shifts = np.stack([tap @ ball.shift for tap in taps])  # (taps, O)
    shift = (often * shifts).sum(axis=0) + bias.centre
    total = weight.magnitude.reshape(len(shift), len(ball.shift), -1).sum(axis=2)
    error = np.abs(taps).sum(axis=0) @ ball.error + weight.radius.sum(axis=(2, 3)) @ ball.largest
    error = error + np.abs((1 - often) * shifts).sum(axis=0) + bias.radius
    error = error + gamma(weight.low[0].size + 8) * (total @ ball.largest + bias.magnitude) + weight.low[0].size * TINY
    moved = [[term._replace(matrix=tap @ term.matrix) for tap in taps] for term in ball.terms]
    spread = sum((part.lengths() for parts in moved for part in parts), error)
    fact = Ball(tuple(_joined(parts) for parts in moved), shift, error, fresh(shape, 1))
    channel = (slice(None), None, None)
    low, high = (np.broadcast_to((shift + sign * spread)[channel], shape) for sign in (-1, 1))
    return Bounds(low, high, fact)


def _joined(parts):
    """Terms in different z's as one: a box stays a box, lengths add in squares.

    Each z is divided by the root of its matrix's size: the ellipsoid around a sum of ellipsoids whose squared axes sum
    to the least (A. Kurzhanski, I. Valyi, Ellipsoidal Calculus for Estimation and Control, 1997, section 2.2).
    """
    (matrix, radius, box), width = parts[0], sum(part.matrix.shape[1] for part in parts)
    if box and width <= WIDEST:
        return Term(np.concatenate([part.matrix for part in parts], axis=1), radius, True)
    radii = [part.radius * (np.sqrt(part.matrix.shape[1]) if part.box else 1.0) for part in parts]
    sizes = [max(r * float(np.linalg.norm(part.matrix)), TINY) for r, part in zip(radii, parts, strict=True)]
    scales = [r / np.sqrt(size) for r, size in zip(radii, sizes, strict=True)]  # |z / scale| is the root of the size
    matrix = np.concatenate([part.matrix * scale for part, scale in zip(parts, scales, strict=True)], axis=1)
    radius = float(np.sqrt(sum(sizes))) * (1 + len(parts) * U)
    if matrix.shape[1] > matrix.shape[0]:  # A z = R^T (Q^T z): as many columns as rows are enough
        grow = 1 + sum(matrix.shape) ** 2 * 2.0**-50
        matrix, radius = np.transpose(np.linalg.qr(matrix.T, mode="r")), radius * grow
    return Term(matrix, radius)


def added(x, y, out):
    """What is known of x + y, the residual stream: the terms of both; a plain operand adds its box per feature."""
    if not isinstance(x.fact, Ball):
        x, y = y, x
    if not isinstance(x.fact, Ball) or x.shape != out.shape:
        return None
    axis = next((axis for axis in (x.low.ndim - 1, 1) if axis < x.low.ndim and x.fact.along(axis)), None)
    if axis is None:
        return None
    ball = x.fact
    if isinstance(y.fact, Ball) and y.shape == x.shape and y.fact.along(axis):
        terms, shift, error = y.fact.terms, y.fact.shift, y.fact.error
    else:
        others = tuple(a for a in range(out.low.ndim) if a != axis)
        low = np.broadcast_to(y.low, out.shape).min(axis=others)
        high = np.broadcast_to(y.high, out.shape).max(axis=others)
        terms, shift = (), (low + high) / 2
        error = np.maximum(high - shift, shift - low)
    total = replace(ball, terms=ball.terms + terms, shift=ball.shift + shift, error=ball.error + error)
    return replace(total, error=total.error + gamma(3) * total.largest, labels=fresh(out.shape, axis))


def combined(weights, values):
    """Rows of weights that are not negative and sum to S, |S - 1| <= slack, times values: (..., N, M) (..., M, D)."""
    slack, terms = weights.fact.slack, weights.shape[-1]
    error = gamma(terms + 4) * (1 + slack) * values.magnitude.max(axis=-2, keepdims=True) + terms * TINY
    low, high = values.low.min(axis=-2, keepdims=True), values.high.max(axis=-2, keepdims=True)
    low, high = low - slack * np.abs(low) - error, high + slack * np.abs(high) + error
    batch = np.broadcast_shapes(weights.shape[:-2], values.shape[:-2])
    shape = (*batch, weights.shape[-2], values.shape[-1])
    fact = _combined(values.fact, slack, terms, shape) if isinstance(values.fact, Ball) else None
    return Bounds(np.broadcast_to(low, shape), np.broadcast_to(high, shape), fact)


def _combined(ball, slack, count, shape):
    """A convex combination of affine images of z's is the affine image of z's that are no longer."""
    features, rows = ball.features(), ball.rows()
    if ball.labels.shape[:-2] != shape[:-2] or not np.all(features == features[..., :1, :]):
        return None
    if not np.all(rows == rows[..., :1]):
        return None
    error = (1 + slack) * ball.error + slack * np.abs(ball.shift) + gamma(count + 4) * (1 + slack) * ball.largest
    labels = fresh(shape) // shape[-1] * len(ball.shift) + np.broadcast_to(features[..., :1, :], shape)
    terms = tuple(term._replace(radius=term.radius * (1 + slack)) for term in ball.terms)
    return replace(ball, terms=terms, error=error + count * TINY, labels=labels)


def scores(x, y):
    """q . k for all rows q of x (..., N, D) and columns k of y (..., D, M), by the norms of A_q^T A_k.

    q = c_q + sum A_q z + e_q and k alike. Which rows of A are met depends on the head only.
    """
    fx, fy = x.features(), y.features()
    one_z = np.all(x.rows() == x.rows()[..., :1]) and np.all(y.rows() == y.rows()[..., :1, :])
    if not one_z or fx.shape[:-2] != fy.shape[:-2]:
        return None
    if not (np.all(fx == fx[..., :1, :]) and np.all(fy == fy[..., :1])):
        return None
    pairs = np.concatenate([fx[..., 0, :], fy[..., 0]], axis=-1)  # (..., 2 D)
    heads, which = np.unique(pairs.reshape(-1, pairs.shape[-1]), axis=0, return_inverse=True)
    limits = np.array([_score(x, y, *np.split(head, 2)) for head in heads])  # (heads, 2)
    limits = limits[which.reshape(-1)].reshape(*pairs.shape[:-1], 1, 1, 2)
    shape = (*fx.shape[:-1], fy.shape[-1])
    return Bounds(np.broadcast_to(limits[..., 0], shape), np.broadcast_to(limits[..., 1], shape))


def _score(x, y, fx, fy):
    """(lowest, highest) q . k of one head.

    |q . k - c_q . c_k| <= |A_q^T A_k|_2 r_q r_k + |A_q^T c_k|_2 r_q + |A_k^T c_q|_2 r_k + the terms with e.
    """
    of_x, of_y = ([t._replace(matrix=t.matrix[f]) for t in ball.terms] for ball, f in ((x, fx), (y, fy)))
    c, d = x.shift[fx], y.shift[fy]
    spread = sum(_product(a, b) for a in of_x for b in of_y)
    spread += sum(t.length(d[None]) for t in of_x) + sum(t.length(c[None]) for t in of_y)
    spread += x.error[fx] @ y.largest[fy] + x.largest[fx] @ y.error[fy]
    spread += gamma(len(fx) + 8) * (x.largest[fx] @ y.largest[fy]) + len(fx) * TINY
    return c @ d - spread, c @ d + spread


def _product(a, b):
    """Bound on |(A z)^T (B w)|."""
    return b.length(a.matrix.T) * a.radius * (np.sqrt(a.matrix.shape[1]) if a.box else 1)
