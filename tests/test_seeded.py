"""The networks whose weights are a formula: the same everywhere, official in form, natural in size."""

import numpy as np
import pytest
from skimage.data import astronaut

import karat
from karat.convert.torch_models import twin
from karat.refimpl.models.seeded import CONFIGS, uniform

PARAMETERS = {
    "light-x2-test": 910_152,
    "classical-x2-test": 11_752_487,
    "real-x2-test": 11_678_631,
    "real-x4-test": 11_715_559,
    "quicksrnet-medium-x2-test": 50_604,
}


def test_the_formula_is_what_it_says():
    """By Python's own integers, for one parameter."""
    import zlib

    state = zlib.crc32(b"norm.weight") << 32
    for i in (0, 1, 999):
        z = (state + i + 0x9E3779B97F4A7C15) % 2**64
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        z = z ^ (z >> 31)
        assert uniform("norm.weight", 1000)[i] == 2 * ((z >> 11) / 2**53) - 1


def test_the_numbers_are_spread():
    u = uniform("a", 100_000)
    assert abs(u.mean()) < 0.01
    assert u.std() == pytest.approx(1 / np.sqrt(3), rel=0.01)
    assert not np.array_equal(uniform("b", 10), u[:10])


@pytest.mark.parametrize("name", CONFIGS)
def test_the_networks_are_official_and_natural(name):
    model = karat.load(f"zoo:{name}")
    assert sum(value.size for value in model.parameters.values()) == PARAMETERS[name]
    assert set(twin(model).state_dict()) >= set(model.parameters)
    assert all(np.count_nonzero(value) == value.size for value in model.parameters.values())
    x = astronaut()[100:116, 200:216].transpose(2, 0, 1)[None].astype(np.float32) / 255
    for layer, value in model.trace(x):
        if not layer.endswith(":mask"):  # its -100 are no activations
            assert 0.01 < np.sqrt(np.mean(np.square(value))) < 10, layer
            assert np.max(np.abs(value)) < 20, layer
    assert 0 < value.mean() < 1
