"""Fifty honest packages: configurations, precisions, targets and five kinds of pictures. None may be blamed."""

import json

import numpy as np
import pytest
from networks import FORMS, random_model
from skimage.data import astronaut

from karat.convert.export.coreml import export
from karat.convert.fidelity import verify
from karat.convert.mil import open_package
from karat.refimpl.models import quicksrnet

OPTIONS = [
    {},
    {"precision": "float32"},
    {"storage": "float32"},
    {"keep_float32": ["conv_last"]},
    {"keep_float32": ["clip", "cnn.0"], "io": "float16"},
    {"io": "float16"},
    {"precision": "float32", "io": "float16"},
]
TARGETS = ["iOS16", "iOS17", "iOS18"]


def picture(kind, height, width):
    rows, columns = np.indices((height, width))
    if kind == "photograph":
        return astronaut()[100 : 100 + height, 200 : 200 + width].transpose(2, 0, 1)[None] / 255
    if kind == "flat":
        return np.full((1, 3, height, width), 0.37)
    if kind == "checkerboard":
        return np.broadcast_to((rows + columns) % 2, (1, 3, height, width)).astype(np.float64)
    if kind == "ramp":
        return np.stack([rows / height, columns / width, (rows + columns) / (height + width)])[None]
    return np.random.default_rng(height).choice([0.0, 1.0, 1 / 255, 254 / 255], (1, 3, height, width))  # extremes


KINDS = ["photograph", "flat", "checkerboard", "ramp", "extremes"]


# the divisors differ, so that every form meets every kind of picture and every option every target
FIFTY = [(n, sorted(FORMS)[n % 5], OPTIONS[n % 7], TARGETS[n % 3], KINDS[(n + n // 5) % 5]) for n in range(50)]


@pytest.mark.parametrize(("number", "form", "options", "target", "kind"), FIFTY)
def test_an_honest_package_is_not_blamed(tmp_path, number, form, options, target, kind):
    subpixel, unshuffle, average = FORMS[form]
    config = quicksrnet.Config(4 + number % 5, number % 4, subpixel, unshuffle, number % 2 == 1, average)
    model = random_model(config, number)
    height, width = 6 * config.multiple_of, (8 + number % 3) * config.multiple_of
    package = export(model, tmp_path / "m.mlpackage", (1, 3, height, width), target=target, **options)
    if number % 3 == 0:
        package.with_suffix(".pairing.json").unlink()
    verdict = verify(model, open_package(package), picture(kind, height, width))
    assert verdict.faithful is True, "\n".join(verdict.summary())
    layers = [row.layer for row in verdict.rows if row.layer != ":output"]
    assert layers == list(model.layers)
    document = json.loads(verdict.to_json())
    assert document["faithful"] is True
    assert len(document["rows"]) == len(verdict.rows)
    assert not document["untraced"]
