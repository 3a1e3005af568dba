"""What cannot be compiled or upscaled is refused in one sentence."""

from dataclasses import replace

import numpy as np
import pytest
from compile_cases import form
from swinir_networks import FORMS

import karat
from karat.kernels import compile as compile_module
from karat.kernels import cpu
from karat.refimpl.errors import BadInput


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"precision": "float16"}, "precision is 'float16'"),
        ({"threads": 0}, "0 threads"),
        ({"threads": -1}, "-1 threads"),
        ({"threads": "2"}, "threads"),
        ({"threads": 1.5}, "threads"),
        ({"model": "zoo:nothing"}, "zoo holds no"),
    ],
)
def test_what_cannot_be_compiled_is_told(given, says):
    with pytest.raises(BadInput, match=says) as error:
        karat.compile(**{"model": "zoo:light-x2-test"} | given)
    assert str(error.value).count(". ") == 0, "one sentence"


def test_bfloat16_is_refused_where_the_processor_has_none(monkeypatch):
    plain = replace(cpu.target(), bf16=False)
    monkeypatch.setattr(compile_module.cpu, "target", lambda: plain)
    with pytest.raises(BadInput, match="bfloat16 was asked for") as error:
        karat.compile(form(), precision="bfloat16")
    assert str(error.value).count(". ") == 0, "one sentence"


@pytest.mark.parametrize(
    "name", ["norm.eps", "layers.0.residual_group.blocks.0.attn:bias.value", ":denormalise.factor"]
)
def test_constants_of_a_package_are_not_passed_over(name):
    model = form()
    carrying = model.carrying({name: model.expressions((8, 8)).get(name, 1 / 255)})
    with pytest.raises(BadInput, match=name) as error:
        karat.compile(carrying)
    assert str(error.value).count(". ") == 0, "one sentence"


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (np.zeros((1, 1, 8, 8), np.float32), "expected"),
        (np.zeros((3, 8, 8), np.float32), "expected"),
        (np.zeros((1, 3, 8, 8), np.uint8), "divide bytes by 255"),
        (np.zeros((1, 3, 0, 8), np.float32), "0 x 8"),
        (np.zeros((1, 3, 9, 9), np.float32), "position embedding"),
    ],
)
def test_pictures_that_do_not_fit_are_told(x, says):
    model = form(**FORMS["position embedding"])
    with pytest.raises(BadInput, match=says) as error:
        karat.compile(model, threads=1)(
            np.pad(x, ((0, 0),) * (x.ndim - 2) + ((0, 4),) * 2) if "position" in says else x
        )
    assert str(error.value).count(". ") == 0, "one sentence"
