"""Rearrangements between channels and space. The order of the factors in the channel axis is what tells them apart."""

from .registry import operator


@operator("pixel_shuffle", exact=True)
def pixel_shuffle(x, upscale_factor):
    """(N, C r r, H, W) -> (N, C, H r, W r), channel outermost (CRD): PyTorch's."""
    n, c, h, w = x.shape
    r = int(upscale_factor)
    x = x.reshape(n, c // (r * r), r, r, h, w)  # (N, C, row, column, H, W)
    return x.transpose(0, 1, 4, 2, 5, 3).reshape(n, c // (r * r), h * r, w * r)


@operator("pixel_unshuffle", exact=True)
def pixel_unshuffle(x, downscale_factor):
    """(N, C, H r, W r) -> (N, C r r, H, W), channel outermost (CRD): the inverse of pixel_shuffle."""
    n, c, h, w = x.shape
    r = int(downscale_factor)
    x = x.reshape(n, c, h // r, r, w // r, r)  # (N, C, H, row, W, column)
    return x.transpose(0, 1, 3, 5, 2, 4).reshape(n, c * r * r, h // r, w // r)


@operator("depth_to_space", exact=True)
def depth_to_space(x, block_size):
    """(N, r r C, H, W) -> (N, C, H r, W r), channel innermost (DCR): TensorFlow's, and not pixel_shuffle."""
    n, c, h, w = x.shape
    r = int(block_size)
    x = x.reshape(n, r, r, c // (r * r), h, w)  # (N, row, column, C, H, W)
    return x.transpose(0, 3, 4, 1, 5, 2).reshape(n, c // (r * r), h * r, w * r)


@operator("space_to_depth", exact=True)
def space_to_depth(x, block_size):
    """(N, C, H r, W r) -> (N, r r C, H, W), channel innermost (DCR): the inverse of depth_to_space."""
    n, c, h, w = x.shape
    r = int(block_size)
    x = x.reshape(n, c, h // r, r, w // r, r)  # (N, C, H, row, W, column)
    return x.transpose(0, 3, 5, 1, 2, 4).reshape(n, r * r * c, h // r, w // r)
