"""Pairs of photographs for the page of before and after."""

import numpy as np
from skimage.data import astronaut, camera

from karat.app.photos.color import cicp_profile
from karat.app.photos.compare import Pair
from karat.app.photos.photo import Metadata, Photo

HOSTILE = "</title><script>alert(1)</script><img src=http://127.0.0.1:9/x.png onerror=alert(1)>\" ' &.png"


def photo(pixels, bits=8, **more):
    """A photograph of (H, W) or (H, W, C)."""
    return Photo(np.ascontiguousarray(pixels.reshape(*pixels.shape[:2], -1)), bits, "PNG", **more)


def pair(name="photo.png", size=400, truth=True):
    """A quarter of a picture's pixels, and twice each of them: a poor network, but one."""
    real = astronaut()[:size, :size]
    small = real[::2, ::2]
    large = small.repeat(2, axis=0).repeat(2, axis=1)
    return Pair(name, photo(small), photo(large), photo(real) if truth else None)


def grey():
    """16 bits."""
    small = camera()[::4, ::4].astype(np.uint16) * 257
    return Pair("grey.tif", photo(small, 16), photo(small.repeat(2, 0).repeat(2, 1), 16))


def cut_out():
    """With alpha."""
    small = np.dstack([astronaut()[:300:3, :300:3], np.tile(np.linspace(0, 255, 100).astype(np.uint8), (100, 1))])
    return Pair("cut out.png", photo(small), photo(small.repeat(2, 0).repeat(2, 1)))


def wide():
    """Numbers of Display P3."""
    found = {"metadata": Metadata(icc=cicp_profile((12, 13, 0)))}
    small = astronaut()[:120, :160]
    return Pair("wide.heic", photo(small, **found), photo(small.repeat(2, 0).repeat(2, 1), **found))


def sensor():
    """Linear."""
    small = (astronaut()[:120, :160].astype(np.uint16) ** 2).astype(np.uint16)
    return Pair("sensor.dng", photo(small, 16, linear=True), photo(small.repeat(2, 0).repeat(2, 1), 16, linear=True))
