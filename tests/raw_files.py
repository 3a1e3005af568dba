"""DNGs of every kind of sensor, tag by tag, and a raw file that LibRaw is only said to know."""

import io
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import tifffile

BYTE, ASCII, SHORT, LONG, RATIONAL, SRATIONAL = 1, 2, 3, 4, 5, 10
CFA, LINEAR = 32803, 34892
BAYER = (2, 2, (0, 1, 1, 2))
XTRANS = (6, 6, tuple(map(int, "121101010212121101101121212010101121")))
MATRIX = (0.65, -0.12, -0.09, -0.38, 1.16, 0.25, -0.1, 0.2, 0.6)


def fractions(values, below=10_000):
    return tuple(number for value in np.ravel(values) for number in (round(float(value) * below), below))


def dng(pixels, mosaic=BAYER, neutral=(0.5, 1, 0.6), matrix=MATRIX, **more):
    """A DNG; further tags are ``tag_CODE=(type, count, value)``."""
    tags = {50706: (BYTE, 4, (1, 4, 0, 0)), 50707: (BYTE, 4, (1, 1, 0, 0))}
    tags |= {271: (ASCII, 0, "Maker"), 272: (ASCII, 0, "Model"), 50708: (ASCII, 0, "Maker Model")}
    if mosaic:
        rows, columns, pattern = mosaic
        tags |= {33421: (SHORT, 2, (rows, columns)), 33422: (BYTE, rows * columns, pattern)}
    if neutral:
        tags[50728] = (RATIONAL, len(neutral), fractions(neutral))
    if matrix:
        tags |= {50721: (SRATIONAL, len(matrix), fractions(matrix)), 50778: (SHORT, 1, 21)}
    tags |= {int(name[4:]): value for name, value in more.items()}
    content = io.BytesIO()
    extra = [(code, *value, True) for code, value in tags.items()]
    tifffile.imwrite(content, pixels, photometric=CFA if mosaic else LINEAR, extratags=extra, metadata=None)
    return content.getvalue()


def opened(pixels, **more):
    """What `raw_file._opened` gives, of a file that is not there: no ``raw_image``, as of sensors in three layers."""
    height, width = pixels.shape[:2]
    sizes = {"raw_width": width, "raw_height": height, "iwidth": width, "iheight": height, "pixel_aspect": 1, "flip": 0}
    fields = {"num_colors": 3, "color_desc": b"RGBG", "white_level": 4095, "black_level_per_channel": [0] * 4}
    fields |= {"camera_whitebalance": [0.0] * 4, "daylight_whitebalance": [0.0] * 4, "rgb_xyz_matrix": np.zeros((4, 3))}
    fields |= {name: value for name, value in more.items() if name not in sizes}
    sizes |= {name: value for name, value in more.items() if name in sizes}
    raw = SimpleNamespace(sizes=SimpleNamespace(**sizes), postprocess=lambda **options: pixels, **fields)

    @contextmanager
    def fake(data):
        yield raw

    return fake
