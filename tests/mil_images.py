"""What the tests of MIL's image operators share."""

import numpy as np
import pytest
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from karat.convert.mil.ops import OPERATORS

torch = pytest.importorskip("torch", reason="PyTorch is the independent definition here; install karat[test]")
F = torch.nn.functional
SEEDS = st.integers(0, 2**32 - 1)
U = np.finfo(np.float64).eps
REACH = 64  # positions of these tests, in samples, are smaller
MODES = ("DEFAULT", "UNALIGN_CORNERS", "ALIGN_CORNERS", "STRICT_ALIGN_CORNERS", "OFFSET_CORNERS")
LINE = np.arange(16.0).reshape(1, 1, 4, 4) + 1  # coremltools' picture: 4 row + column + 1


def run(kind, *args, opset=8, **parameters):
    one = OPERATORS[kind].at(opset)
    return one.function(*args, **parameters)


def close(ours, theirs):
    """Equal but for a few roundings of the positions, each of which moves a value by the step between two samples."""
    assert ours.shape == theirs.shape
    assert_allclose(ours, theirs, rtol=0, atol=16 * REACH * U * max(1.0, np.abs(theirs[np.isfinite(theirs)]).max()))


def uniform(seed, *shape):
    return np.random.default_rng(seed).uniform(-1, 1, shape)


def t(x):
    return torch.from_numpy(np.array(x))  # a copy: PyTorch warns of arrays that cannot be written
