"""Attention in one operator."""

import math

import numpy as np

from .activation import softmax
from .parameters import room
from .registry import operator


@operator("scaled_dot_product_attention")
def scaled_dot_product_attention(query, key, value, attn_mask=None):
    """softmax(query key^T / sqrt(E) + mask) value, over the last two axes; the others are a batch.

    A mask of bool takes out where it is false; a row without anything left gives NaN, as in softmax.
    """
    scale = query.dtype.type(math.sqrt(query.shape[-1]))
    room([*query.shape[:-1], key.shape[-2]])
    scores = query @ np.swapaxes(key, -1, -2) / scale  # (B, ..., L, S)
    if attn_mask is not None and attn_mask.dtype == bool:
        scores = np.where(attn_mask, scores, scores.dtype.type(-np.inf))
    elif attn_mask is not None:
        scores = scores + attn_mask
    return softmax(scores, -1) @ value  # (B, ..., L, EV)
