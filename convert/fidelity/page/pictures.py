"""Golden picture, the package's, and their difference, as PNGs inside the page."""

import base64
import io
import math

import numpy as np
from PIL import Image

LONGEST = 512  # pixels: three pictures of noise, which PNG cannot compress, stay below 3.2 MB as text


def pictures(golden, output):
    """What the page shows of the two pictures.

    Parameters
    ----------
    golden, output : ndarray, (N, C, H, W)
        The first picture of each is shown; one grey channel when there are neither 1 nor 3.

    Returns
    -------
    dict
        "golden", "output": data URIs; "height", "width"; "cut": (top, left) where a large picture was cut to the
        surroundings of its largest error, or None; "difference": data URI, "power": exponent of 2 of its
        amplification, "largest": the largest difference, "changed": share of samples that differ as bytes: None where
        shapes differ; "broken": samples of the package that are not finite.
    """
    golden, output = (np.asarray(image[0], np.float64) for image in (golden, output))  # (C, H, W)
    golden, output = (image if len(image) in (1, 3) else image[:1] for image in (golden, output))
    broken = int(np.count_nonzero(~np.isfinite(output)))
    found = {"broken": broken, "difference": None, "cut": None, "full": output.shape[1:]}
    if golden.shape == output.shape:
        error = np.where(np.isfinite(output), output - golden, 0)
        rows, columns = _cut(error)
        if error[0].size > error[0, rows, columns].size:
            found["cut"] = rows.start, columns.start
        changed = np.mean(_bytes(golden) != _bytes(output))
        found |= _difference(error[:, rows, columns]) | {"changed": float(changed)}
        golden, output = golden[:, rows, columns], output[:, rows, columns]
    else:
        golden, output = (image[:, :LONGEST, :LONGEST] for image in (golden, output))
    height, width = output.shape[1:]
    return found | {"golden": _uri(golden), "output": _uri(output), "height": height, "width": width}


def _cut(error):
    """Slices of at most `LONGEST` rows and columns around the largest error of (C, H, W)."""
    worst = np.unravel_index(np.argmax(np.abs(error).max(axis=0)), error.shape[1:])
    for centre, side in zip(worst, error.shape[1:], strict=True):
        start = min(max(int(centre) - LONGEST // 2, 0), max(side - LONGEST, 0))
        yield slice(start, min(start + LONGEST, side))


def _difference(error):
    """The difference about mid-grey, times the largest power of two (from 1) that saturates nothing."""
    largest = float(np.abs(error).max())
    power = max(0, math.floor(math.log2(0.5 / largest))) if largest else 0
    return {"difference": _uri(0.5 + np.ldexp(error, power)), "power": power, "largest": largest}


def _bytes(picture):
    return np.rint(255 * np.clip(np.nan_to_num(picture, nan=0.0), 0, 1)).astype(np.uint8)


def _uri(picture):
    """(C, H, W) in [0, 1] as a data URI."""
    pixels = _bytes(picture).transpose(1, 2, 0)  # (H, W, C)
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
